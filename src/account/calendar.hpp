// Where the windows of a budget begin and end. Boundaries are UTC instants, so a local day has 23,
// 24 or 25 hours and a local time that occurs twice or never is no special case for anyone else.
#pragma once

#include <optional>
#include <string>

#include "account/budget.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::account {

/// [start, end). For rolling windows: the sub-bucket. For lifetime: from the beginning of time,
/// without an end.
struct Span {
  Instant start{};
  std::optional<Instant> end;
  bool operator==(const Span&) const = default;
};

/// Sub-buckets of a rolling window; with 60, no charge older than 61/60 of the duration counts.
inline constexpr int rolling_buckets = 60;

/// Error `bad_window` if the zone is unknown, the duration does not divide or the limit is
/// negative.
Result<void> check_rule(const WindowRule& rule);
/// The span that contains `instant`. The rule has passed check_rule(); an unknown zone counts as
/// UTC.
Span span_at(const WindowRule& rule, Instant instant);
/// True if what was charged to `span` no longer counts at `instant`.
bool expired(const WindowRule& rule, const Span& span, Instant instant);

}  // namespace turnpike::account
