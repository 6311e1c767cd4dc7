// What was spent, by whom and on what: sums over the journal's settlements.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::account {

/// Teams and users are told apart by their organisation: "acme/search".
enum class SpendBy : std::uint8_t {
  key,
  user,
  team,
  org,
  model,       // "provider/model"
  provider,
  tier,        // of the policy; empty for attempts before tiers were recorded
  price,       // price id
  hour,        // "2026-11-22T14:00Z", of the settlement, like the following; all in UTC
  day,         // "2026-11-22"
  week,        // its Monday
  month,       // "2026-11"
  settlement,  // "settle_exact", "settle_estimated", "overrun", "correction"
  cause,       // of an estimate
};
constexpr bool is_time(SpendBy by) { return by >= SpendBy::hour && by <= SpendBy::month; }
/// How a report writes the hour, day, week or month that holds an instant.
std::string period_name(SpendBy period, Instant instant);
/// The first instant of the period after the one that holds `instant`.
Instant next_period(SpendBy period, Instant instant);

struct SpendQuery {
  std::vector<SpendBy> group_by;  // in the order of SpendRow::group; empty: one total
  std::optional<Instant> since;   // of the settlement; inclusive
  std::optional<Instant> until;   // exclusive
  /// By target: what a model that cost nothing would have cost.
  std::map<std::string, Rates, std::less<>> shadow_prices;
};

struct SpendRow {
  std::vector<std::string> group;  // one value per group_by
  std::int64_t attempts = 0;       // settled with a cost entry; void ones are not counted
  std::int64_t estimated = 0;      // of those
  Usage usage;                     // estimates included
  Credits cost;                    // everything: estimates, overruns and corrections included
  Credits estimates;               // of the cost: settled by estimate
  Credits overruns;                // of the cost: above the reservation
  Credits corrections;             // of the cost: what operators added or took back
  Credits shadow;  // of attempts at a price of zero: what they would have cost at the shadow price

  SpendRow& operator+=(const SpendRow& other);  // leaves `group` as it is
};

/// Rows for the periods in which nothing was spent: between the first and the last row's, or from
/// `since` to `until` where they are given. `group_by` begins with a period; each group that
/// occurs anywhere gets its row in each period. No more than `rows_max` are added.
std::vector<SpendRow> with_empty_periods(std::vector<SpendRow> rows, const SpendQuery& query,
                                         Instant now, std::size_t rows_max = 100'000);

}  // namespace turnpike::account
