// JSON Schema as clients write it, in the subset Gemini's parametersJsonSchema and
// responseJsonSchema accept. Source of the keyword list: wire-formats specification, "Upstream:
// Gemini".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace turnpike::dialect {

struct LoweredSchema {
  std::string json;
  /// A keyword that constrains values was dropped or weakened; annotations do not count.
  bool lossy = false;
};

/// `schema` is the text of one valid value, an object or a boolean. Key order and number text
/// survive. The result takes at most 64 KiB or four times the bytes of `schema`, whichever is more.
LoweredSchema lower_schema(std::string_view schema);

/// The same with another limit. A subtree that would exceed it, and every subtree after the limit
/// is used up, becomes {"type":"object"}, which is also the least a result can be; the result is
/// lossy then.
LoweredSchema lower_schema(std::string_view schema, std::size_t bytes_max);

}  // namespace turnpike::dialect
