// Admin pages about budgets. In a path the name is percent-encoded: team:acme%2Fsearch.
//
//   GET    /admin/budgets             PUT    /admin/budgets
//   GET    /admin/budgets/{name}      PATCH  /admin/budgets/{name}
//   DELETE /admin/budgets/{name}      GET    /admin/budgets/{name}/history
//
// Each that changes something takes `by`, `why` and `dry_run`, and answers {budget, dry_run,
// changes, effects, warnings, state}. "key:" may be followed by a key's unique name.
#pragma once

#include <string>
#include <string_view>

#include "app/page_sources.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

WholeReply list_budgets_page(const PageSources& sources);
WholeReply show_budget_page(const PageSources& sources, std::string_view name);
/// Replaces the budget. Whether it is frozen is a switch of its own: without `frozen` it stays as
/// it is, and frozen without windows keeps the windows.
WholeReply set_budget_page(const PageSources& sources, const std::string& body);
/// Changes some of it: raise or lower one limit, freeze, bounds.
WholeReply change_budget_page(const PageSources& sources, std::string_view name,
                              const std::string& body);
/// Takes the budget away, the freeze too.
WholeReply lift_budget_page(const PageSources& sources, std::string_view name,
                            const std::string& body);
WholeReply budget_history_page(const PageSources& sources, std::string_view name);

}  // namespace turnpike::app
