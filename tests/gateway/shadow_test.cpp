#include <prometheus/metric_family.h>

#include "gateway/bench.hpp"
#include "gateway/shadow_judge.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;

namespace {

const std::string shadowing = std::string{policy_text} + "[shadow]\ncandidate = \"strong/large\"\nsample = 1\ncredits_per_day = 1\n";

/// A bench whose policy shadows every step, with the budget that the application would set.
struct ShadowBench : Bench {
  explicit ShadowBench(const std::string& more = "", const char* daily = "1") : Bench(cheap_provider, shadowing + more) {
    fund(daily);
    shadows.open(true);
  }
  void fund(const char* daily, bool frozen = false) const {
    account::BudgetSettings settings;
    settings.budget = "key:shadow:test";
    account::WindowRule rule;
    rule.kind = account::WindowKind::day;
    rule.limit = *parse_credits(daily);
    settings.windows.push_back(rule);
    settings.frozen = frozen;
    settings.by = "test";
    REQUIRE(ledger->set_budget(settings));
  }
  double counted(const std::string& name, const std::string& label) const {
    for (const auto& family : metrics.Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        for (const auto& pair : metric.label) {
          if (pair.value == label) return metric.counter.value;
        }
      }
    }
    return 0;
  }
  double skipped(ShadowSkip cause) const { return counted("turnpike_shadow_skipped_total", std::string{to_string(cause)}); }
  Credits spent_by(const std::string& paying_key) const {
    account::SpendQuery query;
    query.group_by = {account::SpendBy::key};
    const auto rows = ledger->spend(query);
    REQUIRE(rows);
    for (const auto& row : *rows) {
      if (row.group.front() == paying_key) return row.cost;
    }
    return {};
  }
};

Script calls(const std::string& tool, const std::string& arguments) {
  Script script;
  std::string quoted;
  for (const char c : arguments) quoted += c == '"' ? std::string{"\\\""} : std::string{c};
  script.chunks = {chunk(R"({"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":")" + tool + R"(","arguments":")" + quoted + R"("}}]})"),
                   chunk("{}", "\"tool_calls\"") + usage_chunk + done};
  return script;
}

const std::string with_tool =
    R"({"model":"auto","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"read","parameters":{"type":"object","required":["path"],"properties":{"path":{"type":"string"}}}}}]})";

}  // namespace

