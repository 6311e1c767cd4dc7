// The slow second look at a body that the fast parser has refused: where is the fault, and is it
// one at all?
//
// The fast parser says neither the byte nor "fine, only a number that no machine word holds". This
// one does, in one pass without allocation per value. Runs only on refused bodies.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace turnpike::wire {

struct JsonFault {
  std::string_view code;  // invalid_json, invalid_utf8, too_deep or empty_body
  std::size_t byte = 0;   // offset of the first byte that cannot be
  std::string_view what;  // for people; a literal
};

struct JsonCheck {
  std::optional<JsonFault> fault;
  /// Valid numbers that neither a 64-bit integer nor a finite double holds: [begin, end) offsets.
  std::vector<std::pair<std::size_t, std::size_t>> huge_numbers;
};

/// RFC 8259, one document, no byte order mark, nesting at most `depth_max`.
JsonCheck check_json(std::string_view text, std::size_t depth_max);

}  // namespace turnpike::wire
