// Little-endian numbers at the end of a text, and off the front of a span.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace turnpike::classify {

template <std::integral Integer>
void put(std::string& out, Integer value) {
  auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    out += static_cast<char>(static_cast<unsigned char>(bits & 0xFFU));
    if constexpr (sizeof(Integer) > 1) bits = static_cast<decltype(bits)>(bits >> 8U);
  }
}

/// False if `in` is too short.
template <std::integral Integer>
[[nodiscard]] bool take(std::span<const std::byte>& in, Integer& value) {
  using Bits = std::make_unsigned_t<Integer>;
  if (in.size() < sizeof(Integer)) return false;
  Bits bits = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    bits = static_cast<Bits>(bits | static_cast<Bits>(std::to_integer<Bits>(in[i]) << (8U * i)));
  value = static_cast<Integer>(bits);
  in = in.subspan(sizeof(Integer));
  return true;
}

}  // namespace turnpike::classify