TEST_CASE("a sampled step is asked of the candidate after the client's answer, on the shadow's account", "[shadow]") {
  ShadowBench bench;
  bench.upstream->expect(calls("read", R"({"path":"a.cpp"})"));
  bench.upstream->expect(calls("read", R"({"path": "./a.cpp"})"));
  const auto sink = bench.ask(with_tool);
  CHECK(sink.body.ends_with(done));
  CHECK(sink.header("x-turnpike-model") == "cheap/small");
  REQUIRE(bench.upstream->sent.size() == 2);
  CHECK(bench.upstream->sent[1]->provider == "strong");
  REQUIRE(bench.pairs.size() == 1);
  const ShadowPair& pair = bench.pairs[0];
  CHECK(pair.decision_id == sink.header("x-turnpike-decision"));
  CHECK(pair.live.target == "cheap/small");
  CHECK(pair.shadow.target == "strong/large");
  CHECK(pair.same_action);
  CHECK(pair.live.usable());
  CHECK(pair.shadow.usable());
  CHECK(pair.weight == 1);
  CHECK(pair.shadow.usage.input() == 100);
  CHECK(pair.live.cost.nano() == exact_cost_nano);
  CHECK(pair.shadow.cost.nano() == 10 * exact_cost_nano);
  CHECK(bench.spent_by(bench.key_id).nano() == exact_cost_nano);
  CHECK(bench.spent_by("shadow:test").nano() == 10 * exact_cost_nano);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("calls that differ or do not fit the declared schema are told apart", "[shadow]") {
  struct Case {
    const char* tool;
    const char* arguments;
    bool same_tools, fits;
  };
  for (const auto& [tool, arguments, same_tools, fits] : {Case{"read", R"({"path":"b.cpp"})", true, true}, Case{"read", R"({"file":"a.cpp"})", true, false},
                                                          Case{"write", R"({"path":"a.cpp"})", false, false}}) {
    ShadowBench bench;
    CAPTURE(tool, arguments);
    bench.upstream->expect(calls("read", R"({"path":"a.cpp"})"));
    bench.upstream->expect(calls(tool, arguments));
    bench.ask(with_tool);
    REQUIRE(bench.pairs.size() == 1);
    CHECK_FALSE(bench.pairs[0].same_action);
    CHECK(bench.pairs[0].same_tools == same_tools);
    CHECK(bench.pairs[0].shadow.calls_fit == fits);
    CHECK(bench.pairs[0].shadow.usable() == fits);
    CHECK(bench.pairs[0].live.usable());
  }
}

TEST_CASE("whatever the candidate does, the client's answer is byte for byte the same", "[shadow]") {
  std::string undisturbed;
  {
    Bench plain;
    plain.upstream->expect(good_stream());
    undisturbed = plain.ask(streamed).body;
  }
  const auto trouble = GENERATE(0, 1, 2, 3, 4, 5);
  CAPTURE(trouble);
  ShadowBench bench;
  Script bad = good_stream();
  if (trouble == 0) bad = refused(500, "oops");
  if (trouble == 1) bad.head_error = upstream_error(502, Retry::next_candidate, "connect_failed", "refused"), bad.fully_sent = false;
  if (trouble == 2) bad.chunks = {"<html>", "not an event\n\n"};
  if (trouble == 3) bad.chunks.pop_back(), bad.end = std::unexpected{upstream_error(502, Retry::next_candidate, "upstream_closed", "reset")};
  if (trouble == 4) bad.chunks.clear(), bad.hold_open = true;
  if (trouble == 5) bad.chunks.pop_back(), bad.hold_open = true;
  bench.upstream->expect(good_stream());
  bench.upstream->expect(bad);
  const auto sink = bench.ask(streamed);
  CHECK(sink.body == undisturbed);
  CHECK(sink.finished);
  if (trouble >= 4) {  // silence: the run's own time-out ends it
    CHECK(bench.pairs.empty());
    bench.clock.advance(std::chrono::seconds{301});
    bench.gateway->on_tick(bench.clock.monotonic());
    bench.run();
  }
  REQUIRE(bench.pairs.size() == 1);
  CHECK_FALSE(bench.pairs[0].shadow.usable());
  CHECK_FALSE(bench.pairs[0].shadow.error_code.empty());
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.backends->view(bench.snapshot->catalog).all_ok());
  CHECK(bench.spent_by(bench.key_id).nano() == exact_cost_nano);
}

TEST_CASE("failures of shadow runs eject no target, and an ejected target is left alone", "[shadow]") {
  ShadowBench bench;
  for (int i = 0; i < 12; ++i) {
    bench.upstream->expect(good_stream());
    bench.upstream->expect(refused(500, "oops"));
    bench.ask(streamed);
  }
  CHECK(bench.pairs.size() == 12);
  CHECK(bench.backends->view(bench.snapshot->catalog).all_ok());
  bench.eject("strong", "large");
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  CHECK(bench.upstream->sent.size() == 25);
  CHECK(bench.skipped(ShadowSkip::unhealthy) == 1);
}

TEST_CASE("a refusal for overload is no verdict on the candidate and quiets the runs for a while", "[shadow]") {
  ShadowBench bench;
  bench.upstream->expect(good_stream());
  bench.upstream->expect(refused(429, R"({"error":{"message":"slow down"}})"));
  bench.ask(streamed);
  CHECK(bench.pairs.empty());
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  CHECK(bench.upstream->sent.size() == 3);
  CHECK(bench.skipped(ShadowSkip::backing_off) == 2);
  bench.clock.advance(std::chrono::seconds{31});
  bench.upstream->expect(good_stream());
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  CHECK(bench.pairs.size() == 1);
}

TEST_CASE("the daily cap is asked before anything is sent, and a freeze stops the runs", "[shadow]") {
  // A run holds (1024 + 16 + 2 + growth) x 10 + 50 x 20 microcredits, some 0.0115.
  ShadowBench bench{"", "0.03"};
  for (int i = 0; i < 40; ++i) {
    bench.upstream->expect(good_stream());
    bench.upstream->expect(good_stream());
    bench.ask(streamed);
    CHECK(bench.spent_by("shadow:test") <= *parse_credits("0.03"));
  }
  CHECK(bench.skipped(ShadowSkip::budget) > 0);
  CHECK_FALSE(bench.pairs.empty());
  const auto before = bench.pairs.size();
  bench.fund("10", true);
  bench.ask(streamed);
  CHECK(bench.pairs.size() == before);
}

