// The same question as six harnesses send it: their wire, the blocks they put around what a person
// wrote, their tools. Shapes are those of recorded traffic; every word in them is made up here.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "turnpike/dialect.hpp"

namespace turnpike::routing_test {

enum class Harness : std::uint8_t { claude_code, codex, opencode, gemini_cli, qwen_code, cline };
inline constexpr std::array all_harnesses{Harness::claude_code, Harness::codex,
                                          Harness::opencode,    Harness::gemini_cli,
                                          Harness::qwen_code,   Harness::cline};
std::string_view name_of(Harness harness);
Dialect dialect_of(Harness harness);

/// The first turn of a conversation.
std::string first_turn(Harness harness, const std::string& question);

}  // namespace turnpike::routing_test
