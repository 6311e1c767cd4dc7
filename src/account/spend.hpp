// What was spent, by whom and on what: sums over the journal's settlements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::account {

enum class SpendBy : std::uint8_t { key, user, team, org, model, price, day, settlement };

struct SpendQuery {
  std::vector<SpendBy> group_by;  // in the order of SpendRow::group; empty: one total
  std::optional<Instant> since;   // of the settlement; inclusive
  std::optional<Instant> until;   // exclusive
};

struct SpendRow {
  std::vector<std::string> group;  // one value per group_by; days as "2026-11-22" (UTC)
  std::int64_t attempts = 0;       // settled with a cost entry; void ones are not counted
  std::int64_t estimated = 0;      // of those
  Usage usage;                     // estimates included
  Credits cost;                    // overruns and corrections included
};

}  // namespace turnpike::account
