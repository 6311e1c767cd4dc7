// What happened in the agent's loop so far, counted: failing results, repeated calls, edits, test
// runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dialect/facts_outline.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::dialect {

inline constexpr std::size_t recent_results = 6;
inline constexpr std::size_t recent_calls = 6;

/// `last_human` is the index of the last turn that a person wrote, or turns.size() if there is
/// none.
TraceCounters count_trace(const Outline& outline, std::size_t last_human);

}  // namespace turnpike::dialect
