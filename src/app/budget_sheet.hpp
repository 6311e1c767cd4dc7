// Budgets for people, from the JSON of the admin pages.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>

namespace turnpike::app {

/// A tree: all, then each organisation with its teams, users and keys, indented. `keys` give names
/// to ids and tell where a key hangs; `bars` for a terminal.
void print_budgets(const nlohmann::ordered_json& budgets, const nlohmann::ordered_json& keys,
                   bool bars, std::ostream& out);
void print_budget(const nlohmann::ordered_json& budget, bool bars, std::ostream& out);

}  // namespace turnpike::app
