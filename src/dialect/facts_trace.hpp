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

struct ResultSigns {
  bool failed = false;
  std::int32_t error_words = 0;
};

/// Looks at `bytes` (at most 2048) of the text, a quarter of them at its head, the rest at its
/// tail. An exit code decides; without one, phrases that only failures print ("core dumped", "3
/// tests failed", "ValueError: …" at the start of a line) and an error word as the first word do.
/// "0 failed" and "no errors" count for nothing.
ResultSigns read_tool_result(std::string_view text, std::size_t bytes = 2048);

/// Equal for calls equal in name and arguments. Up to 512 bytes the order of the outermost members
/// and blanks outside strings do not matter; of longer arguments the first and last KiB and the
/// length are compared.
std::uint64_t hash_call(const Call& call);

/// Equal for calls that also differ in numbers, letter case and blanks: the same command at another line, port or second try.
/// Longer arguments as in hash_call().
std::uint64_t hash_call_roughly(const Call& call);

bool looks_like_edit(const Call& call);
bool looks_like_test_run(const Call& call);

/// `last_human` is the index of the last turn that a person wrote, or turns.size() if there is
/// none.
TraceCounters count_trace(const Outline& outline, std::size_t last_human);

}  // namespace turnpike::dialect
