// The operator's view of the journal as JSON: one shape for the admin listener and the command line. Keys and budgets
// have files of their own.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "account/ledger.hpp"
#include "account/spend.hpp"
#include "account/verify.hpp"

namespace turnpike::app {

nlohmann::ordered_json to_json(const account::SpendRow& row, std::span<const account::SpendBy> group_by);
/// The word for a column of a spend report.
std::string_view name_of(account::SpendBy by);
nlohmann::ordered_json to_json(const account::VerifyReport& report);
nlohmann::ordered_json to_json(const account::LedgerFigures& figures);

/// "key,model,day" -> the columns of a spend report.
Result<std::vector<account::SpendBy>> read_group_by(std::string_view words);

}  // namespace turnpike::app
