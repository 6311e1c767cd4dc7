#include "scenarios.hpp"

#include <algorithm>
#include <cmath>

#include "measures.hpp"

namespace turnpike::bench {
namespace {

float between(Random& random, double low, double high) { return static_cast<float>(low + (high - low) * uniform(random)); }

double normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - uniform(random)));
  return radius * std::cos(2 * 3.14159265358979323846 * uniform(random));
}

Case plain(std::string name, int steps) {
  Case made;
  made.scenario.name = std::move(name);
  made.scenario.steps = steps;
  return made;
}

/// Every 4,000 steps another kind of work, some of it hard throughout.
Case shifting(int steps) {
  Case made = plain("shifting", steps);
  made.scenario.score = [](Random& random, int step, int) {
    switch (step / 4000 % 4) {
      case 0:
        return between(random, 0.3, 0.7);
      case 1:
        return between(random, 0.6, 1.0);
      case 2:
        return between(random, 0.0, 0.3);
      default:
        return between(random, 0.50, 0.52);
    }
  };
  for (int at = 4000; at < steps; at += 4000) made.scenario.shifts.push_back(at);
  return made;
}

/// Seventy hard steps in a row, again and again.
Case bursty(int steps) {
  Case made = plain("bursty", steps);
  made.scenario.score = [](Random& random, int step, int) {
    return step / 70 % 5 == 0 ? between(random, 0.8, 1.0) : between(random, 0.0, 0.6);
  };
  return made;
}

/// Lengths of agent steps: a log-normal of this spread, hard steps twice as long.
std::function<Weight(Random&, float, bool)> lengths(double spread, double frontier_price) {
  return [=](Random& random, float score, bool frontier) {
    const double prompt = std::exp(9 + spread * normal(random)) * (1 + double{score});
    const double answer = 100 + 1500 * uniform(random);
    const double price = frontier ? frontier_price : 1;
    return Weight{price * (prompt + 600), price * (prompt * (0.8 + 0.4 * uniform(random)) + answer)};
  };
}

std::vector<Case> loops(int steps) {
  std::vector<Case> made;
  const auto sticky = [&](const char* name, int conversations, double runs_on, int loop_max, double extra, double beyond_max) {
    Case one = plain(name, steps);
    one.scenario.conversations = conversations;
    one.scenario.runs_on = runs_on;
    one.scenario.loop_max = loop_max;
    one.extra = extra;
    one.beyond_max = beyond_max;
    made.push_back(std::move(one));
  };
  // Which of the running loops step next is chance, and seven steps of ten are theirs: now and then it takes the share
  // beyond two points before enough steps come that are free.
  sticky("70 % sticky, 20 conversations", 20, 0.7, 8, 10, 0.01);
  sticky("70 % sticky, one by one", 1, 0.7, 8, 10, 0.01);
  // One loop of 30 steps is 21 steps more than its due: no choice of others makes up for it within 500 steps.
  sticky("70 % sticky, loops without end", 20, 0.7, 1'000'000, 15, 0.015);
  sticky("90 % sticky", 20, 0.9, 40, 70, 0.5);
  return made;
}

std::vector<Case> in_flight(int steps) {
  std::vector<Case> made;
  for (const bool hard_life : {false, true}) {
    Case one = plain(hard_life ? "200 streams, sticky, fallbacks, lost" : "200 streams in flight", steps);
    one.scenario.conversations = 250;
    one.scenario.delay_bulk = 100;
    one.scenario.delay_frontier = 430;
    if (hard_life) {
      one.scenario.runs_on = 0.7;
      one.scenario.loop_max = 8;
      one.scenario.crosses_over = 0.02;
      one.scenario.never_runs = 0.02;
      one.extra = 15;  // a fallback is known only when its stream ends
      one.beyond_max = 0.02;
    }
    made.push_back(std::move(one));
  }
  return made;
}

std::vector<Case> weighted(int steps) {
  std::vector<Case> made;
  const auto add = [&](const char* name, policy::ShareOf of, double spread, double price, double extra, double beyond_max) {
    Case one = plain(name, steps);
    one.scenario.of = of;
    one.scenario.weight = lengths(spread, price);
    one.extra = extra;
    one.beyond_max = beyond_max;
    made.push_back(std::move(one));
  };
  add("tokens", policy::ShareOf::tokens, 0.7, 1, 5, 0.01);
  add("tokens, heavy tail", policy::ShareOf::tokens, 1.3, 1, 5, 0.01);
  // A step that weighs ten times the mean is a rare one: a window has a few dozen of them.
  add("spend, frontier 5 x as dear", policy::ShareOf::spend, 0.7, 5, 10, 0.01);
  add("spend, frontier 20 x as dear", policy::ShareOf::spend, 0.7, 20, 20, 0.01);
  made.push_back(made.front());
  made.back().scenario.name = "tokens, 200 streams in flight";
  made.back().extra = 5;
  made.back().beyond_max = 0.01;
  made.back().scenario.conversations = 250;
  made.back().scenario.delay_bulk = 100;
  made.back().scenario.delay_frontier = 430;
  return made;
}

}  // namespace

bool kept(const Case& promised, const Measures& m) {
  return m.windows > 0 && m.held && m.windows_beyond <= promised.beyond_max && m.recovery <= promised.recovery_max &&
         m.flips_max <= promised.flips_max && m.flips_mean <= promised.flips_mean_max;
}

std::vector<Case> cases(int steps) {
  std::vector<Case> all{plain("stationary", steps)};
  all.push_back(plain("stationary, target 10 %", steps));
  all.back().scenario.target = 0.1;
  all.push_back(plain("scores in a narrow band", steps));
  all.back().scenario.score = [](Random& random, int, int) { return between(random, 0.45, 0.47); };
  all.push_back(shifting(steps));
  all.push_back(bursty(steps));
  all.push_back(plain("pins: 15 % up, 10 % down", steps));
  all.back().scenario.pinned_frontier = 0.15;
  all.back().scenario.pinned_bulk = 0.10;
  all.back().extra = 5;
  all.back().beyond_max = 0.005;
  all.push_back(plain("20 keys, each its own", std::min(steps, 5000) * 20));
  all.back().scenario.keys = 20;
  all.back().scenario.score = [](Random& random, int, int key) { return between(random, 0.02 * key, 0.05 * (key + 1)); };
  for (auto* more : {&loops, &in_flight, &weighted}) {
    for (auto& one : (*more)(steps)) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace turnpike::bench
