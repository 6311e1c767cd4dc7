#include "account/pressure.hpp"

#include <algorithm>

namespace turnpike::account {

namespace {

__extension__ using Wide = __int128;

bool reaches(Credits used, Credits limit, std::int32_t percent, std::int32_t points) {
  if (percent == PressureThresholds::off) return false;
  return Wide{used.nano()} * 100 >= Wide{limit.nano()} * (percent - points);
}

Pressure by_thresholds(const PressureThresholds& thresholds, Credits used, Credits limit,
                       std::int32_t points) {
  if (reaches(used, limit, thresholds.cheap_only, points)) return Pressure::cheap_only;
  if (reaches(used, limit, thresholds.prefer_cheap, points)) return Pressure::prefer_cheap;
  if (reaches(used, limit, thresholds.notify, points)) return Pressure::notify;
  return Pressure::none;
}

/// used > limit x (elapsed / length + slack), without rounding.
bool ahead_of_pace(const Span& span, Credits used, Credits limit, Instant now,
                   std::int32_t points) {
  const auto length = (*span.end - span.start).count();
  const auto elapsed = std::clamp<std::int64_t>((now - span.start).count(), 0, length);
  const auto allowed =
      Wide{limit.nano()} * (Wide{elapsed} * 100 + Wide{length} * (pace_slack_percent - points));
  return Wide{used.nano()} * length * 100 > allowed;
}

}  // namespace

Pressure pressure_of(const WindowRule& rule, const Span& span, Credits used, Instant now,
                     Pressure before, const PressureThresholds& usual) {
  const auto& thresholds = rule.thresholds ? *rule.thresholds : usual;
  const auto level_at = [&](std::int32_t points) {
    const auto level = by_thresholds(thresholds, used, rule.limit, points);
    const bool ahead = rule.paced && span.end && ahead_of_pace(span, used, rule.limit, now, points);
    return ahead ? std::max(level, Pressure::prefer_cheap) : level;
  };
  const auto kept = std::min(before, level_at(thresholds.release_points));
  return std::max(level_at(0), kept);
}

}  // namespace turnpike::account
