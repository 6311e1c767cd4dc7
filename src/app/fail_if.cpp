#include "app/fail_if.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace turnpike::app {
namespace {

constexpr std::array<std::string_view, 6> figures{"cost", "moved", "share", "frontier", "refused", "budget_hits"};

Error wrong(std::string_view text, std::string_view what) {
  return client_error("bad_condition",
                      fmt::format("--fail-if {}: {}; write for example 'cost>+5%', 'moved>10%', 'share>35%', 'frontier>+2%', 'budget_hits>0'",
                                  quoted_for_message(text), what));
}

double share_of(std::int64_t part, std::int64_t all) { return all > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(all) : 0; }

/// For a comparison only: no sum is made of it.
double credits_of(Credits amount) { return static_cast<double>(amount.nano()) / 1e9; }

}  // namespace

Result<FailIf> FailIf::parse(std::string_view text) {
  FailIf condition;
  condition.text_ = text;
  std::string plain;
  std::ranges::copy_if(text, std::back_inserter(plain), [](char c) { return c != ' '; });
  std::string_view rest = plain;
  const auto sign = rest.find_first_of("<>");
  if (sign == std::string_view::npos) return std::unexpected{wrong(text, "no > and no <")};
  const auto name = std::ranges::find(figures, rest.substr(0, sign));
  if (name == figures.end()) return std::unexpected{wrong(text, fmt::format("the figures are {}", fmt::join(figures, ", ")))};
  condition.figure_ = static_cast<Figure>(name - figures.begin());
  condition.greater_ = rest[sign] == '>';
  rest.remove_prefix(sign + 1);
  condition.or_equal_ = rest.starts_with('=');
  if (condition.or_equal_) rest.remove_prefix(1);
  if (rest.starts_with('+')) rest.remove_prefix(1);
  condition.percent_ = rest.ends_with('%');
  if (condition.percent_) rest.remove_suffix(1);
  const auto [end, fault] = std::from_chars(rest.data(), rest.data() + rest.size(), condition.bound_);
  if (fault != std::errc{} || end != rest.data() + rest.size() || !std::isfinite(condition.bound_)) return std::unexpected{wrong(text, "no number follows")};
  const bool in_percent = condition.figure_ == Figure::share || condition.figure_ == Figure::frontier;
  const bool in_counts = condition.figure_ == Figure::budget_hits;
  if (in_percent && !condition.percent_) return std::unexpected{wrong(text, "this figure is a percentage")};
  if (in_counts && condition.percent_) return std::unexpected{wrong(text, "this figure is a count")};
  return condition;
}

double FailIf::figure(const BothWays& sums) const {
  switch (figure_) {
    case Figure::cost: {
      const auto change = credits_of(sums.cost_would - sums.cost_was);
      if (!percent_) return change;
      const auto was = credits_of(sums.cost_was);
      if (was > 0) return 100 * change / was;
      return change > 0 ? HUGE_VAL : 0;  // from nothing to something is more than any share
    }
    case Figure::moved:
      return percent_ ? share_of(sums.moved, sums.steps) : static_cast<double>(sums.moved);
    case Figure::share:
      return share_of(sums.frontier_would, sums.steps);
    case Figure::frontier:
      return share_of(sums.frontier_would, sums.steps) - share_of(sums.frontier_was, sums.steps);
    case Figure::refused:
      return percent_ ? share_of(sums.refused, sums.steps) : static_cast<double>(sums.refused);
    case Figure::budget_hits:
      break;
  }
  return static_cast<double>(sums.budget_hits_would);
}

bool FailIf::compare(double value) const {
  if (greater_) return or_equal_ ? value >= bound_ : value > bound_;
  return or_equal_ ? value <= bound_ : value < bound_;
}

}  // namespace turnpike::app
