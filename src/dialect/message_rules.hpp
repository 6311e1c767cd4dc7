// Types inside `messages` and `tools` of a Chat body: every field that is read anywhere has a type
// it may have, so that nothing behind this check meets a surprise. Unknown fields, roles and part
// types pass.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string_view>

#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// The values of the top-level members; the paths of faults begin with those.
std::optional<Error> check_messages(const simdjson::dom::element& messages);
std::optional<Error> check_tools(const simdjson::dom::element& tools);

}  // namespace turnpike::dialect
