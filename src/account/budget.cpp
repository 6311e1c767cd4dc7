#include "account/budget.hpp"

#include <array>
#include <utility>

namespace turnpike::account {

namespace {
constexpr std::array<std::pair<WindowKind, std::string_view>, 6> names{{
    {WindowKind::lifetime, "lifetime"},
    {WindowKind::hour, "hour"},
    {WindowKind::day, "day"},
    {WindowKind::week, "week"},
    {WindowKind::month, "month"},
    {WindowKind::rolling, "rolling"},
}};
}  // namespace

std::string_view to_string(WindowKind kind) {
  for (const auto& [value, name] : names) {
    if (value == kind) return name;
  }
  return "unknown";
}

std::optional<WindowKind> parse_window_kind(std::string_view name) {
  for (const auto& [value, known] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

}  // namespace turnpike::account
