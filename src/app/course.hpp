// How a recorded conversation would have gone on after a step of it went elsewhere: what its prompt caches hold, and what
// the next decision sees of the step before.
//
// What is modelled, and what is not (docs/backtest.md):
//   - tokens are as recorded; prompts are scaled by the tokens per byte of the two targets where both were measured;
//   - after a step its target's cache holds its whole prompt, for five minutes, an hour where the client asks for that,
//     or an hour where the provider caches by itself; the next prompt reads of it what it is long enough to continue;
//   - an answer elsewhere is whole and usable: no failure is invented.
#pragma once

#include <map>
#include <string>

#include "turnpike/clock.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::app {

/// The attempt that was charged or answered last; null if none ran.
const Attempt* served_attempt(const Exchange& exchange);

/// One conversation. Until a step goes elsewhere it follows the record.
class Course {
 public:
  /// A step was answered elsewhere than recorded: from here on the record's view of the conversation is not its own.
  [[nodiscard]] bool apart() const { return apart_; }
  /// What the decision sees of the conversation: the record's view, or after a step apart its own.
  [[nodiscard]] RouteInputs inputs(const Exchange& exchange) const;

  /// Usage that the recorded step would have had at this candidate, with what its cache holds by this course.
  [[nodiscard]] Usage usage_at(const Candidate& candidate, const Exchange& exchange, const Attempt& recorded) const;

  /// The step was answered by this candidate with this usage. `escalated`: the decision moved the loop up.
  void follow(const Exchange& exchange, const Candidate& candidate, const Usage& usage, bool escalated);
  void part() { apart_ = true; }

 private:
  struct Held {
    std::int64_t tokens = 0;
    Instant until{};
  };
  [[nodiscard]] std::int64_t held(const std::string& target, std::int64_t prompt, Instant at) const;

  std::map<std::string, Held, std::less<>> caches_;  // by target
  Stay stay_;                                        // of the last step; its target is empty before the first
  bool apart_ = false;
};

}  // namespace turnpike::app
