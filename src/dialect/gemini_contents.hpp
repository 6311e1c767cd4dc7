// The conversation of a Gemini body to messages of blocks.
#pragma once

#include "dialect/ir.hpp"
#include "turnpike/error.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// Appends to request.messages and counts losses. `instruction` may be absent, a string or a
/// content. Calls and their responses get the same ids whether or not the client kept them. Errors
/// are 400: roles nobody knows, media that only its vendor can read (next_candidate).
Result<void> read_gemini_contents(wire::JsonView instruction, wire::JsonView contents,
                                  ir::Request& request);

}  // namespace turnpike::dialect
