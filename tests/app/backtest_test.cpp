#include "app/backtest.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "app/fail_if.hpp"
#include "app/replay_bench.hpp"

using namespace turnpike;
using namespace turnpike::app;

namespace {

const std::string bulk = "deepseek/deepseek-flash";
const std::string strong = "anthropic/claude-opus-5-5";

struct BacktestBench : app::test::ReplayBench {
  /// Answered by its first candidate with this usage.
  void serve(Exchange& exchange, const Usage& usage) const {
    const auto& candidate = exchange.decision.candidates.front();
    Attempt attempt;
    attempt.id = exchange.decision_id + ".1";
    attempt.target = candidate.target();
    attempt.settlement = Settlement::settle_exact;
    attempt.usage = usage;
    attempt.cost = *charge(candidate.quote, usage);
    exchange.attempts = {attempt};
    exchange.status = 200;
    exchange.received = Monotonic{std::chrono::seconds{1}};
    exchange.finished = exchange.received + std::chrono::seconds{2};
  }
  Exchange served(float score, const Usage& usage) {
    auto made = exchange(score);
    serve(made, usage);
    return made;
  }
  /// The shipped configuration with another policy of policies/.
  [[nodiscard]] std::shared_ptr<gateway::Snapshot> under(const std::string& policy) const {
    auto config = app::test::shipped_config();
    config.policy = policy;
    const auto files = read_config_files(config);
    REQUIRE(files);
    auto loaded = load_rules(config.policies / (policy + ".toml"), config.providers, *files, now);
    REQUIRE(loaded);
    return *loaded;
  }
  /// What it was recorded under.
  [[nodiscard]] std::shared_ptr<gateway::Snapshot> same() const { return std::make_shared<gateway::Snapshot>(*rules); }
};

const Usage usual{.input_fresh = 9000, .input_cache_read = 1000, .output_text = 500};

}  // namespace

TEST_CASE("a policy tested against its own record moves nothing, whatever the threshold was") {
  BacktestBench bench;
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random{seed};
  std::uniform_real_distribution<float> unit{0, 1};
  Backtest test{bench.same()};
  Credits recorded;
  for (int i = 0; i < 300; ++i) {
    auto exchange = bench.exchange(unit(random));
    exchange.facts.conversation = "c" + std::to_string(random() % 7);
    exchange.facts.in_tool_loop = random() % 2 == 0;
    exchange.facts.trace.error_streak = static_cast<std::int32_t>(random() % 4);
    exchange.inputs.threshold = unit(random);
    exchange.inputs.escalation_allowed = random() % 3 != 0;
    exchange.allowance.pressure = static_cast<Pressure>(random() % 4);
    if (random() % 2 == 0) exchange.inputs.stay = Stay{.target = random() % 2 == 0 ? bulk : strong, .tier = random() % 2 == 0 ? "bulk" : "frontier", .cached_tokens = 5000};
    bench.decide(exchange);
    bench.serve(exchange, usual);
    recorded += exchange.cost();
    test.add(record::to_json(exchange));
  }
  CHECK(test.all.steps == 300);
  CHECK(test.same_version == 300);
  CHECK(test.all.moved == 0);
  CHECK(test.moves.empty());
  CHECK(test.all.cost_was == recorded);
  CHECK(test.all.cost_would == recorded);
  CHECK(test.all.frontier_was == test.all.frontier_would);
}

