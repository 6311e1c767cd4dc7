// The members of a Chat Completions body beside messages and tools: limits, thinking, format,
// sampling, user.
#pragma once

#include <cstdint>
#include <optional>

#include "dialect/ir.hpp"
#include "dialect/translate.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

/// Writes into the open object of `writer`. What the target has no word for is added to the
/// request's losses. `output_cap`: most tokens the budget allows.
void write_chat_settings(ir::Request& request, const Candidate& candidate,
                         std::optional<std::int64_t> output_cap, wire::JsonWriter& writer);

}  // namespace turnpike::dialect
