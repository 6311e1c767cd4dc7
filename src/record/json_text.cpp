#include "record/json_text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include <fmt/format.h>

namespace turnpike::record {

namespace {

/// Bytes of the UTF-8 sequence at the beginning of `text`; 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const auto first = byte(0);
  if (first < 0x80U) return 1;
  if (first >= 0xc2U && first <= 0xdfU) return follows(1) ? 2 : 0;
  if (first >= 0xe0U && first <= 0xefU) {
    const bool overlong = first == 0xe0U && byte(1) < 0xa0U;
    const bool surrogate = first == 0xedU && byte(1) > 0x9fU;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0U && first <= 0xf4U) {
    const bool overlong = first == 0xf0U && byte(1) < 0x90U;
    const bool beyond = first == 0xf4U && byte(1) > 0x8fU;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

constexpr std::array<bool, 256> plain_bytes = [] {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x80; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

bool plain(char c) { return plain_bytes[static_cast<unsigned char>(c)]; }

}  // namespace

void JsonText::text(std::string_view text) {
  separate();
  put('"');
  while (!text.empty()) {
    const auto end = std::find_if_not(text.begin(), text.end(), plain);
    const auto length = static_cast<std::size_t>(end - text.begin());
    put(text.substr(0, length));
    text.remove_prefix(length);
    if (text.empty()) break;
    const char c = text.front();
    const auto sequence = sequence_length(text);
    if (sequence > 1) {
      put(text.substr(0, sequence));
    } else if (c == '"' || c == '\\') {
      put('\\');
      put(c);
    } else {
      put(fmt::format("\\u{:04x}", static_cast<unsigned char>(c)));
    }
    text.remove_prefix(std::max<std::size_t>(sequence, 1));
  }
  put('"');
}

}  // namespace turnpike::record
