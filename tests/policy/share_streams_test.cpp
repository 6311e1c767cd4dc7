// The streams of bench/share, shorter: each is held within what is promised for it.

#include <catch2/catch.hpp>
#include <random>

#include "measures.hpp"
#include "scenarios.hpp"

using namespace turnpike::bench;

TEST_CASE("the frontier share is held on every kind of stream", "[policy][share]") {
  const std::uint64_t seed = (std::uint64_t{std::random_device{}()} << 32U) | std::random_device{}();
  CAPTURE(seed);
  constexpr int steps = 12'000;
  for (const auto& promised : cases(steps)) {
    const auto run = play(promised.scenario, seed);
    // Where chance has a say (beyond_max), a test that runs with every seed leaves it more room than the bench does.
    const auto m = measure(promised.scenario, run, promised.beyond_max > 0 ? 2 * promised.extra : promised.extra);
    CAPTURE(promised.scenario.name, m.error_max, m.bound, m.windows_beyond, m.recovery, m.flips_max, m.flips_mean, m.share);
    // A short run has few independent windows: a single bad moment is a larger part of them.
    Case allowed = promised;
    if (allowed.beyond_max > 0) allowed.beyond_max += 0.03;
    CHECK(kept(allowed, m));
    CHECK(m.rank_sent > 0.6);  // 0.5 if the hard steps were not preferred at all
  }
}

TEST_CASE("a run is the same for the same seed", "[policy][share]") {
  const auto scenario = cases(2000).front().scenario;
  const auto first = play(scenario, 5);
  const auto second = play(scenario, 5);
  REQUIRE(first.size() == second.size());
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(first[i].frontier == second[i].frontier);
}
