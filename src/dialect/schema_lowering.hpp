// JSON Schema as clients write it, in the subset Gemini's parametersJsonSchema and
// responseJsonSchema accept. Source of the keyword list: wire-formats specification, "Upstream:
// Gemini".
#pragma once

#include <string>
#include <string_view>

namespace turnpike::dialect {

struct LoweredSchema {
  std::string json;
  /// A keyword that constrains values was dropped or weakened; annotations do not count.
  bool lossy = false;
};

/// `schema` is the text of one valid value, an object or a boolean. Key order and number text
/// survive.
LoweredSchema lower_schema(std::string_view schema);

}  // namespace turnpike::dialect
