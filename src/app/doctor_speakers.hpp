// The four client dialects as a harness would speak them, small enough to ask one question at a time.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

struct DoctorCall {
  std::string id;
  std::string name;
  nlohmann::ordered_json arguments;
};

/// What one answer said, whatever the dialect.
struct DoctorAnswer {
  int status = 0;
  std::string text;
  std::string reasoning;
  bool reasoning_counted = false;  // usage tells thinking tokens
  std::vector<DoctorCall> calls;
  std::int64_t cached_tokens = 0;
  bool complete = false;  // the dialect's own sign of a whole answer was there
  nlohmann::ordered_json turn;  // the assistant's turn as this dialect sends it back: one item or a list of them
  std::string error;            // message of the dialect's error body; empty if there is none of the right shape
};

/// One question: text, and what goes with it.
struct DoctorQuestion {
  std::string model;
  std::string text;
  std::string system;
  bool tools = false;     // offers get_weather(city)
  bool schema = false;    // wants {"city": string}
  bool effort = false;    // asks for high effort
  bool stream = false;
  bool wrong = false;     // a maximum of tokens that no dialect accepts
  /// The loop's second half: what was answered first, and the results of its calls in their order.
  const DoctorAnswer* first = nullptr;
  std::vector<std::string> results;
};

class DoctorSpeaker {
 public:
  virtual ~DoctorSpeaker() = default;
  [[nodiscard]] virtual std::string path(const DoctorQuestion& question) const = 0;
  [[nodiscard]] virtual nlohmann::ordered_json body(const DoctorQuestion& question) const = 0;
  /// `text` is the body of the answer: JSON, or a whole event stream if `stream`.
  [[nodiscard]] virtual DoctorAnswer read(int status, const std::string& text, bool stream) const = 0;
};

std::unique_ptr<DoctorSpeaker> make_doctor_speaker(Dialect dialect);

}  // namespace turnpike::app
