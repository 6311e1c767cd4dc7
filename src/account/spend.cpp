#include "account/spend.hpp"

#include <algorithm>
#include <set>

#include "account/charges.hpp"

namespace turnpike::account {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::sys_days;

Instant period_start(SpendBy period, Instant instant) {
  const sys_days day = floor<days>(instant);
  switch (period) {
    case SpendBy::hour:
      return floor<hours>(instant);
    case SpendBy::week:
      return day - (std::chrono::weekday{day} - std::chrono::Monday);
    case SpendBy::month: {
      const std::chrono::year_month_day date{day};
      return sys_days{date.year() / date.month() / 1};
    }
    default:
      return day;
  }
}

/// The instant that period_name() wrote: its dates and hours are what parse_instant() reads, or
/// nearly.
std::optional<Instant> read_period(SpendBy period, const std::string& name) {
  auto text = name;
  if (period == SpendBy::month) text += "-01";
  if (period == SpendBy::hour && text.ends_with("Z")) text.insert(text.size() - 1, ":00");
  const auto instant = parse_instant(text);
  return instant ? std::optional{*instant} : std::nullopt;
}

}  // namespace

std::string period_name(SpendBy period, Instant instant) {
  const auto text = to_rfc3339(period_start(period, instant));
  if (period == SpendBy::hour) return text.substr(0, 16) + "Z";
  return text.substr(0, period == SpendBy::month ? 7 : 10);
}

Instant next_period(SpendBy period, Instant instant) {
  const auto start = period_start(period, instant);
  switch (period) {
    case SpendBy::hour:
      return start + hours{1};
    case SpendBy::week:
      return start + days{7};
    case SpendBy::month:
      return period_start(period, start + days{31});
    default:
      return start + days{1};
  }
}

SpendRow& SpendRow::operator+=(const SpendRow& other) {
  attempts += other.attempts;
  estimated += other.estimated;
  add_usage(usage, other.usage);
  cost += other.cost;
  estimates += other.estimates;
  overruns += other.overruns;
  corrections += other.corrections;
  shadow += other.shadow;
  return *this;
}

std::vector<SpendRow> with_empty_periods(std::vector<SpendRow> rows, const SpendQuery& query,
                                         Instant now, std::size_t rows_max) {
  if (query.group_by.empty() || !is_time(query.group_by.front())) return rows;
  const auto period = query.group_by.front();
  auto first = query.since;
  auto end = query.until;
  if (end || query.since) end = std::min(end.value_or(now), now);
  if (!rows.empty() && !first) first = read_period(period, rows.front().group.front());
  if (!rows.empty() && !end) {
    if (const auto last = read_period(period, rows.back().group.front())) end = next_period(period, *last);
  }
  if (!first || !end) return rows;
  std::set<std::vector<std::string>> there;
  std::set<std::vector<std::string>> groups;
  for (const auto& row : rows) {
    there.insert(row.group);
    groups.insert(std::vector<std::string>(row.group.begin() + 1, row.group.end()));
  }
  if (groups.empty() && query.group_by.size() == 1) groups.insert(std::vector<std::string>{});
  const auto limit = rows.size() + rows_max;
  for (Instant at = *first; at < *end && rows.size() < limit; at = next_period(period, at)) {
    for (const auto& group : groups) {
      SpendRow empty;
      empty.group.push_back(period_name(period, at));
      empty.group.insert(empty.group.end(), group.begin(), group.end());
      if (!there.contains(empty.group)) rows.push_back(std::move(empty));
    }
  }
  std::ranges::sort(rows, {}, &SpendRow::group);
  return rows;
}

}  // namespace turnpike::account
