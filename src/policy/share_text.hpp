// Numbers of the stored frontier share, read one after the other.
#pragma once

#include <charconv>
#include <cmath>
#include <string_view>
#include <type_traits>

namespace turnpike::policy {

/// Takes a blank, if there is one, and a number off the front; false if there is none, or if it is
/// no finite number.
template <class Number>
[[nodiscard]] bool take_number(std::string_view& text, Number& value) {
  if (text.starts_with(' ')) text.remove_prefix(1);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  if (read.ec != std::errc{}) return false;
  if constexpr (std::is_floating_point_v<Number>) return std::isfinite(value);
  return true;
}

}  // namespace turnpike::policy
