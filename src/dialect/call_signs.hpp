// What an agent's calls show without being understood: repeats, edits, test runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "dialect/facts_outline.hpp"

namespace turnpike::dialect {

/// Equal for calls equal in name and arguments. Up to 512 bytes the order of the outermost members
/// and blanks outside strings do not matter; of longer arguments the first and last KiB and the
/// length are compared.
std::uint64_t hash_call(const Call& call);

/// Equal for calls that also differ in numbers, letter case and blanks: the same command at another
/// line, port or second try. Longer arguments as in hash_call().
std::uint64_t hash_call_roughly(const Call& call);

/// What a tool's name says of all its calls; nothing where the command in the arguments does. An
/// agent calls few tools many times.
struct ToolSigns {
  std::optional<bool> edits;
  std::optional<bool> tests;
};
ToolSigns signs_of_tool(std::string_view name);

bool looks_like_edit(const Call& call, const ToolSigns& tool);
bool looks_like_test_run(const Call& call, const ToolSigns& tool);

}  // namespace turnpike::dialect
