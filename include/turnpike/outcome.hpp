// What became of a step, told to whoever learns from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike {

/// Where an outcome comes from; the names (to_string) are labels of metrics.
enum class OutcomeSource : std::uint8_t {
  shadow_pair,      // both tiers answered the same step
  taught,           // `turnpike classifier train`
  unusable_answer,  // empty, refused, cut by length, or with invalid tool JSON
  tool_error,       // the call that the step made failed
  repeated_call,    // the step made a call again that had been made before
  test_result,      // the step ran tests, and they failed or passed
  user_correction,  // the next human turn says that it was wrong
  escalation,       // the loop had to be moved up
  quiet_step,       // nothing of all that
  count_,
};
std::string_view to_string(OutcomeSource source);

struct Outcome {
  OutcomeSource source = OutcomeSource::shadow_pair;
  float weak_failed = 0;              // 0..1: the bulk tier's answer was no good
  std::optional<float> strong_right;  // 0..1: the frontier's was; absent: not known. Pairs teach far more
  float weight = 1;                   // 0..1
};

}  // namespace turnpike
