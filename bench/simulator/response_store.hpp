// OpenAI's memory of responses that were asked to be stored: their conversation so far, and each
// item by its id. Bounded: the oldest are forgotten. A key sees only its own.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "exchange.hpp"

namespace turnpike::simulator {

class ResponseStore {
 public:
  /// `items`: input and output of the response.
  void keep(std::string_view key, const std::string& id, Json items);
  /// Null if that key has no such response.
  [[nodiscard]] const Json* conversation(std::string_view key, std::string_view id) const;
  [[nodiscard]] const Json* item(std::string_view key, std::string_view id) const;
  void clear();

 private:
  static constexpr std::size_t responses_max = 2'000;
  static std::string scoped(std::string_view key, std::string_view id);

  std::map<std::string, Json, std::less<>> responses_;
  std::map<std::string, Json, std::less<>> items_;
  std::deque<std::string> order_;
};

}  // namespace turnpike::simulator
