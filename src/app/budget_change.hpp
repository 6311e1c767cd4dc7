// A change of a budget before it is made: what is asked for, what it makes of the budget, and what
// that means. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/budget.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

enum class Direction : std::uint8_t { raise, lower };

/// A new limit for one window of a budget.
struct LimitChange {
  Direction direction = Direction::raise;
  std::string amount;  // "150" is the new limit; "+50" and "-20" are added to it
  std::string window;  // span_text(): "month", "day@Europe/Berlin"; empty where there is only one
};

/// What is to be different; the rest stays.
struct BudgetChangeRequest {
  std::optional<LimitChange> limit;
  std::optional<bool> frozen;
  std::optional<std::optional<std::int32_t>> concurrency_max;
  std::optional<std::optional<Credits>> request_cost_max;
  std::optional<std::optional<Credits>> conversation_max;
};
/// {raise: {amount, window}} or {lower: …}, frozen, concurrency_max, request_cost_max,
/// conversation_max; null takes a bound away.
Result<BudgetChangeRequest> read_budget_change(const nlohmann::ordered_json& body);

/// The settings after the change. Errors 400: no such window, more than one, not an amount, or a
/// raise that lowers.
Result<account::BudgetSettings> changed(const account::BudgetSettings& settings,
                                        const BudgetChangeRequest& change);

/// What is different, one line each: "limit of month 100.00 -> 150.00", "frozen". Empty: nothing.
std::vector<std::string> differences(const account::BudgetSettings& before,
                                     const account::BudgetSettings& after);

/// What the change means for admission, one line each: "month: used 80.00 of 100.00, new limit
/// 50.00: admission stops until 2026-12-01T00:00:00Z". `before` is the state as it is.
std::vector<std::string> effects(const account::BudgetState& before,
                                 const account::BudgetSettings& after);

}  // namespace turnpike::app
