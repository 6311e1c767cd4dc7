#include "app/shadow_service.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/shadow_json.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {

ShadowService::ShadowService(account::Ledger& ledger, const Clock& clock, std::filesystem::path data)
    : ledger_(ledger), clock_(clock), data_(std::move(data)), hub_([this](ShadowPair pair) {
        if (!file_) return;
        const auto json = to_json(pair);
        file_->put({pair.at, pair.decision_id, pair.shadow.target, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
      }) {}

void ShadowService::apply(const policy::Policy& policy) {
  if (!policy.shadow) return;
  if (!file_) file_ = std::make_unique<account::ShadowFile>(account::ShadowFileOptions{.directory = data_}, clock_);
  const auto funded = set_budget(policy);
  hub_.open(funded.has_value());
  if (!funded) log(LogLevel::error, "shadow_unfunded", {{"why", std::string_view{funded.error().message}}});
}

Result<void> ShadowService::set_budget(const policy::Policy& policy) {
  account::BudgetSettings wanted;
  wanted.budget = "key:" + policy::shadow_key_id(policy.name);
  for (const auto& budget : ledger_.budgets()) {
    if (budget.budget == wanted.budget) wanted.frozen = budget.frozen;
  }
  account::WindowRule day;
  day.kind = account::WindowKind::day;
  day.limit = policy.shadow->credits_per_day;
  wanted.windows.push_back(day);
  wanted.by = "policy";
  wanted.why = "[shadow] credits_per_day";
  return ledger_.set_budget(wanted);
}

void ShadowService::flush() {
  if (file_) file_->flush();
}

void ShadowService::gauges(std::vector<metrics::Gauge>& out) const {
  if (!file_) return;
  const auto hub = hub_.figures();
  const auto file = file_->figures();
  out.push_back({"turnpike_shadow_waiting", "Sampled steps that wait for their second call.", {}, static_cast<double>(hub.waiting)});
  out.push_back({"turnpike_shadow_under_way", "Shadow calls under way.", {}, static_cast<double>(hub.under_way)});
  out.push_back({"turnpike_shadow_pairs_stored", "Pairs in shadow.db.", {}, static_cast<double>(file.rows)});
  out.push_back({"turnpike_shadow_pairs_lost", "Finished pairs that were not stored: queue full, or disk failing.", {},
                 static_cast<double>(file.dropped + file.failed)});
}

}  // namespace turnpike::app
