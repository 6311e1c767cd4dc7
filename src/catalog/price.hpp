// What a model costs at an instant: intervals in UTC, inside them time-of-day windows and
// prompt-size tiers.
//   schedule := interval*            sorted by `from`, never overlapping; a gap means "not on sale"
//   interval := [from, until) table window*
//   window   := weekdays, minutes of the UTC day, days excepted; table
//   table    := 1..4 tiers by prompt size
// All rates are pico-credits per token.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::catalog {

inline constexpr Instant forever = Instant::max();

struct RateTable {
  std::array<RateTier, PriceQuote::tiers_max>
      tiers{};  // sorted; the first has prompt_tokens_above 0
  std::uint8_t count = 1;
  bool operator==(const RateTable&) const = default;
};

/// Minutes of the UTC day, [begin, end); end is at most 1440.
struct MinuteRange {
  int begin = 0;
  int end = 0;
};

struct PriceWindow {
  std::string name;                 // "peak"
  std::uint8_t weekdays = 0x7f;     // bit 0 is Sunday
  std::vector<MinuteRange> ranges;  // sorted, disjoint
  std::vector<std::chrono::sys_days>
      excepted;  // sorted: holidays on which the window does not apply
  RateTable rates;

  [[nodiscard]] bool covers(Instant instant) const;
};

struct PriceInterval {
  Instant from{};
  Instant until = forever;
  std::string id;  // "deepseek/deepseek-flash@2026-09-14"
  RateTable rates;
  std::vector<PriceWindow> windows;  // the first that covers the instant counts
  bool promotion = false;            // ends by design: reports and warnings announce the next price
  std::string note;
};

using PriceSchedule = std::vector<PriceInterval>;

/// The interval that holds `instant`, or nullptr.
const PriceInterval* interval_at(const PriceSchedule& schedule, Instant instant);

/// The price at `now`, with the dearest rates per class that can apply from now to now + horizon
/// (both included) as its ceiling. nullopt outside every interval.
std::optional<PriceQuote> quote_at(const PriceSchedule& schedule, Instant now,
                                   std::chrono::seconds horizon);

/// The next instant after `now` at which the rates differ or the sale begins or ends. Looks at most
/// 400 days ahead inside windows.
std::optional<Instant> next_change(const PriceSchedule& schedule, Instant now);

}  // namespace turnpike::catalog
