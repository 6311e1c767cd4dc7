// The operator's view of ledger and catalog as JSON: one shape for the admin listener and the command line.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "account/budget.hpp"
#include "account/key_ring.hpp"
#include "account/ledger.hpp"
#include "account/spend.hpp"
#include "account/verify.hpp"

namespace turnpike::app {

nlohmann::ordered_json to_json(const account::KeyInfo& key);
nlohmann::ordered_json to_json(const account::BudgetState& budget);
nlohmann::ordered_json to_json(const account::SpendRow& row, std::span<const account::SpendBy> group_by);
/// The word for a column of a spend report.
std::string_view name_of(account::SpendBy by);
nlohmann::ordered_json to_json(const account::VerifyReport& report);
nlohmann::ordered_json to_json(const account::LedgerFigures& figures);

/// Requests of the same shapes; errors are 400 and name the field.
Result<account::NewKey> read_new_key(const nlohmann::ordered_json& body);
Result<account::BudgetSettings> read_budget(const nlohmann::ordered_json& body);
/// "key,model,day" -> the columns of a spend report.
Result<std::vector<account::SpendBy>> read_group_by(std::string_view words);
/// "100/month", "5/day@Europe/Berlin", "20/lifetime", "3/rolling:6h".
Result<account::WindowRule> read_window(std::string_view text);
std::string to_string(const account::WindowRule& rule);

}  // namespace turnpike::app
