// Made-up traffic for the frontier share: conversations that come, run on, weigh and take their time, decided by the real
// controller. One seed, one run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "policy/share.hpp"

namespace turnpike::bench {

using Random = std::mt19937_64;

/// A number in [0, 1), the same from every standard library.
inline double uniform(Random& random) { return static_cast<double>(random() >> 11U) * 0x1.0p-53; }

struct Weight {
  double guess = 1;  // told at the decision
  double used = 1;   // told at the outcome
};

struct Scenario {
  std::string name;
  int steps = 40'000;           // over all keys
  int keys = 1;
  double target = 0.3;
  policy::ShareOf of = policy::ShareOf::steps;

  int conversations = 1;        // of a key, side by side
  double runs_on = 0;           // chance that a loop has another step, which stays where the loop began
  int loop_max = 1'000'000;
  double pinned_frontier = 0;   // share of steps that the client pins
  double pinned_bulk = 0;

  /// Score of a step; by default spread evenly.
  std::function<float(Random&, int step, int key)> score = [](Random& random, int, int) { return static_cast<float>(uniform(random)); };
  /// Weight of a step that runs on this side.
  std::function<Weight(Random&, float score, bool frontier)> weight = [](Random&, float, bool) { return Weight{}; };

  /// Steps of the whole stream that are decided before this one's outcome is known: mean, exponential. 0: known at once.
  double delay_bulk = 0;
  double delay_frontier = 0;
  double crosses_over = 0;      // chance that a fallback serves from the other side
  double never_runs = 0;        // chance that nothing reaches a provider

  std::vector<int> shifts;      // steps at which the workload changes: told apart when measuring
};

/// One step, in the order of decisions.
struct Ran {
  int key = 0;
  float score = 0;
  float threshold = 0;
  bool steered = true;
  bool decided_frontier = false;
  bool ran = true;
  bool frontier = false;
  double weight = 1;
  int ended_at = 0;  // number of the decision after which its outcome was told
};

std::vector<Ran> play(const Scenario& scenario, std::uint64_t seed);

}  // namespace turnpike::bench
