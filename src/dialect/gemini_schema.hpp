// A schema as Gemini's clients write it to JSON Schema: the OpenAPI subset has types in upper case,
// "nullable", 64-bit numbers as strings and snake_case keywords; clients mix the two. Source:
// wire-formats specification, "Upstream: Gemini", schema.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace turnpike::dialect {

/// `schema` is the text of one valid value. Nothing if it is JSON Schema already; key order and
/// number text survive.
std::optional<std::string> json_schema_of(std::string_view schema);

}  // namespace turnpike::dialect
