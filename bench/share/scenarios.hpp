// The streams that the frontier share is held against, each with what is promised for it.
#pragma once

#include <vector>

#include "traffic.hpp"

namespace turnpike::bench {

struct Case {
  Scenario scenario;
  /// Promised beyond two points over 500 steps, in steps of mean weight. Loops that stay add what they run on for;
  /// frontier steps that are heavier than others multiply.
  double extra = 0;
  /// Part of the windows that may lie beyond two points (and a single step's weight) at all.
  double beyond_max = 0;
  int recovery_max = 200;
  /// Changes of side of any one score within 50 steps: the most, and on average over the run.
  int flips_max = 35;
  double flips_mean_max = 5;
};

struct Measures;
bool kept(const Case& promised, const Measures& measures);

/// `steps`: of each key.
std::vector<Case> cases(int steps);

}  // namespace turnpike::bench
