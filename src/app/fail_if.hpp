// Conditions under which `turnpike backtest` says no.
//
//   condition := figure (">" | "<" | ">=" | "<=") [sign] number ["%"]
//
//   cost         change of the cost, in credits or, with %, of what it was
//   moved        steps that another target would have answered first, or, with %, their share of all
//   share        frontier share of the steps, in %
//   frontier     its change, in percentage points
//   refused      steps that the policy would have refused, or their share
//   budget_hits  steps that would have asked for more than was left
#pragma once

#include <string>
#include <string_view>

#include "app/backtest.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

class FailIf {
 public:
  /// Errors: `bad_condition`, says what is wrong and shows an example.
  static Result<FailIf> parse(std::string_view text);
  [[nodiscard]] bool met(const BothWays& sums) const { return compare(figure(sums)); }
  /// The figure the condition is about, in the condition's own unit.
  [[nodiscard]] double figure(const BothWays& sums) const;
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool percent() const { return percent_; }

 private:
  enum class Figure { cost, moved, share, frontier, refused, budget_hits };
  [[nodiscard]] bool compare(double value) const;

  std::string text_;
  Figure figure_ = Figure::cost;
  bool greater_ = true;
  bool or_equal_ = false;
  bool percent_ = false;
  double bound_ = 0;
};

}  // namespace turnpike::app
