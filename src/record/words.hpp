// Enums and numbers by tool, as a record names them. Those of the dictionary have their words in core; the others have
// them here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "turnpike/exchange.hpp"

namespace turnpike::record {

inline std::string_view word_of(Pressure pressure) {
  static constexpr std::array<std::string_view, 4> words{"none", "notify", "prefer_cheap",
                                                         "cheap_only"};
  return words.at(static_cast<std::size_t>(pressure));
}
inline std::string_view word_of(Health health) {
  static constexpr std::array<std::string_view, 3> words{"ok", "degraded", "ejected"};
  return words.at(static_cast<std::size_t>(health));
}
template <typename Enum>
  requires requires(Enum value) { turnpike::to_string(value); }
std::string_view word_of(Enum value) {
  return turnpike::to_string(value);
}

/// How many values the enum has: they count from 0, and to_string() knows no further one.
template <typename Enum>
constexpr std::size_t values_of() {
  if constexpr (std::is_same_v<Enum, Pressure>) return 4;
  if constexpr (std::is_same_v<Enum, Health>) return 3;
  return 64;
}

template <typename Enum>
std::optional<Enum> value_of_word(std::string_view word) {
  if (word == "unknown") return std::nullopt;  // core's word for what is no value
  for (std::size_t i = 0; i < values_of<Enum>(); ++i) {
    const auto value = static_cast<Enum>(i);
    if (word_of(value) == word) return value;
  }
  return std::nullopt;
}

}  // namespace turnpike::record
