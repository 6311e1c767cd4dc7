#include "app/ledger_days.hpp"

#include <algorithm>

namespace turnpike::app {
namespace {

__extension__ using Wide = __int128;

using account::EntryKind;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_days;

std::int64_t saturated(Wide value) { return value > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(value); }

void add_usage(LedgerCell& cell, const account::Charge& charge) {
  const auto counts = counts_of(charge.usage);
  const auto rates = rates_of(charge.price->rates_for(charge.usage.input()));
  for (std::size_t i = 0; i < priced_classes; ++i) {
    if (counts[i] == 0) continue;
    const bool first = cell.counts[i] == 0;
    cell.rate_least[i] = first ? rates[i] : std::min(cell.rate_least[i], rates[i]);
    cell.rate_most[i] = first ? rates[i] : std::max(cell.rate_most[i], rates[i]);
    cell.counts[i] += counts[i];
    cell.pico[i] = saturated(Wide{cell.pico[i]} + Wide{counts[i]} * rates[i]);
  }
}

void add_end(LedgerCell::ByCause& ends, const account::Charge& charge) {
  auto& end = ends[std::string{charge.cause}];
  ++end.attempts;
  end.amount += charge.amount;
  end.reserved += charge.reserved;
}

void add_ends(LedgerCell::ByCause& sum, const LedgerCell::ByCause& more) {
  for (const auto& [cause, end] : more) {
    auto& mine = sum[cause];
    mine.attempts += end.attempts;
    mine.amount += end.amount;
    mine.reserved += end.reserved;
  }
}

}  // namespace

std::array<std::int64_t, priced_classes> counts_of(const Usage& usage) {
  std::array<std::int64_t, priced_classes> counts{usage.input_fresh, usage.input_cache_read, usage.input_cache_write_5m,
                                                  usage.input_cache_write_1h, usage.output()};
  std::ranges::copy(usage.items, counts.begin() + 5);
  return counts;
}

std::array<std::int64_t, priced_classes> rates_of(const Rates& rates) {
  std::array<std::int64_t, priced_classes> values{rates.input, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.output};
  std::ranges::copy(rates.items, values.begin() + 5);
  return values;
}

Credits LedgerCell::estimated_amount() const {
  Credits sum;
  for (const auto& item : estimated) sum += item.second.amount;
  return sum;
}

std::int64_t LedgerCell::attempts() const {
  std::int64_t sum = exact;
  for (const auto& item : estimated) sum += item.second.attempts;
  return sum;
}

LedgerCell& LedgerCell::operator+=(const LedgerCell& other) {
  exact += other.exact;
  exact_amount += other.exact_amount;
  corrections += other.corrections;
  crossed_in += other.crossed_in;
  crossed_out += other.crossed_out;
  add_ends(estimated, other.estimated);
  add_ends(voided, other.voided);
  for (std::size_t i = 0; i < priced_classes; ++i) {
    if (other.counts[i] == 0) continue;
    const bool first = counts[i] == 0;
    rate_least[i] = first ? other.rate_least[i] : std::min(rate_least[i], other.rate_least[i]);
    rate_most[i] = first ? other.rate_most[i] : std::max(rate_most[i], other.rate_most[i]);
    counts[i] += other.counts[i];
    pico[i] = saturated(Wide{pico[i]} + other.pico[i]);
  }
  return *this;
}

LedgerDays::LedgerDays(std::string provider, std::string_view zone) : provider_(std::move(provider)) {
  day_rule_.kind = account::WindowKind::day;
  day_rule_.zone = zone;
}

sys_days LedgerDays::day_of(Instant instant) {
  const bool same = day_.end && instant >= day_.start && instant < *day_.end;
  if (!same) day_ = account::span_at(day_rule_, instant);
  // Local noon is within the UTC day of the same date for every offset up to 12 hours.
  return std::chrono::floor<days>(day_.start + hours{12});
}

std::pair<Instant, Instant> LedgerDays::span(sys_days first, sys_days last) const {
  const auto noon = [](sys_days day) { return Instant{day} + hours{12}; };
  return {account::span_at(day_rule_, noon(first)).start, account::span_at(day_rule_, noon(last)).end.value_or(noon(last + days{1}))};
}

std::string LedgerDays::name_of(const std::string& canonical) const {
  const auto found = names_.find(canonical);
  return found == names_.end() ? std::string{} : found->second;
}

void LedgerDays::add(const account::Charge& charge) {
  const auto slash = charge.target.find('/');
  if (charge.target.substr(0, slash) != provider_ || slash == std::string_view::npos) return;
  const auto model = canonical_model(charge.target.substr(slash + 1));
  names_.try_emplace(model, charge.target);
  const auto day = day_of(charge.at);
  auto& cell = cells_[{model, day}];
  if (const auto found = corrections_.find(charge.entry); found != corrections_.end()) cell.corrections += found->second;
  switch (charge.kind) {
    case EntryKind::settle_exact:
      ++cell.exact;
      [[fallthrough]];
    case EntryKind::overrun:
      cell.exact_amount += charge.amount;
      break;
    case EntryKind::settle_estimated:
      add_end(cell.estimated, charge);
      break;
    case EntryKind::void_:
      add_end(cell.voided, charge);
      break;
    default:
      return;  // corrections are known already
  }
  add_usage(cell, charge);
  if (!charge.admitted) return;
  const auto admitted = day_of(*charge.admitted);
  if (admitted == day) return;
  cell.crossed_in += charge.amount;
  cells_[{model, admitted}].crossed_out += charge.amount;
}

}  // namespace turnpike::app
