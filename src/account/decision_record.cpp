#include "account/decision_record.hpp"

#include "record/record.hpp"

namespace turnpike::account {

namespace {

/// The target that answered, or was to answer if nothing did.
std::string target_of(const Exchange& exchange) {
  if (!exchange.attempts.empty()) return exchange.attempts.back().target;
  return exchange.decision.candidates.empty() ? std::string{}
                                              : exchange.decision.candidates.front().target();
}

}  // namespace

DecisionRow decision_row(const Exchange& exchange) {
  DecisionRow row;
  row.id = exchange.decision_id;
  row.at = exchange.at.time_since_epoch().count();
  if (exchange.account) row.key = exchange.account->key_id;
  row.tier = exchange.decision.tier;
  row.target = target_of(exchange);
  row.cost = exchange.cost().nano();
  row.record = record::to_json(exchange);
  return row;
}

}  // namespace turnpike::account
