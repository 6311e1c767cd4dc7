#include "server/http_syntax.hpp"

#include <algorithm>

namespace turnpike::server {

namespace {

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  auto mark = [&classes](std::string_view bytes, int bits) {
    for (char byte : bytes) {
      auto& slot = classes[static_cast<unsigned char>(byte)];
      slot = static_cast<std::uint8_t>(slot | bits);
    }
  };
  constexpr std::string_view alnum =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  mark(alnum, byte_class::token | byte_class::target | byte_class::host);
  mark("!#$%&'*+-.^_`|~", byte_class::token);
  mark("-._~%!$&'()*+,;=:@/?[]", byte_class::target);
  mark("-._~%!$&'()*+;=", byte_class::host);
  mark("0123456789", byte_class::digit | byte_class::hex);
  mark("abcdefABCDEF", byte_class::hex);
  for (std::size_t byte = 0; byte < classes.size(); ++byte) {
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) {
      classes[byte] = static_cast<std::uint8_t>(classes[byte] | byte_class::text);
    }
  }
  return classes;
}

constexpr char lowered(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

}  // namespace

constexpr std::array<std::uint8_t, 256> byte_classes = make_classes();

bool all_of_class(std::string_view bytes, std::uint8_t wanted) {
  return std::ranges::all_of(bytes, [wanted](char byte) { return is_class(byte, wanted); });
}

std::string_view trim_ows(std::string_view value) {
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
  return value;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, lowered);
}

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find('?'));
}

std::optional<FieldLine> parse_field_line(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const FieldLine field{line.substr(0, colon), line.substr(colon + 1)};
  if (!all_of_class(field.name, byte_class::token)) return std::nullopt;
  if (!all_of_class(field.value, byte_class::text)) return std::nullopt;
  return FieldLine{field.name, trim_ows(field.value)};
}

std::string_view next_list_element(std::string_view& list) {
  const auto comma = list.find(',');
  const auto element = list.substr(0, comma);
  list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  return trim_ows(element);
}

}  // namespace turnpike::server