TEST_CASE("runs under way hold their bounds, so that together they stay below the cap", "[shadow]") {
  ShadowBench bench{"concurrency_max = 50\n", "0.03"};
  Script held = good_stream();
  held.chunks.pop_back();
  held.hold_open = true;
  for (int i = 0; i < 10; ++i) {
    bench.upstream->expect(good_stream());
    if (i < 2) bench.upstream->expect(held);  // a third bound does not fit
    bench.ask(streamed);
  }
  CHECK(bench.shadows.figures().under_way == 2);
  CHECK(bench.skipped(ShadowSkip::budget) == 8);
  for (const auto& budget : bench.ledger->budgets()) {
    if (budget.budget == "key:shadow:test") CHECK(budget.windows[0].settled + budget.windows[0].reserved <= *parse_credits("0.03"));
  }
  bench.gateway->end_all();
  bench.run();
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.spent_by("shadow:test") <= *parse_credits("0.03"));
}

TEST_CASE("runs beyond the places wait, and beyond the queue they are dropped and counted", "[shadow]") {
  ShadowBench bench{"concurrency_max = 1\n"};
  Script held = good_stream();
  held.chunks.clear();
  held.hold_open = true;
  bench.upstream->expect(good_stream());
  bench.upstream->expect(held);  // the first run takes the only place
  bench.ask(streamed);
  CHECK(bench.shadows.figures().under_way == 1);
  for (int i = 0; i < 70; ++i) {
    bench.upstream->expect(good_stream());
    bench.ask(streamed);
  }
  CHECK(bench.shadows.figures().waiting == 64);
  CHECK(bench.skipped(ShadowSkip::queue_full) == 6);
  CHECK(bench.upstream->sent.size() == 72);
  bench.gateway->end_all();
  bench.run();
  CHECK(bench.shadows.figures().waiting == 0);
  CHECK(bench.shadows.figures().under_way == 0);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("a step that the candidate may not, cannot or need not answer is skipped and counted", "[shadow]") {
  const std::string image =
      R"({"model":"auto","stream":true,"max_tokens":50,"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aaaa"}}]}]})";
  const std::string sees = std::string{cheap_provider}.replace(std::string{cheap_provider}.find("[\"tools\""), 8, "[\"vision\", \"tools\"");
  SECTION("capability") {
    Bench bench{sees, shadowing};
    bench.shadows.open(true);
    bench.upstream->expect(good_stream());
    const auto sink = bench.ask(image);
    CHECK(sink.finished);
    CHECK(bench.upstream->sent.size() == 1);
    CHECK(bench.pairs.empty());
  }
  SECTION("allow-list") {
    ShadowBench bench;
    account::KeyChange change;
    change.models_allowed = std::vector<std::string>{"cheap/*"};
    REQUIRE(bench.ledger->change_key(bench.key_id, change, "test"));
    bench.upstream->expect(good_stream());
    bench.ask(streamed);
    CHECK(bench.skipped(ShadowSkip::not_allowed) == 1);
    CHECK(bench.upstream->sent.size() == 1);
  }
  SECTION("a failed answer") {
    ShadowBench bench;
    bench.upstream->expect(refused(400, R"({"error":{"message":"no"}})"));
    bench.ask(streamed);
    CHECK(bench.skipped(ShadowSkip::live_failed) == 1);
    CHECK(bench.upstream->sent.size() == 1);
  }
  SECTION("served by the candidate") {
    ShadowBench bench;
    bench.upstream->expect(good_stream());
    bench.ask(std::string{streamed}.replace(streamed.find("auto"), 4, "strong/large"));
    CHECK(bench.skipped(ShadowSkip::served_by_it) == 1);
    CHECK(bench.upstream->sent.size() == 1);
  }
  SECTION("no budget was set") {
    ShadowBench bench;
    bench.shadows.open(false);
    bench.upstream->expect(good_stream());
    bench.ask(streamed);
    CHECK(bench.upstream->sent.size() == 1);
  }
}

TEST_CASE("with self_sample the serving model is asked again, and such pairs weigh for those not drawn", "[shadow]") {
  ShadowBench bench{"self_sample = 1\n"};
  bench.upstream->expect(good_stream());
  bench.upstream->expect(good_stream());
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  REQUIRE(bench.pairs.size() == 2);
  CHECK(bench.pairs[0].kind == ShadowKind::candidate);
  CHECK(bench.pairs[1].kind == ShadowKind::self);
  CHECK(bench.pairs[1].shadow.target == "cheap/small");
  CHECK(bench.pairs[1].same_action);
  CHECK(bench.spent_by(bench.key_id).nano() == exact_cost_nano);
}

TEST_CASE("the serving model is not asked again where the candidate cannot be asked", "[shadow]") {
  ShadowBench bench{"self_sample = 1\n"};
  account::KeyChange change;
  change.models_allowed = std::vector<std::string>{"cheap/*"};
  REQUIRE(bench.ledger->change_key(bench.key_id, change, "test"));
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  CHECK(bench.upstream->sent.size() == 1);
  CHECK(bench.pairs.empty());
  CHECK(bench.skipped(ShadowSkip::not_allowed) == 1);
}

TEST_CASE("the share of sampled steps is what the policy says", "[shadow]") {
  Bench bench{cheap_provider, std::string{policy_text} + "[shadow]\ncandidate = \"strong/large\"\nsample = 0.25\ncredits_per_day = 100\n"};
  bench.shadows.open(true);
  constexpr int steps = 400;
  double sum = 0;
  for (int i = 0; i < steps; ++i) {
    bench.upstream->expect(good_stream());  // for the client; a shadow run finds nobody
    bench.ask(streamed);
  }
  for (const auto& pair : bench.pairs) sum += pair.weight;
  // Each sampled step stands for its weight of steps: together for about all that were asked.
  CHECK(bench.pairs.size() > 40);
  CHECK(sum > 0.5 * steps);
  CHECK(sum < 1.6 * steps);
}

TEST_CASE("a judge sees both proposals unnamed, and is paid from the same account", "[shadow]") {
  ShadowBench bench{"judge = \"cheap/small\"\n"};
  bench.upstream->expect(calls("read", R"({"path":"a.cpp"})"));
  bench.upstream->expect(calls("read", R"({"path":"b.cpp"})"));
  Script opinion;
  opinion.head.content_type = "application/json";
  opinion.chunks = {
      R"({"id":"c1","object":"chat.completion","created":1,"model":"small","choices":[{"index":0,"message":{"role":"assistant","content":"Both read.\nEQUAL"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}})"};
  bench.upstream->expect(opinion);
  bench.ask(with_tool);
  REQUIRE(bench.upstream->sent.size() == 3);
  const std::string& asked = bench.upstream->sent[2]->body;
  CHECK(asked.find("a.cpp") != std::string::npos);
  CHECK(asked.find("b.cpp") != std::string::npos);
  CHECK(asked.find("strong") == std::string::npos);
  CHECK(asked.find("large") == std::string::npos);
  REQUIRE(bench.pairs.size() == 1);
  REQUIRE(bench.pairs[0].judgement);
  CHECK(bench.pairs[0].judgement->verdict == JudgeVerdict::equal);
  CHECK(bench.spent_by("shadow:test").nano() == 11 * exact_cost_nano);
}

TEST_CASE("a judge that is ejected or refuses for overload judges nothing, and the latter quiets the runs", "[shadow]") {
  ShadowBench bench{"judge = \"cheap/small\"\n"};
  const auto ask_differing = [&] {
    bench.upstream->expect(calls("read", R"({"path":"a.cpp"})"));
    bench.upstream->expect(calls("read", R"({"path":"b.cpp"})"));
  };
  SECTION("ejected") {
    ask_differing();
    RecordingSink sink;
    bench.start(with_tool, sink);
    while (bench.upstream->sent.size() < 2 && bench.loop.poll_one() > 0) {
    }
    bench.eject("cheap", "small");  // after the client's answer, before the judge's turn
    bench.run();
    CHECK(bench.upstream->sent.size() == 2);
    CHECK(bench.skipped(ShadowSkip::unhealthy) == 1);
    REQUIRE(bench.pairs.size() == 1);
    CHECK_FALSE(bench.pairs[0].judgement);
  }
  SECTION("refused for overload") {
    ask_differing();
    bench.upstream->expect(refused(503, R"({"error":{"message":"busy"}})"));
    bench.ask(with_tool);
    REQUIRE(bench.pairs.size() == 1);
    CHECK_FALSE(bench.pairs[0].judgement);
    CHECK(bench.skipped(ShadowSkip::backing_off) == 1);
    bench.upstream->expect(good_stream());
    bench.ask(streamed);
    CHECK(bench.upstream->sent.size() == 4);
    CHECK(bench.skipped(ShadowSkip::backing_off) == 2);
  }
}

TEST_CASE("steps that wait already are not asked after a refusal for overload", "[shadow]") {
  ShadowBench bench{"concurrency_max = 1\n"};
  Script held = good_stream();
  held.chunks.clear();
  held.hold_open = true;
  bench.upstream->expect(good_stream());
  bench.upstream->expect(held);
  bench.ask(streamed);
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  REQUIRE(bench.shadows.figures().waiting == 1);
  bench.clock.advance(std::chrono::seconds{301});
  bench.shadows.back_off(bench.clock.monotonic() + std::chrono::seconds{30});
  bench.gateway->on_tick(bench.clock.monotonic());  // the first run's time-out gives its place back
  bench.run();
  CHECK(bench.shadows.figures().waiting == 0);
  CHECK(bench.shadows.figures().under_way == 0);
  CHECK(bench.upstream->sent.size() == 3);
  CHECK(bench.skipped(ShadowSkip::backing_off) == 1);
}

TEST_CASE("a run that has not been sent when the end comes is not sent any more", "[shadow]") {
  ShadowBench bench;
  std::optional<asio::awaitable<void>> begun;
  bench.gateway->start_shadows_with([&](asio::awaitable<void> task) { begun = std::move(task); });
  bench.upstream->expect(good_stream());
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  REQUIRE(begun);
  REQUIRE(bench.shadows.figures().under_way == 1);
  REQUIRE(bench.upstream->sent.size() == 1);
  bench.gateway->end_all();
  asio::co_spawn(bench.loop, std::move(*begun), asio::detached);
  bench.run();
  CHECK(bench.upstream->sent.size() == 1);
  CHECK(bench.shadows.figures().under_way == 0);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.spent_by("shadow:test").nano() == 0);
  CHECK(bench.pairs.empty());
}

