#include "app/price_outlook.hpp"

#include <algorithm>
#include <utility>

#include "policy/candidates.hpp"

namespace turnpike::app {
namespace {

using catalog::PriceInterval;
using catalog::PriceWindow;

bool same_window(const PriceWindow& a, const PriceWindow& b) {
  const auto same_range = [](const catalog::MinuteRange& x, const catalog::MinuteRange& y) { return x.begin == y.begin && x.end == y.end; };
  return a.weekdays == b.weekdays && a.rates == b.rates && a.excepted == b.excepted &&
         std::equal(a.ranges.begin(), a.ranges.end(), b.ranges.begin(), b.ranges.end(), same_range);
}

bool same_price(const PriceInterval& a, const PriceInterval& b) {
  return a.rates == b.rates && std::equal(a.windows.begin(), a.windows.end(), b.windows.begin(), b.windows.end(), same_window);
}

bool costs_nothing(const PriceInterval& interval) {
  const auto nothing = [](const catalog::RateTable& table) {
    return std::all_of(table.tiers.begin(), table.tiers.begin() + table.count, [](const RateTier& tier) { return tier.rates == Rates{}; });
  };
  return nothing(interval.rates) && std::ranges::all_of(interval.windows, [&](const PriceWindow& window) { return nothing(window.rates); });
}

PriceChange change_between(const catalog::Model& model, const PriceInterval& now, const PriceInterval* next) {
  PriceChange change;
  change.at = now.until;
  change.price_id = now.id;
  if (next == nullptr) {
    change.kind = ChangeKind::retirement;
    change.successor = model.successor;
    return change;
  }
  change.next_price_id = next->id;
  change.kind = costs_nothing(now) ? ChangeKind::free : now.promotion ? ChangeKind::promotion : ChangeKind::price;
  return change;
}

std::vector<std::string> order_at(const policy::Policy& policy, const catalog::Catalog& catalog, policy::TierIndex tier, Instant at,
                                  std::int64_t prompt_tokens) {
  RequestFacts facts;
  facts.text_bytes = prompt_tokens * 4;  // what likely_prompt_tokens() turns into tokens again
  const Difficulty difficulty;
  const Allowance allowance;
  const Account account;
  const RouteInputs inputs;
  const policy::Situation situation{.facts = facts, .difficulty = difficulty, .allowance = allowance, .account = account, .inputs = inputs, .now = at};
  std::vector<Why> why;
  const auto candidates = policy::candidates_of(policy, catalog, situation, tier, {}, why);
  std::vector<std::string> targets;
  if (!candidates) return targets;
  for (const auto& candidate : *candidates) targets.push_back(candidate.target());
  return targets;
}

bool names(const std::vector<policy::Target>& targets, std::uint32_t model) {
  return std::ranges::any_of(targets, [&](const policy::Target& target) { return target.model == model; });
}

}  // namespace

std::string_view to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::price: return "price";
    case ChangeKind::promotion: return "promotion";
    case ChangeKind::free: return "free";
    case ChangeKind::retirement: return "retirement";
  }
  return "price";
}

std::optional<PriceChange> next_dated_change(const catalog::Model& model, Instant now) {
  const auto* interval = catalog::interval_at(model.prices, now);
  while (interval != nullptr && interval->until != catalog::forever) {
    const auto* next = catalog::interval_at(model.prices, interval->until);
    if (next == nullptr || !same_price(*interval, *next)) return change_between(model, *interval, next);
    interval = next;
  }
  return std::nullopt;
}

Instant same_hour_after(Instant at, Instant change) {
  using std::chrono::weeks;
  return at >= change ? at : at + std::chrono::ceil<weeks>(change - at);
}

ModelBill& BillForecast::bill_of(std::string_view target) {
  const auto found = bills_.find(target);
  if (found != bills_.end()) return found->second;
  ModelBill bill;
  bill.target = target;
  if (const auto* model = catalog_.find(target)) bill.change = next_dated_change(*model, now_);
  return bills_.emplace(bill.target, bill).first->second;
}

void BillForecast::add(const account::Charge& charge) {
  if (charge.kind == account::EntryKind::void_ || charge.kind == account::EntryKind::correction) return;
  auto& bill = bill_of(charge.target);
  bill.settled += charge.amount;
  if (!bill.change) {
    bill.then += charge.amount;
  }
  if (!is_end(charge.kind)) return;  // an overrun's usage is in its settlement
  ++bill.attempts;
  account::add_usage(bill.usage, charge.usage);
  if (!bill.change) return;
  const auto amount = later(*bill.change, *catalog_.find(charge.target), charge);
  if (amount) {
    bill.then += *amount;
  } else {
    ++bill.unpriced;
  }
}

/// At the hour of the attempt's admission, which pinned its price. A retired model's steps go to its successor.
std::optional<Credits> BillForecast::later(const PriceChange& change, const catalog::Model& model, const account::Charge& charge) const {
  const Instant at = same_hour_after(charge.admitted.value_or(charge.at), change.at);
  auto quote = catalog::quote_at(model.prices, at, std::chrono::seconds{0});
  if (!quote && !model.successor.empty()) {
    if (const auto* successor = catalog_.find(model.successor)) quote = catalog::quote_at(successor->prices, at, std::chrono::seconds{0});
  }
  if (!quote) return std::nullopt;
  const auto amount = turnpike::charge(*quote, charge.usage);
  return amount ? std::optional{*amount} : std::nullopt;
}

std::vector<ModelBill> BillForecast::bills() const {
  std::vector<ModelBill> bills;
  bills.reserve(bills_.size());
  for (const auto& item : bills_) bills.push_back(item.second);
  return bills;
}

std::vector<TierOrderChange> order_around(const policy::Policy& policy, const catalog::Catalog& catalog, const catalog::Model& model, Instant at,
                                          std::int64_t prompt_tokens) {
  std::vector<TierOrderChange> changes;
  const auto index = catalog.index_of(model);
  // A prompt near the window's end would be about the window, not about prices.
  prompt_tokens = std::min(prompt_tokens, model.context_tokens / 2);
  for (policy::TierIndex i = 0; i < policy.tiers.size(); ++i) {
    const auto& tier = policy.tiers[i];
    if (!names(tier.targets, index) && !names(tier.fallback, index)) continue;
    changes.push_back({tier.name, order_at(policy, catalog, i, at - std::chrono::microseconds{1}, prompt_tokens),
                       order_at(policy, catalog, i, at, prompt_tokens)});
  }
  return changes;
}

std::int64_t typical_prompt(const ModelBill& bill) {
  constexpr std::int64_t agents_prompt = 20'000;  // tokens: the middle of a coding agent's loop
  return bill.attempts == 0 ? agents_prompt : bill.usage.input() / bill.attempts;
}

}  // namespace turnpike::app
