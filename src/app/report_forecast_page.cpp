#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/forecast.hpp"
#include "app/json_pages.hpp"
#include "app/page.hpp"
#include "app/price_outlook.hpp"
#include "app/report_pages.hpp"
#include "app/window_text.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

void put(ordered_json& json, const char* name, Credits amount) {
  json[name] = turnpike::to_string(amount);
  json[std::string{name} + "_nano"] = amount.nano();
}

ordered_json optional_time(const std::optional<Instant>& instant) {
  return instant ? ordered_json(to_rfc3339(*instant)) : ordered_json(nullptr);
}

ordered_json to_json(const WindowForecast& forecast) {
  ordered_json json;
  json["budget"] = forecast.budget;
  json["window"] = to_string(forecast.window.rule);
  put(json, "settled", forecast.window.settled);
  put(json, "elsewhere", forecast.window.elsewhere);
  put(json, "reserved", forecast.window.reserved);
  put(json, "limit", forecast.window.rule.limit);
  json["end"] = optional_time(forecast.window.end);
  json["basis_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(forecast.basis).count();
  put(json, "burned", forecast.burned);
  put(json, "per_day", forecast.per_day);
  json["outlook"] = to_string(forecast.outlook);
  json["spent_at"] = optional_time(forecast.spent_at);
  json["at_end"] = forecast.at_end ? ordered_json(turnpike::to_string(*forecast.at_end)) : ordered_json(nullptr);
  return json;
}

ordered_json to_json(const PriceChange& change) {
  return {{"at", to_rfc3339(change.at)},
          {"kind", to_string(change.kind)},
          {"price_id", change.price_id},
          {"next_price_id", change.next_price_id},
          {"successor", change.successor}};
}

ordered_json to_json(const ModelBill& bill, const gateway::Snapshot& planned) {
  ordered_json json;
  json["model"] = bill.target;
  json["attempts"] = bill.attempts;
  put(json, "settled", bill.settled);
  put(json, "then", bill.then);
  json["unpriced"] = bill.unpriced;
  json["change"] = nullptr;
  json["order"] = ordered_json::array();
  if (!bill.change) return json;
  json["change"] = to_json(*bill.change);
  const auto& model = *planned.catalog.find(bill.target);
  for (const auto& tier : order_around(planned.policy, planned.catalog, model, bill.change->at, typical_prompt(bill))) {
    json["order"].push_back({{"tier", tier.tier}, {"before", tier.before}, {"after", tier.after}});
  }
  return json;
}

/// Models that the policy names and that change soon belong in the report although nobody used them last week.
std::vector<ModelBill> with_unused(std::vector<ModelBill> bills, const gateway::Snapshot& planned, Instant now) {
  for (const auto& tier : planned.policy.tiers) {
    for (const auto* targets : {&tier.targets, &tier.fallback}) {
      for (const auto& target : *targets) {
        if (std::ranges::any_of(bills, [&](const ModelBill& bill) { return bill.target == target.name; })) continue;
        auto change = next_dated_change(planned.catalog.models()[target.model], now);
        if (!change) continue;
        ModelBill bill;
        bill.target = target.name;
        bill.change = std::move(change);
        bills.push_back(std::move(bill));
      }
    }
  }
  std::ranges::sort(bills, {}, &ModelBill::target);
  return bills;
}

ordered_json bill_json(const std::vector<ModelBill>& bills, const gateway::Snapshot& planned, Instant now) {
  ordered_json json;
  json["since"] = to_rfc3339(now - BillForecast::span);
  json["until"] = to_rfc3339(now);
  json["models"] = ordered_json::array();
  Credits settled;
  Credits then;
  std::int64_t unpriced = 0;
  for (const auto& bill : bills) {
    json["models"].push_back(to_json(bill, planned));
    settled += bill.settled;
    then += bill.then;
    unpriced += bill.unpriced;
  }
  put(json, "settled", settled);
  put(json, "then", then);
  json["unpriced"] = unpriced;
  return json;
}

}  // namespace

WholeReply forecast_page(const ReportSources& sources) {
  const Instant now = sources.clock.now();
  const auto planned = sources.planned();
  if (!planned) return fault_page(gateway_error(503, "bad_config", "the configuration has faults; `turnpike check` names them"));
  BudgetForecast budgets{sources.ledger.budgets(), now};
  BillForecast bills{planned->catalog, now};
  const auto read = sources.ledger.each_charge({now - BillForecast::span, std::nullopt}, [&](const account::Charge& charge) {
    budgets.add(charge);
    bills.add(charge);
  });
  if (!read) return fault_page(read.error());
  ordered_json body;
  body["now"] = to_rfc3339(now);
  body["budgets"] = ordered_json::array();
  for (const auto& forecast : budgets.windows()) body["budgets"].push_back(to_json(forecast));
  body["bill"] = bill_json(with_unused(bills.bills(), *planned, now), *planned, now);
  return page(body);
}

}  // namespace turnpike::app
