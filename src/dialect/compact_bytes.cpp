#include "dialect/compact_bytes.hpp"

#include <string_view>

namespace turnpike::dialect {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::int64_t compact_bytes(const element& value) {
  switch (value.type()) {
    case element_type::OBJECT: {
      std::int64_t sum = 2;
      for (const auto& [key, member] : simdjson::dom::object{value}) {
        sum += static_cast<std::int64_t>(key.size()) + 4 + compact_bytes(member);
      }
      return sum;
    }
    case element_type::ARRAY: {
      std::int64_t sum = 2;
      for (const element member : simdjson::dom::array{value}) sum += 1 + compact_bytes(member);
      return sum;
    }
    case element_type::STRING:
      return static_cast<std::int64_t>(std::string_view{value}.size()) + 2;
    case element_type::BOOL:
    case element_type::NULL_VALUE:
      return 5;
    default:
      return 24;  // the longest a double prints
  }
}

}  // namespace turnpike::dialect
