// What of a human message a person wrote: without the blocks that harnesses add, and apart from
// what was pasted.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace turnpike::dialect {

inline constexpr std::size_t question_bytes_max = 8192;
inline constexpr std::size_t tool_tail_bytes_max = 2048;
/// Of a longer message only the first and the last half of this are read; the middle counts as
/// pasted context.
inline constexpr std::size_t human_bytes_read_max = 65536;

struct HumanText {
  std::string question;             // head and tail window, at most question_bytes_max
  std::int64_t question_bytes = 0;  // before the window was cut
  std::int64_t context_bytes = 0;
  std::int64_t fenced_code_bytes = 0;
};

/// Known by shape, not by wording: <…-reminder> and other harness blocks, header lines, wrappers
/// around the request; pasted are code fences, quoted lines, tagged documents of 256 bytes or more
/// and runs of log, diff or stack lines. If nothing but pasted text is there, that is the question.
/// Blank lines and letter case change nothing.
HumanText split_human_text(std::span<const std::string_view> parts);

/// True if every part is blank, a harness's own line, block or whole part.
bool looks_like_harness_only(std::span<const std::string_view> parts);

/// The first `bytes` of a text and no piece of a UTF-8 character behind them; the last ones
/// likewise.
std::string_view head_of(std::string_view text, std::size_t bytes);
std::string_view tail_of(std::string_view text, std::size_t bytes);

}  // namespace turnpike::dialect
