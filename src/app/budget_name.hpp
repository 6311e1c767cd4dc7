// A budget's name taken apart, and what it is about.
//
//   name := scope | filter | scope " " filter
//   scope := "all" | "org:" o | "team:" o "/" t | "user:" o "/" u | "key:" id
//   filter := "provider:" p | "model:" p "/" m | "tier:" t
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "turnpike/account.hpp"

namespace turnpike::app {

/// Views into the name they were made from.
struct BudgetName {
  std::string_view scope;   // "all" for a filter that stands alone
  std::string_view filter;  // empty: every request of the scope
};
BudgetName split_budget_name(std::string_view name);

/// "team:" and "acme/search" of "team:acme/search"; a text without ':' is all kind.
struct ScopeParts {
  std::string_view kind;
  std::string_view path;
};
ScopeParts scope_parts(std::string_view scope);

/// The scopes a key's spending is charged to, widest first: all, org, team, user, key.
std::vector<std::string> scopes_of(const Account& key);
/// True if the key's spending can be charged to the budget of this name.
bool binds(std::string_view budget, const Account& key);

}  // namespace turnpike::app
