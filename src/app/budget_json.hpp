// Budgets as JSON: what the admin pages answer and what they are asked for.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "account/budget.hpp"
#include "account/history.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// Settled here and by other replicas.
Credits settled_in(const account::WindowState& window);
/// That, and what running requests hold.
Credits used_in(const account::WindowState& window);
std::string_view name_of(Pressure pressure);
nlohmann::ordered_json to_json(const account::WindowState& window);
nlohmann::ordered_json to_json(const account::BudgetState& budget);
nlohmann::ordered_json to_json(const account::BudgetSettings& settings);
nlohmann::ordered_json to_json(const std::vector<account::BudgetChange>& history);

/// What was set, without what was counted.
account::BudgetSettings settings_of(const account::BudgetState& state);

/// `windows` of a request: ["100/month", "5/day"]; absent: none.
Result<std::vector<account::WindowRule>> read_windows(const nlohmann::ordered_json& body);
/// {budget, windows, frozen, concurrency_max, request_cost_max, conversation_max, why, by,
/// dry_run}: the whole budget. An absent `frozen` is nullopt.
struct BudgetRequest {
  account::BudgetSettings settings;
  std::optional<bool> frozen;
};
Result<BudgetRequest> read_budget(const nlohmann::ordered_json& body);

}  // namespace turnpike::app
