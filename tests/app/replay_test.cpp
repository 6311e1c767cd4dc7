#include "app/replay.hpp"

#include <catch2/catch.hpp>

#include "app/replay_bench.hpp"

using namespace turnpike;
using namespace turnpike::app;
using app::test::ReplayBench;

namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a stored decision comes out the same") {
  ReplayBench bench;
  Replay replay{bench.archive};
  for (const float score : {0.1F, 0.49F, 0.5F, 0.9F}) replay.add(record::to_json(bench.exchange(score)));
  CHECK(replay.same == 4);
  CHECK(replay.clean());
  CHECK(replay.configurations() == 1);
}

TEST_CASE("what comes out differently is named") {
  ReplayBench bench;
  const auto exchange = bench.exchange(0.45F);
  const auto text = record::to_json(exchange);
  Replay replay{bench.archive};
  replay.add(replaced(text, R"("inputs":{"threshold":0.5)", R"("inputs":{"threshold":0.4)"));
  CHECK(replay.differ == 1);
  CHECK_FALSE(replay.clean());
  REQUIRE(replay.shown.size() == 1);
  CHECK(replay.shown.front().decision == exchange.decision_id);
  const auto& lines = replay.shown.front().lines;
  CHECK(std::ranges::find(lines, "tier: made bulk, again frontier") != lines.end());
  CHECK(std::ranges::find(lines, "frontier: made false, again true") != lines.end());
  CHECK(std::ranges::any_of(lines, [](const auto& line) { return line.starts_with("candidate 1: made deepseek/deepseek-flash"); }));
}

TEST_CASE("a difference that the text cannot show is found by the digest") {
  ReplayBench bench;
  auto exchange = bench.exchange(0.1F);
  exchange.decision.candidates.front().quirks.prefill_rejected = !exchange.decision.candidates.front().quirks.prefill_rejected;
  Replay replay{bench.archive};
  replay.add(record::to_json(exchange));
  CHECK(replay.differ == 1);
  REQUIRE(replay.shown.size() == 1);
  CHECK(replay.shown.front().lines.size() == 1);
}

TEST_CASE("what cannot be taken again is counted by why") {
  ReplayBench bench;
  Replay replay{bench.archive};
  replay.add(R"({"id":"x","at":"2026-11-23T09:00:00Z"})");
  replay.add("no JSON");
  auto exchange = bench.exchange(0.1F);
  exchange.config_version = "00000000deadbeef";
  replay.add(record::to_json(exchange));
  exchange.decision = {};
  replay.add(record::to_json(exchange));
  CHECK(replay.records == 4);
  CHECK(replay.too_old == 1);
  CHECK(replay.damaged == 1);
  CHECK(replay.undecided == 1);
  CHECK(replay.without_rules.at("00000000deadbeef").records == 1);
  CHECK(replay.same + replay.differ == 0);
  CHECK_FALSE(replay.clean());
}
