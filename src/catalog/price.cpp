#include "catalog/price.hpp"

#include <algorithm>

namespace turnpike::catalog {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::minutes;
using std::chrono::sys_days;

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

void raise(Rates& ceiling, const RateTable& table) {
  for (std::size_t i = 0; i < table.count; ++i) {
    const Rates& rates = table.tiers[i].rates;
    raise(ceiling.input, rates.input);
    raise(ceiling.cache_read, rates.cache_read);
    raise(ceiling.cache_write_5m, rates.cache_write_5m);
    raise(ceiling.cache_write_1h, rates.cache_write_1h);
    raise(ceiling.output, rates.output);
    raise(ceiling.per_request, rates.per_request);
  }
}

/// The first instant after `instant` at which a window of the interval may begin or end; the
/// interval's own end if it has no windows. Midnight always counts, because weekdays and holidays
/// change there.
Instant next_window_edge(const PriceInterval& interval, Instant instant) {
  if (interval.windows.empty()) return interval.until;
  const auto midnight = floor<days>(instant);
  Instant nearest = midnight + days{1};
  for (const auto& window : interval.windows) {
    for (const auto& range : window.ranges) {
      for (const int minute : {range.begin, range.end}) {
        const Instant edge = midnight + minutes{minute};
        if (edge > instant) nearest = std::min(nearest, edge);
      }
    }
  }
  return std::min(nearest, interval.until);
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
  const auto day = floor<days>(instant);
  const auto weekday = std::chrono::weekday{day}.c_encoding();
  if ((weekdays >> weekday & 1U) == 0) return false;
  if (std::binary_search(excepted.begin(), excepted.end(), day)) return false;
  const auto minute = floor<minutes>(instant - day).count();
  return std::any_of(ranges.begin(), ranges.end(), [minute](const MinuteRange& range) {
    return minute >= range.begin && minute < range.end;
  });
}

const PriceInterval* interval_at(const PriceSchedule& schedule, Instant instant) {
  for (const auto& interval : schedule) {
    if (instant >= interval.from && instant < interval.until) return &interval;
  }
  return nullptr;
}

std::optional<PriceQuote> quote_at(const PriceSchedule& schedule, Instant now,
                                   std::chrono::seconds horizon) {
  const auto* interval = interval_at(schedule, now);
  if (interval == nullptr) return std::nullopt;
  const PriceWindow* window = nullptr;
  const RateTable& table = table_at(*interval, now, &window);
  PriceQuote quote;
  quote.price_id = interval->id;
  if (window != nullptr) quote.price_id.append("/").append(window->name);
  quote.tiers = table.tiers;
  quote.tier_count = table.count;
  raise(quote.ceiling, table);
  const Instant end = now + horizon;
  for (Instant edge = next_edge(schedule, now); edge <= end; edge = next_edge(schedule, edge)) {
    if (const auto* later = rates_at(schedule, edge)) raise(quote.ceiling, *later);
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
