// Types inside `messages` and `tools` of a Chat body: every field that is read anywhere has a type
// it may have, so that nothing behind this check meets a surprise. Unknown fields, roles and part
// types pass.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string_view>

#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// Kinds of JSON values as a set; null is always allowed and means "not set".
enum class JsonKinds : unsigned {
  boolean = 1,
  integer = 2,
  number = 6,  // integers included
  string = 8,
  array = 16,
  object = 32,
  text_or_array = 24,
  text_or_object = 40,
};

/// The 400 for a value of none of these kinds, `param` being its path; nothing if the value is fine
/// or null.
std::optional<Error> check_kind(const simdjson::dom::element& value, JsonKinds allowed,
                                std::string_view param);
/// The 400 for two members of the same name, compared after unescaping.
std::optional<Error> check_unique(const simdjson::dom::object& object, std::string_view param);

/// The values of the top-level members; the paths of faults begin with those.
std::optional<Error> check_messages(const simdjson::dom::element& messages);
std::optional<Error> check_tools(const simdjson::dom::element& tools);

}  // namespace turnpike::dialect
