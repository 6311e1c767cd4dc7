#include "account/spend_sums.hpp"

namespace turnpike::account {
namespace {

/// Nothing in an organisation has the name of something in another.
std::string within(const std::string& org, const std::string& name) {
  return name.empty() ? name : org + "/" + name;
}

std::string value(SpendBy by, const Charge& charge) {
  const auto& path = *charge.path;
  switch (by) {
    case SpendBy::key:
      return path.key_id;
    case SpendBy::user:
      return within(path.org, path.user);
    case SpendBy::team:
      return within(path.org, path.team);
    case SpendBy::org:
      return path.org;
    case SpendBy::model:
      return std::string{charge.target};
    case SpendBy::provider:
      return std::string{charge.target.substr(0, charge.target.find('/'))};
    case SpendBy::tier:
      return std::string{charge.tier};
    case SpendBy::price:
      return charge.price->price_id;
    case SpendBy::hour:
    case SpendBy::day:
    case SpendBy::week:
    case SpendBy::month:
      return period_name(by, charge.at);
    case SpendBy::settlement:
      return std::string{to_string(charge.kind)};
    case SpendBy::cause:
      return std::string{charge.cause};
  }
  return {};
}

}  // namespace

void SpendSums::add(const Charge& charge) {
  if (charge.kind == EntryKind::void_) return;
  std::vector<std::string> group;
  group.reserve(query_.group_by.size());
  for (const auto by : query_.group_by) group.push_back(value(by, charge));
  auto& row = rows_[group];
  row.group = std::move(group);
  row.cost += charge.amount;
  if (charge.kind == EntryKind::overrun) row.overruns += charge.amount;
  if (charge.kind == EntryKind::correction) row.corrections += charge.amount;
  if (!is_end(charge.kind)) return;
  ++row.attempts;
  if (charge.kind == EntryKind::settle_estimated) {
    ++row.estimated;
    row.estimates += charge.amount;
  }
  add_usage(row.usage, charge.usage);
  row.shadow += shadow_of(charge);
}

/// Zero for models that cost something at the time, and for those without a shadow price.
Credits SpendSums::shadow_of(const Charge& charge) const {
  if (query_.shadow_prices.empty()) return {};
  if (charge.price->rates_for(charge.usage.input()) != Rates{}) return {};
  const auto rates = query_.shadow_prices.find(charge.target);
  if (rates == query_.shadow_prices.end()) return {};
  return turnpike::charge(rates->second, charge.usage).value_or(Credits{});
}

std::vector<SpendRow> SpendSums::rows() const {
  std::vector<SpendRow> rows;
  rows.reserve(rows_.size());
  for (const auto& item : rows_) rows.push_back(item.second);
  return rows;
}

}  // namespace turnpike::account
