// One agent's talk: a question, perhaps tool calls and their results, an answer.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "answer_check.hpp"
#include "options.hpp"

namespace turnpike::load {

class Conversation {
 public:
  Conversation(const Options& options, std::mt19937_64& dice, std::uint64_t number);

  [[nodiscard]] bool streams() const { return streams_; }
  /// The request is left after so many content events; -1: never.
  [[nodiscard]] std::int64_t leave_after() const { return leave_after_; }
  /// The whole HTTP request.
  [[nodiscard]] std::string request() const;
  /// Takes the answer in; true if another request follows.
  bool go_on(const AnswerCheck& answer);
  [[nodiscard]] bool was_loop() const { return steps_ > 0; }

 private:
  const Options& options_;
  nlohmann::json body_;
  bool streams_;
  bool sends_reasoning_;
  std::int64_t leave_after_ = -1;
  int steps_ = 0;
};

}  // namespace turnpike::load
