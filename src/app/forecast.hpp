// When each budget ends if spending goes on as of late. Whole numbers throughout: no rate is ever rounded before it is
// used.
//
// The recent past of a window is a quarter of its length, at least one hour and at most 24 hours; of a lifetime budget
// 24 hours. On one of several replicas the pace is its own alone; what the others have settled is counted as gone.
// A month looks back on a day, so that night and day are both in it; an hour looks back on an hour.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/budget.hpp"
#include "account/charges.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"

namespace turnpike::app {

enum class Outlook : std::uint8_t {
  idle,   // nothing was spent of late
  lasts,  // its window ends first
  ends,   // at this rate it is spent before its window ends
  spent,  // it is spent
};
std::string_view to_string(Outlook outlook);

struct WindowForecast {
  std::string budget;
  account::WindowState window;
  std::chrono::microseconds basis{0};  // the recent past that was looked at
  Credits burned;                      // settled in it
  Credits per_day;                     // the same as a rate, rounded up
  Outlook outlook = Outlook::idle;
  std::optional<Instant> spent_at;  // Outlook::ends
  /// What will be settled when the window ends; for a rolling window, what it will hold in the long run. Absent for a
  /// lifetime budget.
  std::optional<Credits> at_end;
};

std::chrono::microseconds recent_past(const account::WindowRule& rule);

/// The names of all budgets that count the charge where they exist, whether or not they did when it was made.
std::vector<std::string> budgets_counting(const account::Charge& charge);

/// Collects what was charged of late, then looks ahead.
class BudgetForecast {
 public:
  BudgetForecast(const std::vector<account::BudgetState>& budgets, Instant now);
  /// How far back charges matter.
  [[nodiscard]] Instant since() const { return now_ - std::chrono::hours{24}; }
  void add(const account::Charge& charge);
  /// In the order of the budgets.
  [[nodiscard]] std::vector<WindowForecast> windows() const;

 private:
  Instant now_;
  std::vector<WindowForecast> windows_;
  std::multimap<std::string, std::size_t> by_budget_;  // into windows_
};

}  // namespace turnpike::app
