#include "app/budget_name.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace turnpike::app {

BudgetName split_budget_name(std::string_view name) {
  if (const auto blank = name.find(' '); blank != std::string_view::npos) {
    return {name.substr(0, blank), name.substr(blank + 1)};
  }
  constexpr std::array<std::string_view, 3> filters{"provider:", "model:", "tier:"};
  const bool filter =
      std::ranges::any_of(filters, [&](auto kind) { return name.starts_with(kind); });
  return filter ? BudgetName{"all", name} : BudgetName{name, {}};
}

ScopeParts scope_parts(std::string_view scope) {
  const auto colon = scope.find(':');
  if (colon == std::string_view::npos) return {scope, {}};
  return {scope.substr(0, colon + 1), scope.substr(colon + 1)};
}

std::vector<std::string> scopes_of(const Account& key) {
  std::vector<std::string> scopes{"all"};
  if (!key.org.empty()) scopes.push_back("org:" + key.org);
  if (!key.team.empty()) scopes.push_back(fmt::format("team:{}/{}", key.org, key.team));
  if (!key.user.empty()) scopes.push_back(fmt::format("user:{}/{}", key.org, key.user));
  scopes.push_back("key:" + key.key_id);
  return scopes;
}

bool binds(std::string_view budget, const Account& key) {
  const auto scopes = scopes_of(key);
  return std::ranges::find(scopes, split_budget_name(budget).scope) != scopes.end();
}

}  // namespace turnpike::app
