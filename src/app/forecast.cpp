#include "app/forecast.hpp"

#include <algorithm>

namespace turnpike::app {
namespace {

__extension__ using Wide = __int128;

using account::WindowKind;
using std::chrono::hours;
using std::chrono::microseconds;

Credits saturated(Wide nano) {
  if (nano > INT64_MAX) return Credits::max();
  return Credits::from_nano(static_cast<std::int64_t>(nano));
}

/// burned x span / basis, rounded up.
Credits at_rate(const WindowForecast& forecast, microseconds span) {
  const Wide basis = forecast.basis.count();
  return saturated((Wide{forecast.burned.nano()} * span.count() + basis - 1) / basis);
}

/// Length of a window, roughly where calendars differ: good enough to choose how far to look back.
microseconds length_of(const account::WindowRule& rule) {
  switch (rule.kind) {
    case WindowKind::hour: return hours{1};
    case WindowKind::day: return hours{24};
    case WindowKind::week: return hours{24 * 7};
    case WindowKind::rolling: return rule.duration;
    case WindowKind::month:
    case WindowKind::lifetime: break;
  }
  return hours{24 * 30};
}

/// Other replicas' part, as last heard, is as gone as our own.
Credits used(const account::WindowState& window) { return window.settled + window.elsewhere; }

/// Where the charges of a rolling window leave as evenly as they came: held falls by held/duration while it grows at the
/// rate. Time until it is full; nothing if the rate alone never fills it.
std::optional<microseconds> rolling_room_lasts(const WindowForecast& forecast) {
  const auto& rule = forecast.window.rule;
  if (at_rate(forecast, rule.duration) <= rule.limit) return std::nullopt;
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  const Wide basis = duration_cast<seconds>(forecast.basis).count();
  const Wide duration = rule.duration.count();
  // Per second it grows by burned/basis - settled/duration; here over their common denominator.
  const Wide growth = Wide{forecast.burned.nano()} * duration - Wide{used(forecast.window).nano()} * basis;
  if (growth <= 0) return std::nullopt;
  const Wide room = rule.limit.nano() - used(forecast.window).nano();
  return seconds{static_cast<std::int64_t>(std::min<Wide>(room * basis * duration / growth, rule.duration.count()))};
}

void look_ahead(WindowForecast& forecast, Instant now) {
  const auto& window = forecast.window;
  forecast.per_day = at_rate(forecast, hours{24});
  const bool rolling = window.rule.kind == WindowKind::rolling;
  if (window.end) forecast.at_end = used(window) + at_rate(forecast, std::max(*window.end - now, microseconds{0}));
  if (rolling) forecast.at_end = at_rate(forecast, window.rule.duration);
  const auto room = window.rule.limit - used(window);
  if (room <= Credits{}) {
    forecast.outlook = Outlook::spent;
    return;
  }
  if (forecast.burned <= Credits{}) return;
  forecast.outlook = Outlook::lasts;
  std::optional<microseconds> lasts;
  if (rolling) {
    lasts = rolling_room_lasts(forecast);
  } else {
    const Wide span = Wide{room.nano()} * forecast.basis.count() / forecast.burned.nano();
    // Ten years on, a date is no forecast.
    if (span < Wide{microseconds{hours{24 * 3650}}.count()}) lasts = microseconds{static_cast<std::int64_t>(span)};
  }
  if (!lasts || (window.end && now + *lasts >= *window.end)) return;
  forecast.outlook = Outlook::ends;
  forecast.spent_at = now + *lasts;
}

}  // namespace

std::string_view to_string(Outlook outlook) {
  switch (outlook) {
    case Outlook::idle: return "idle";
    case Outlook::lasts: return "lasts";
    case Outlook::ends: return "ends";
    case Outlook::spent: return "spent";
  }
  return "idle";
}

microseconds recent_past(const account::WindowRule& rule) {
  return std::clamp<microseconds>(length_of(rule) / 4, hours{1}, hours{24});
}

std::vector<std::string> budgets_counting(const account::Charge& charge) {
  auto path = *charge.path;
  const auto slash = charge.target.find('/');
  path.provider = charge.target.substr(0, slash);
  path.model = slash == std::string_view::npos ? std::string_view{} : charge.target.substr(slash + 1);
  path.tier = charge.tier;
  return account::budgets_of(path);
}

BudgetForecast::BudgetForecast(const std::vector<account::BudgetState>& budgets, Instant now) : now_(now) {
  for (const auto& budget : budgets) {
    for (const auto& window : budget.windows) {
      WindowForecast forecast;
      forecast.budget = budget.budget;
      forecast.window = window;
      forecast.basis = recent_past(window.rule);
      by_budget_.emplace(budget.budget, windows_.size());
      windows_.push_back(std::move(forecast));
    }
  }
}

void BudgetForecast::add(const account::Charge& charge) {
  // What an operator books later says nothing about the pace of spending.
  if (charge.kind == account::EntryKind::correction || charge.amount == Credits{}) return;
  for (const auto& name : budgets_counting(charge)) {
    const auto [first, last] = by_budget_.equal_range(name);
    for (auto at = first; at != last; ++at) {
      auto& forecast = windows_[at->second];
      if (charge.at > now_ - forecast.basis && charge.at <= now_) forecast.burned += charge.amount;
    }
  }
}

std::vector<WindowForecast> BudgetForecast::windows() const {
  auto windows = windows_;
  for (auto& forecast : windows) look_ahead(forecast, now_);
  return windows;
}

}  // namespace turnpike::app