TEST_CASE("another policy moves what it would decide otherwise, at the prices of that instant") {
  BacktestBench bench;
  const auto easy = bench.served(0.1F, usual);
  const auto hard = bench.served(0.9F, usual);
  REQUIRE(easy.decision.candidates.front().target() == bulk);
  REQUIRE(hard.decision.candidates.front().target() == strong);
  Backtest test{bench.under("all-bulk")};
  test.add(record::to_json(easy));
  test.add(record::to_json(hard));
  CHECK(test.all.moved == 1);
  REQUIRE(test.moves.size() == 1);
  const auto& [way, move] = *test.moves.begin();
  CHECK(way == std::pair{strong, bulk});
  CHECK(move.examples == std::vector{hard.decision_id});
  // Nothing is in the cheap model's cache: the whole prompt is fresh there.
  const auto there = *charge(easy.decision.candidates.front().quote, {.input_fresh = 10'000, .output_text = 500});
  CHECK(test.all.cost_would == easy.cost() + there);
  CHECK(test.all.cost_was == easy.cost() + hard.cost());
  CHECK(test.all.frontier_was == 1);
  CHECK(test.all.frontier_would == 0);
  CHECK(test.kinds.at(StepKind::human_turn).moved == 1);
}

TEST_CASE("after a step went elsewhere the conversation reads the caches that it would have filled") {
  BacktestBench bench;
  Backtest test{bench.under("all-bulk")};
  Credits there;
  std::int64_t held = 0;
  for (int i = 0; i < 4; ++i) {
    auto exchange = bench.exchange(0.9F);
    exchange.facts.conversation = "one";
    if (i == 3) exchange.at += std::chrono::hours{3};  // by then the cache is gone
    const std::int64_t prompt = 10'000 + 1000 * i;
    bench.serve(exchange, {.input_cache_write_5m = prompt, .output_text = 300});
    test.add(record::to_json(exchange));
    const auto candidate = decide_again(*bench.under("all-bulk"), exchange, exchange.inputs)->candidates.front();
    const auto read = i == 3 ? 0 : held;
    there += *charge(candidate.quote, {.input_fresh = prompt - read, .input_cache_read = read, .output_text = 300});
    held = prompt;
  }
  CHECK(test.all.moved == 4);
  CHECK(test.all.cost_would == there);
  CHECK(test.all.cache_read_would == 10'000 + 11'000);
}

TEST_CASE("a tested policy holds its own share") {
  BacktestBench bench;
  Backtest test{bench.under("all-frontier")};
  for (int i = 0; i < 20; ++i) test.add(record::to_json(bench.served(static_cast<float>(i) / 20, usual)));
  CHECK(test.all.frontier_would == 20);
  auto tighter = bench.same();
  tighter->version = "another";  // as if it were: the threshold is then its own, not the record's
  Backtest steered{tighter};
  std::mt19937 random{7};
  for (int i = 0; i < 2000; ++i) steered.add(record::to_json(bench.served(std::uniform_real_distribution<float>{0, 1}(random), usual)));
  const auto share = static_cast<double>(steered.all.frontier_would) / static_cast<double>(steered.all.steps);
  CHECK(share == Approx(0.30).margin(0.03));
  CHECK(static_cast<double>(steered.all.frontier_was) / 2000 == Approx(0.5).margin(0.05));
  CHECK_FALSE(steered.thresholds.empty());
}

TEST_CASE("a dearer choice runs into budgets that the recorded one did not") {
  BacktestBench bench;
  Backtest test{bench.under("all-frontier")};
  for (int i = 0; i < 5; ++i) {
    auto exchange = bench.served(0.1F, usual);
    exchange.allowance.remaining = Credits::from_nano(120'000'000);  // two frontier steps, and many of the bulk
    test.add(record::to_json(exchange));
  }
  CHECK(test.all.budget_hits_was == 0);
  CHECK(test.all.budget_hits_would > 0);
  CHECK(test.all.budget_hits_would < 5);
}

TEST_CASE("teams of one name in two organisations have a budget each") {
  BacktestBench bench;
  const auto step_of = [&](const std::string& org) {
    auto exchange = bench.served(0.1F, usual);
    exchange.account = std::make_shared<Account>(Account{.key_id = "key-" + std::to_string(bench.made), .org = org, .team = "core"});
    exchange.allowance.pressure_scope = "team:" + org + "/core";
    return exchange;
  };
  Backtest alone{bench.under("all-frontier")};
  alone.add(record::to_json(step_of("acme")));
  const auto extra = alone.all.cost_would - alone.all.cost_was;
  REQUIRE(extra > Credits{});
  Backtest test{bench.under("all-frontier")};
  const auto add = [&](const std::string& org) {
    auto exchange = step_of(org);
    exchange.allowance.remaining = alone.all.cost_would + extra;  // room for two dearer steps
    test.add(record::to_json(exchange));
  };
  for (const auto* org : {"acme", "globex", "acme", "globex"}) add(org);
  CHECK(test.all.budget_hits_would == 0);
  add("acme");
  CHECK(test.all.budget_hits_would == 1);
}

TEST_CASE("what cannot be tested is counted by why") {
  BacktestBench bench;
  Backtest test{bench.same()};
  test.add(R"({"id":"old"})");
  test.add("nonsense");
  auto refused = bench.exchange(0.1F);
  refused.decision = {};
  test.add(record::to_json(refused));
  auto counted = bench.exchange(0.1F);
  counted.facts.step = StepKind::token_count;
  test.add(record::to_json(counted));
  test.add(record::to_json(bench.exchange(0.1F)));  // decided, never answered
  CHECK(test.records == 5);
  CHECK(test.too_old == 1);
  CHECK(test.damaged == 1);
  CHECK(test.undecided == 1);
  CHECK(test.token_counts == 1);
  CHECK(test.not_run == 1);
  CHECK(test.all.steps == 1);
  CHECK(test.all.cost_was == Credits{});
}

TEST_CASE("conditions are read strictly and judged as they say") {
  BothWays sums;
  sums.steps = 200;
  sums.moved = 30;
  sums.frontier_was = 60;
  sums.frontier_would = 80;
  sums.cost_was = Credits::from_nano(10'000'000'000);
  sums.cost_would = Credits::from_nano(10'600'000'000);
  sums.budget_hits_would = 2;
  const auto met = [&](std::string_view text) {
    const auto condition = FailIf::parse(text);
    INFO(text);
    REQUIRE(condition);
    return condition->met(sums);
  };
  for (const auto* text : {"cost>+5%", "cost > 5 %", "cost>0.5", "cost>=6%", "moved>10%", "moved>=30", "share>39.9%", "frontier>+9%", "budget_hits>1", "refused<1"}) CHECK(met(text));
  for (const auto* text : {"cost>+6%", "cost<5%", "cost>0.7", "moved>15%", "moved>30", "share>40%", "frontier<9%", "budget_hits>2", "refused>0"}) CHECK_FALSE(met(text));
  for (const auto* text : {"", "cost", "cost>", "cost>five", "price>5%", "share>0.3", "budget_hits>5%", "cost=5%", "cost>5%%", "cost>inf"}) CHECK_FALSE(FailIf::parse(text));
  sums.cost_was = {};
  CHECK(met("cost>+1000%"));
}
