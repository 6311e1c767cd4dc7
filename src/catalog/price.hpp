// What a model costs at an instant: intervals in UTC, inside them time-of-day windows and
// prompt-size tiers.
//   schedule := interval*            sorted by `from`, never overlapping; a gap means "not on sale"
//   interval := [from, until) table window*
//   window   := zone, weekdays, minutes of the zone's day, days excepted; table
//   table    := 1..4 tiers by prompt size
// All rates are pico-credits per token, per request or per call of a server tool.
// Source: reliability specification, "Unit, price, rounding"; wire-formats specification,
// "Catalogue seeds".
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/local_clock.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::catalog {

inline constexpr Instant forever = Instant::max();

struct RateTable {
  std::array<RateTier, PriceQuote::tiers_max>
      tiers{};  // sorted; the first has prompt_tokens_above 0
  std::uint8_t count = 1;
  std::uint8_t server_tools_priced = 0;  // a bit for each ServerTool that has a price, 0 included
  bool operator==(const RateTable&) const = default;

  [[nodiscard]] bool prices(ServerTool tool) const {
    return (server_tools_priced >> static_cast<unsigned>(tool) & 1U) != 0;
  }
};

struct PriceWindow {
  std::string name;                         // "peak"
  std::string zone = "UTC";                 // whose clocks the rest means
  std::shared_ptr<const LocalClock> clock;  // of that zone; never null in a loaded catalog
  std::uint8_t weekdays = 0x7f;             // bit 0 is Sunday
  std::vector<MinuteRange> ranges;          // sorted, disjoint
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

/// What is in force at an instant. Points into the schedule.
struct PriceInForce {
  const PriceInterval* interval = nullptr;
  const PriceWindow* window = nullptr;  // null: outside the interval's windows
  const RateTable* rates = nullptr;

  /// "deepseek/deepseek-flash@2026-09-14/peak"
  [[nodiscard]] std::string id() const;
};
/// nullopt outside every interval.
std::optional<PriceInForce> price_at(const PriceSchedule& schedule, Instant instant);

/// No bound is known: every tier can be reached.
inline constexpr std::int64_t any_prompt = std::numeric_limits<std::int64_t>::max();

/// The price at `now`, with the dearest rates per class that can apply from now to now + horizon
/// (both included) to a prompt of at most so many tokens as its ceiling. nullopt outside every
/// interval.
std::optional<PriceQuote> quote_at(const PriceSchedule& schedule, Instant now,
                                   std::chrono::seconds horizon,
                                   std::int64_t prompt_tokens_max = any_prompt);

/// The next instant after `now` at which the rates differ or the sale begins or ends. Looks at most
/// 400 days ahead inside windows.
std::optional<Instant> next_change(const PriceSchedule& schedule, Instant now);

}  // namespace turnpike::catalog
