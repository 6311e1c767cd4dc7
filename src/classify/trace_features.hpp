// What the agent's loop tells: step kind, failing tools, repeated calls, asked effort.
//
// None of them moves with the length of the system prompt or of the history, the order of tools,
// ids or streaming.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "turnpike/facts.hpp"

namespace turnpike::classify {

enum class TraceFeature : std::uint8_t {
  continuation,  // the step goes on with a tool loop
  side_call,     // title or summary
  compaction,
  subagent,
  last_result_failed,
  errors_recent,   // failed results among the last 6
  error_streak,    // failed results in a row at the end, at most 4
  error_words,     // log2 of 1 + error words in the recent results
  repeats_recent,  // calls among the last 6 that were made before
  repeats_exact,   // log2 of 1 + all such calls
  editing,         // 1 in a loop that has edited or tested
  loop_depth,      // log2 of 1 + results since the last human turn
  effort,          // -2 none or minimal, -1 low, 0 unset or medium, 1 high, 2 above
  tiny_answer,     // the client allows at most 64 tokens
  images,          // 1 if there are any
  count_,
};
inline constexpr std::size_t trace_feature_count = static_cast<std::size_t>(TraceFeature::count_);
std::string_view to_string(TraceFeature feature);

/// In feature_one of text_features.hpp.
std::array<std::int32_t, trace_feature_count> trace_features(const RequestFacts& facts);

}  // namespace turnpike::classify
