// What came of a run: how well the share was held, how steadily, and whether the hardest steps were the ones that went.
#pragma once

#include <vector>

#include "traffic.hpp"

namespace turnpike::bench {

struct Measures {
  int windows = 0;           // of 500 steps of one key, from step 200 on; those near a shift left out
  double error_max = 0;      // of the share, over these windows
  double error_mean = 0;
  double windows_beyond = 0; // part of them beyond two points of 500 mean steps and the heaviest step's weight
  double bound = 0;          // the largest that was promised for any of them
  bool held = true;          // each window within its own bound
  int recovery = 0;          // steps after the worst shift until every window of 200 stays within four points
  double share = 0;          // of the whole run
  int flips_max = 0;         // changes of side of one and the same score within 50 steps, worst score
  double flips_mean = 0;     // over the run, worst score
  double rank_sent = 0;      // mean rank of the steered steps that went, among the 500 around them; at best 1 - share/2
};

/// `extra`: promised beyond two points and one step's weight, in steps of mean weight.
Measures measure(const Scenario& scenario, const std::vector<Ran>& run, double extra = 0);

/// Share of each window of 500 steps of the first key, for the drawing.
std::vector<double> running_share(const std::vector<Ran>& run);

}  // namespace turnpike::bench
