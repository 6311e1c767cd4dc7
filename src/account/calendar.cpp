#include "account/calendar.hpp"

#include <algorithm>
#include <chrono>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/format.h>

namespace turnpike::account {

namespace {

using Seconds = cctz::time_point<cctz::seconds>;

Instant to_instant(Seconds point) { return Instant{point.time_since_epoch()}; }

cctz::time_zone zone_of(const WindowRule& rule) {
  cctz::time_zone zone = cctz::utc_time_zone();
  cctz::load_time_zone(rule.zone, &zone);  // leaves UTC if unknown
  return zone;
}

/// First instant at which the zone's clocks show `local` or, if they skip it, a later time.
Seconds first_instant(const cctz::time_zone& zone, const cctz::civil_second& local) {
  const auto found = zone.lookup(local);
  return found.kind == cctz::time_zone::civil_lookup::SKIPPED ? found.trans : found.pre;
}

/// The civil period (day, month, or a week's Monday) that holds `now`, judged by the first instants
/// of the periods: where clocks go back over midnight, the repeated evening stays in the new day.
template <typename Civil>
Span civil_span(const cctz::time_zone& zone, Seconds now, Civil period, int step) {
  auto start = first_instant(zone, cctz::civil_second{period});
  auto end = first_instant(zone, cctz::civil_second{period + step});
  while (now >= end) {
    period += step;
    start = end;
    end = first_instant(zone, cctz::civil_second{period + step});
  }
  return {to_instant(start), to_instant(end)};
}

/// A local hour, by the offset in force and cut where the offset changes.
Span hour_span(const cctz::time_zone& zone, Seconds now) {
  const auto offset = std::chrono::seconds{zone.lookup(now).offset};
  const auto local = now.time_since_epoch() + offset;
  auto start = Seconds{std::chrono::floor<std::chrono::hours>(local) - offset};
  auto end = start + std::chrono::hours{1};
  cctz::time_zone::civil_transition change;
  // prev_transition() looks strictly before its argument, and `now` may be the transition itself.
  if (zone.prev_transition(now + std::chrono::seconds{1}, &change)) {
    start = std::max(start, zone.lookup(change.to).trans);
  }
  if (zone.next_transition(now, &change)) end = std::min(end, zone.lookup(change.to).trans);
  return {to_instant(start), to_instant(end)};
}

Span rolling_span(const WindowRule& rule, Seconds now) {
  const auto width = std::max<std::int64_t>(1, rule.duration.count() / rolling_buckets);
  const auto seconds = now.time_since_epoch().count();
  const auto remainder = ((seconds % width) + width) % width;
  const Seconds start{cctz::seconds{seconds - remainder}};
  return {to_instant(start), to_instant(start + cctz::seconds{width})};
}

}  // namespace

Result<void> check_rule(const WindowRule& rule) {
  if (rule.limit < Credits{}) {
    return std::unexpected{
        client_error("bad_window", "the limit of a window cannot be negative", "limit")};
  }
  cctz::time_zone zone;
  if (!cctz::load_time_zone(rule.zone, &zone)) {
    return std::unexpected{client_error(
        "bad_window",
        fmt::format("time zone {} is not in the system's database; use an IANA name such as "
                    "Europe/Berlin",
                    quoted_for_message(rule.zone)),
        "zone")};
  }
  const bool rolling = rule.kind == WindowKind::rolling;
  const auto duration = rule.duration.count();
  if (rolling && (duration < rolling_buckets || duration % rolling_buckets != 0)) {
    return std::unexpected{
        client_error("bad_window", "a rolling window lasts a whole number of minutes, at least one",
                     "duration")};
  }
  if (!rolling && duration != 0) {
    return std::unexpected{
        client_error("bad_window", "only rolling windows have a duration", "duration")};
  }
  const bool calendar = !rolling && rule.kind != WindowKind::lifetime;
  if (rule.paced && !calendar) {
    return std::unexpected{
        client_error("bad_window", "only a calendar window can be paced: the others have no end", "paced")};
  }
  if (!rule.thresholds) return {};
  for (const auto percent : {rule.thresholds->notify, rule.thresholds->prefer_cheap,
                             rule.thresholds->cheap_only, rule.thresholds->release_points}) {
    if (percent >= 0 && percent <= 100) continue;
    return std::unexpected{
        client_error("bad_window", "thresholds are percent of the limit, 0 (off) to 100", "thresholds")};
  }
  return {};
}

Span span_at(const WindowRule& rule, Instant instant) {
  const auto now = std::chrono::floor<cctz::seconds>(instant);
  switch (rule.kind) {
    case WindowKind::lifetime:
      return {Instant{}, std::nullopt};
    case WindowKind::rolling:
      return rolling_span(rule, now);
    case WindowKind::hour:
      return hour_span(zone_of(rule), now);
    case WindowKind::day:
    case WindowKind::week:
    case WindowKind::month:
      break;
  }
  const auto zone = zone_of(rule);
  const cctz::civil_day today{cctz::convert(now, zone)};
  if (rule.kind == WindowKind::day) return civil_span(zone, now, today, 1);
  if (rule.kind == WindowKind::month) return civil_span(zone, now, cctz::civil_month{today}, 1);
  const auto monday = cctz::prev_weekday(today + 1, cctz::weekday::monday);
  return civil_span(zone, now, monday, 7);
}

bool expired(const WindowRule& rule, const Span& span, Instant instant) {
  if (!span.end) return false;
  return rule.kind == WindowKind::rolling ? instant >= *span.end + rule.duration
                                          : instant >= *span.end;
}

}  // namespace turnpike::account
