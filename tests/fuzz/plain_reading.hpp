// What a body's members say, read by another parser than the gateway's: strict RFC 8259, each
// occurrence of each member kept, so that a second reading of the same name cannot hide.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::fuzz {

struct PlainMember {
  enum class Kind : std::uint8_t { null, boolean, integer, number, text, container };
  std::string path;  // keys joined by '/', of objects alone: "stream_options/include_usage"
  Kind kind = Kind::null;
  std::int64_t integer = 0;  // 0 or 1 for booleans
  std::string text;
};

struct PlainReading {
  bool valid = false;
  /// A number that no double holds: valid JSON, which this parser cannot read on.
  bool huge_number = false;
  std::size_t depth = 0;
  std::vector<PlainMember> members;  // down to three objects deep

  /// Every member of one of these paths, ASCII case ignored.
  [[nodiscard]] std::vector<const PlainMember*> named(
      std::initializer_list<std::string_view> paths) const;
};

PlainReading read_plainly(std::string_view text);

}  // namespace turnpike::fuzz
