// Soft limits: how near a window is to its end, in steps that do not flap. Pure.
#pragma once

#include <optional>

#include "account/budget.hpp"
#include "account/calendar.hpp"

namespace turnpike::account {

/// What a paced window allows above its even share, in percent of the limit. Source: reliability
/// specification, "Soft limits".
inline constexpr int pace_slack_percent = 10;

/// The level of a window whose used amount (settled and reserved) is `used` at `now`. A level is
/// entered at its threshold and left `release_points` below it; `before` is the level so far.
/// `usual` counts where the rule has no thresholds of its own.
Pressure pressure_of(const WindowRule& rule, const Span& span, Credits used, Instant now,
                     Pressure before, const PressureThresholds& usual);

}  // namespace turnpike::account
