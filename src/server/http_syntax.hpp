// The byte classes and small grammars of HTTP/1 that head, chunk and trailer checks share (RFC
// 9110 5.5, 5.6; RFC 9112).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike::server {

namespace byte_class {
constexpr std::uint8_t token = 1;   // tchar
constexpr std::uint8_t text = 2;    // may stand in a field value: HTAB, SP, visible, obs-text
constexpr std::uint8_t target = 4;  // may stand in a request target: RFC 3986 without '#'
constexpr std::uint8_t host =
    8;  // may stand in a registered name or IPv4 address, ',' and '@' left out
constexpr std::uint8_t digit = 16;
constexpr std::uint8_t hex = 32;
}  // namespace byte_class

/// Bit set of byte_class for every byte.
extern const std::array<std::uint8_t, 256> byte_classes;

inline bool is_class(char byte, std::uint8_t wanted) {
  return (byte_classes[static_cast<unsigned char>(byte)] & wanted) != 0;
}
bool all_of_class(std::string_view bytes, std::uint8_t wanted);

std::string_view trim_ows(std::string_view value);
/// ASCII only; `lower` is in lower case already.
bool equals_ignoring_case(std::string_view text, std::string_view lower);
std::string_view without_query(std::string_view target);

struct FieldLine {
  std::string_view name;
  std::string_view value;  // OWS trimmed
};
/// Takes "name: value" apart, without line end. nullopt: not a field line (obs-fold, empty or
/// non-token name, whitespace before the colon, control bytes).
std::optional<FieldLine> parse_field_line(std::string_view line);

/// Next element of a comma-separated list, OWS trimmed; takes it off `list`. Call while `list` is
/// not empty.
std::string_view next_list_element(std::string_view& list);

}  // namespace turnpike::server
