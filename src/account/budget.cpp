#include "account/budget.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "account/calendar.hpp"
#include "account/definitions.hpp"

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

constexpr std::array<std::string_view, 3> filters{"provider:", "model:", "tier:"};

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::ranges::none_of(text, [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

/// "o/t": both parts there.
bool is_pair(std::string_view text) {
  const auto slash = text.find('/');
  return slash != std::string_view::npos && is_word(text.substr(0, slash)) &&
         is_word(text.substr(slash + 1));
}

bool is_filter(std::string_view text) {
  if (text.starts_with("model:")) return is_pair(text.substr(6));
  return std::ranges::any_of(filters, [&](std::string_view prefix) {
    return text.starts_with(prefix) && is_word(text.substr(prefix.size()));
  });
}

bool is_scope(std::string_view text) {
  if (text == "all") return true;
  if (text.starts_with("org:")) return is_word(text.substr(4));
  if (text.starts_with("key:")) return is_word(text.substr(4));
  return (text.starts_with("team:") || text.starts_with("user:")) && is_pair(text.substr(5));
}

bool is_budget_name(std::string_view name) {
  const auto blank = name.find(' ');
  if (blank == std::string_view::npos) return is_scope(name) || is_filter(name);
  return is_scope(name.substr(0, blank)) && name.substr(0, blank) != "all" &&
         is_filter(name.substr(blank + 1));
}

Error bad(std::string message, std::string param) {
  return client_error("bad_budget", std::move(message), std::move(param));
}

}  // namespace

bool has_filter(std::string_view budget) {
  return budget.find(' ') != std::string_view::npos || is_filter(budget);
}

Result<void> check_settings(const BudgetSettings& settings) {
  if (!is_budget_name(settings.budget)) {
    return std::unexpected{
        bad("a budget is named all, org:<org>, team:<org>/<team>, user:<org>/<user> or key:<id>, "
            "each alone or followed "
            "by provider:<provider>, model:<provider>/<model> or tier:<tier> (which may stand "
            "alone, too), not " +
                quoted_for_message(settings.budget),
            "budget")};
  }
  if (settings.conversation_max && has_filter(settings.budget)) {
    return std::unexpected{
        bad("a cap on conversations counts all their targets; set it without a filter",
            "conversation_max")};
  }
  for (const auto& [field, amount] : {std::pair{"request_cost_max", settings.request_cost_max},
                                      {"conversation_max", settings.conversation_max}}) {
    if (amount && *amount < Credits{})
      return std::unexpected{bad(fmt::format("{} cannot be negative", field), field)};
  }
  if (settings.concurrency_max && *settings.concurrency_max < 0) {
    return std::unexpected{bad("concurrency_max cannot be negative", "concurrency_max")};
  }
  for (std::size_t i = 0; i < settings.windows.size(); ++i) {
    if (auto good = check_rule(settings.windows[i]); !good) return good;
    for (std::size_t j = 0; j < i; ++j) {
      if (!same_span(settings.windows[i], settings.windows[j])) continue;
      return std::unexpected{bad("two windows of one budget cover the same span", "windows")};
    }
  }
  return {};
}

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
