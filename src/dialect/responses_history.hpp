// The input of a Responses request as messages of blocks.
//
//   input := text | [item*]
//
// What the assistant did between two turns of others (reasoning, texts, calls) is one message with
// its blocks in the order of the items; every result of a tool is a message of its own, as in Chat.
#pragma once

#include <vector>

#include "dialect/ir.hpp"
#include "dialect/losses.hpp"
#include "dialect/responses_tools.hpp"
#include "turnpike/error.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// Items of the vendor's own tools are dropped in pairs and counted in `losses`, like unknown
/// items. Errors: 400 unsupported_parameter for what only the vendor's own store or machinery can
/// do.
Result<std::vector<ir::Message>> read_responses_history(wire::JsonView input,
                                                        const ResponsesTools& tools,
                                                        Losses& losses);

/// {"input": text}: a free-text call's input as arguments.
std::string wrapped_input(std::string_view text);

}  // namespace turnpike::dialect
