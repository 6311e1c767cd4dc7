#include "catalog/price.hpp"

#include <algorithm>

namespace turnpike::catalog {
namespace {

using std::chrono::days;

constexpr int look_ahead_days = 400;  // longer than any calendar of holidays

const RateTable& table_at(const PriceInterval& interval, Instant instant,
                          const PriceWindow** window) {
  for (const auto& candidate : interval.windows) {
    if (!candidate.covers(instant)) continue;
    *window = &candidate;
    return candidate.rates;
  }
  *window = nullptr;
  return interval.rates;
}

void raise(std::int64_t& ceiling, std::int64_t price) { ceiling = std::max(ceiling, price); }

/// Tiers that begin above the largest possible prompt cannot apply.
void raise(Rates& ceiling, const RateTable& table, std::int64_t prompt_tokens_max) {
  for (std::size_t i = 0; i < table.count; ++i) {
    if (i > 0 && prompt_tokens_max <= table.tiers[i].prompt_tokens_above) break;
    const Rates& rates = table.tiers[i].rates;
    raise(ceiling.input, rates.input);
    raise(ceiling.cache_read, rates.cache_read);
    raise(ceiling.cache_write_5m, rates.cache_write_5m);
    raise(ceiling.cache_write_1h, rates.cache_write_1h);
    raise(ceiling.output, rates.output);
    raise(ceiling.per_request, rates.per_request);
    for (std::size_t tool = 0; tool < server_tools; ++tool)
      raise(ceiling.items[tool], rates.items[tool]);
  }
}

/// The first instant after `instant` at which a window of the interval may begin or end; the
/// interval's own end if it has no windows. Midnights always count, because weekdays and holidays
/// change there.
Instant next_window_edge(const PriceInterval& interval, Instant instant) {
  Instant nearest = interval.until;
  for (const auto& window : interval.windows)
    nearest = std::min(nearest, window.clock->next_edge(instant, window.ranges));
  return nearest;
}

/// The first instant after `instant` at which anything about the price may change.
Instant next_edge(const PriceSchedule& schedule, Instant instant) {
  if (const auto* interval = interval_at(schedule, instant))
    return next_window_edge(*interval, instant);
  for (const auto& interval : schedule) {
    if (interval.from > instant) return interval.from;
  }
  return forever;
}

const RateTable* rates_at(const PriceSchedule& schedule, Instant instant) {
  const auto* interval = interval_at(schedule, instant);
  const PriceWindow* window = nullptr;
  return interval == nullptr ? nullptr : &table_at(*interval, instant, &window);
}

bool same_rates(const RateTable* a, const RateTable* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return *a == *b;
}

}  // namespace

bool PriceWindow::covers(Instant instant) const {
  const auto shown = clock->read(instant);
  const auto weekday = std::chrono::weekday{shown.day}.c_encoding();
  if ((weekdays >> weekday & 1U) == 0) return false;
  if (std::binary_search(excepted.begin(), excepted.end(), shown.day)) return false;
  return std::any_of(ranges.begin(), ranges.end(), [&shown](const MinuteRange& range) {
    return shown.minute >= range.begin && shown.minute < range.end;
  });
}

std::string PriceInForce::id() const {
  return window == nullptr ? interval->id : interval->id + "/" + window->name;
}

const PriceInterval* interval_at(const PriceSchedule& schedule, Instant instant) {
  for (const auto& interval : schedule) {
    if (instant >= interval.from && instant < interval.until) return &interval;
  }
  return nullptr;
}

std::optional<PriceInForce> price_at(const PriceSchedule& schedule, Instant instant) {
  const auto* interval = interval_at(schedule, instant);
  if (interval == nullptr) return std::nullopt;
  PriceInForce found{interval, nullptr, nullptr};
  found.rates = &table_at(*interval, instant, &found.window);
  return found;
}

std::optional<PriceQuote> quote_at(const PriceSchedule& schedule, Instant now,
                                   std::chrono::seconds horizon, std::int64_t prompt_tokens_max) {
  const auto found = price_at(schedule, now);
  if (!found) return std::nullopt;
  PriceQuote quote;
  quote.price_id = found->id();
  quote.tiers = found->rates->tiers;
  quote.tier_count = found->rates->count;
  raise(quote.ceiling, *found->rates, prompt_tokens_max);
  const Instant end = now + horizon;
  for (Instant edge = next_edge(schedule, now); edge <= end; edge = next_edge(schedule, edge)) {
    if (const auto* later = rates_at(schedule, edge))
      raise(quote.ceiling, *later, prompt_tokens_max);
  }
  return quote;
}

std::optional<Instant> next_change(const PriceSchedule& schedule, Instant now) {
  const auto* today = rates_at(schedule, now);
  Instant last = now + days{look_ahead_days};
  for (Instant edge = next_edge(schedule, now); edge != forever; edge = next_edge(schedule, edge)) {
    if (!same_rates(today, rates_at(schedule, edge))) return edge;
    const auto* interval = interval_at(schedule, edge);
    // A window that makes no difference any more must not hide the interval's own end.
    if (edge > last && interval != nullptr) {
      if (interval->until == forever) return std::nullopt;
      edge = interval->until - std::chrono::microseconds{1};
      last = interval->until + days{look_ahead_days};
    }
  }
  return std::nullopt;
}

}  // namespace turnpike::catalog