TEST_CASE("a judge's verdict is read from its last clear line, whichever answer stood first", "[shadow]") {
  CHECK(verdict_of("FIRST", true) == JudgeVerdict::live_better);
  CHECK(verdict_of("FIRST", false) == JudgeVerdict::shadow_better);
  CHECK(verdict_of("I think\n**Second.**\n", true) == JudgeVerdict::shadow_better);
  CHECK(verdict_of("FIRST\nEQUAL", true) == JudgeVerdict::equal);
  CHECK(verdict_of("first or second", true) == JudgeVerdict::unclear);
  CHECK(verdict_of("", true) == JudgeVerdict::unclear);
}

TEST_CASE("extracts are kept only where the policy opts in", "[shadow]") {
  const bool opted = GENERATE(false, true);
  ShadowBench bench{opted ? "keep_texts = true\n" : ""};
  bench.upstream->expect(good_stream());
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  REQUIRE(bench.pairs.size() == 1);
  CHECK(bench.pairs[0].texts.has_value() == opted);
  if (opted) CHECK(bench.pairs[0].texts->shadow == "Hello");
}

TEST_CASE("pairs of a frontier model and a cheaper candidate teach the classifier, others do not", "[shadow]") {
  const bool frontier_serves = GENERATE(true, false);
  std::string routes{policy_text};
  if (frontier_serves) routes.replace(routes.find("\"tier:bulk\""), 11, "\"tier:frontier\"");
  Bench bench{cheap_provider, routes + "[shadow]\ncandidate = \"" + (frontier_serves ? "cheap/small" : "strong/large") + "\"\nsample = 1\ncredits_per_day = 1\n[classifier]\nlearn = \"policy\"\n"};
  bench.shadows.open(true);
  const auto before = bench.learning.outcomes(OutcomeSource::shadow_pair);
  bench.upstream->expect(calls("read", R"({"path":"a.cpp"})"));
  bench.upstream->expect(calls("read", R"({"file":"a.cpp"})"));
  bench.ask(with_tool);
  REQUIRE(bench.pairs.size() == 1);
  CHECK(bench.learning.outcomes(OutcomeSource::shadow_pair) == before + (frontier_serves ? 1 : 0));
}
