// Whether a tool's result tells of a failure, by its words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace turnpike::dialect {

struct ResultSigns {
  bool failed = false;
  std::int32_t error_words = 0;
};

/// Looks at `bytes` (at most 2048) of the text, a quarter of them at its head, the rest at its
/// tail. An exit code decides; without one, phrases that only failures print ("core dumped", "3
/// tests failed", "ValueError: …" at the start of a line) and an error word as the first word do.
/// "0 failed" and "no errors" count for nothing.
ResultSigns read_tool_result(std::string_view text, std::size_t bytes = 2048);

}  // namespace turnpike::dialect
