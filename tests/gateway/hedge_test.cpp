// A second attempt beside a slow first: who is heard, what is paid, how often.
#include "gateway/hedging.hpp"

#include <thread>

#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;
using namespace std::chrono_literals;

namespace {

/// Begins when it is told to.
Script late_stream() {
  Script script = good_stream();
  script.waits = true;
  return script;
}

/// A gateway that hedges, and has seen enough requests to know when.
struct HedgeBench : Bench {
  // By the test's clock; as real time it is what a race begins after, and far more than an answer from the script takes.
  static constexpr auto usual_wait = 200ms;

  explicit HedgeBench(const std::string& cheap = cheap_provider, const std::string& routes = policy_text) : Bench{cheap, routes} {
    GatewayLimits limits;
    limits.hedge = true;
    gateway.emplace(Shared{*ledger, *opaque, conversations, *backends, tokens, clock, randomness, learned}, *upstream, metrics.add_shard(), snapshot, limits);
    for (int i = 0; i < 60; ++i) {
      upstream->expect(late_stream());
      RecordingSink sink;
      start(streamed, sink);
      run();
      clock.advance(usual_wait);
      upstream->sent.back()->proceed();
      run();
      REQUIRE(sink.body.ends_with(done));
      answer = sink.body;
    }
    settled = figures().settled.nano();
    sent = upstream->sent.size();
  }
  [[nodiscard]] std::int64_t spent() const { return figures().settled.nano() - settled; }
  [[nodiscard]] int hedges() const {
    int counted = 0;
    const std::string text = page();
    for (const auto* outcome : {"won", "lost", "failed"}) {
      const std::string series = "turnpike_hedges_total{outcome=\"" + std::string{outcome} + "\"} ";
      const auto at = text.find(series);
      REQUIRE(at != std::string::npos);  // announced before the first race
      counted += std::stoi(text.substr(at + series.size()));
    }
    return counted;
  }
  [[nodiscard]] std::string page() const { return metrics::text_page(metrics); }
  /// Until both attempts have been sent.
  void race() {
    run_until([&] { return upstream->sent.size() == sent + 2; });
  }
  void race_in_silence(RecordingSink& sink) {
    for (int i = 0; i < 2; ++i) {
      Script script;
      script.hold_open = true;
      upstream->expect(script);
    }
    start(streamed, sink);
    race();
  }
  /// Until the client has its answer and both attempts are settled.
  void finish(const RecordingSink& sink) {
    run_until([&] { return sink.finished && figures().attempts_open == 0; });
    run();
  }
  std::string answer;  // of one attempt
  std::int64_t settled = 0;
  std::size_t sent = 0;
};

Script silent() {
  Script script;
  script.hold_open = true;
  return script;
}

}  // namespace

TEST_CASE("a first attempt is waited for as long as 95 of 100 took", "[hedge]") {
  Hedging hedging;
  for (int i = 0; i < 19; ++i) hedging.learn("a/b", 100ms);
  CHECK_FALSE(hedging.patience("a/b"));  // too few to tell
  hedging.learn("a/b", 100ms);
  CHECK(hedging.patience("a/b") == 100ms);
  CHECK_FALSE(hedging.patience("c/d"));
  for (int i = 1; i <= 200; ++i) hedging.learn("a/b", std::chrono::milliseconds{i});
  CHECK(hedging.patience("a/b") == 191ms);
}

TEST_CASE("one request in fifty may have a second attempt", "[hedge]") {
  Hedging hedging;
  int allowed = 0;
  for (int i = 0; i < 1000; ++i) {
    hedging.count_request();
    if (hedging.allowed()) {
      hedging.count_hedge();
      ++allowed;
    }
    CHECK(allowed * 50 <= i + 1);
  }
  CHECK(allowed == 20);
}

TEST_CASE("a slow first attempt is overtaken, called off and settled as what it was", "[hedge]") {
  HedgeBench bench;
  bench.upstream->expect(silent());
  bench.upstream->expect(good_stream());
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.finish(sink);
  CHECK(sink.body.ends_with(done));
  CHECK(sink.header("x-turnpike-model") == "strong/large");
  REQUIRE(bench.upstream->sent.size() == bench.sent + 2);
  CHECK(bench.upstream->sent[bench.sent]->cancelled);
  CHECK(bench.spent() > 10 * exact_cost_nano);  // the winner's bill, and the estimate of the other's prompt
  CHECK(bench.figures().reserved.nano() == 0);
  CHECK(bench.hedges() == 1);
  CHECK(bench.page().find("turnpike_hedges_total{outcome=\"won\"} 1") != std::string::npos);
  CHECK(bench.page().find("turnpike_hedge_spend_credits_total{provider=\"cheap\",model=\"small\"}") != std::string::npos);
  CHECK(bench.page().find("cause=\"hedge_lost\"") != std::string::npos);
  CHECK(bench.backends->view(bench.snapshot->catalog).all_ok());
}

TEST_CASE("a first attempt that begins after all is heard alone", "[hedge]") {
  HedgeBench bench;
  Script second = silent();
  bench.upstream->expect(late_stream());
  bench.upstream->expect(second);
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.race();
  bench.upstream->sent[bench.sent]->proceed();
  bench.finish(sink);
  CHECK(sink.body.ends_with(done));
  CHECK(sink.header("x-turnpike-model") == "cheap/small");
  CHECK(bench.upstream->sent[bench.sent + 1]->cancelled);
  CHECK(bench.page().find("turnpike_hedges_total{outcome=\"lost\"} 1") != std::string::npos);
  CHECK(bench.page().find("turnpike_hedge_spend_credits_total{provider=\"strong\",model=\"large\"}") != std::string::npos);
}

TEST_CASE("a client that leaves during a race calls both attempts off", "[hedge]") {
  HedgeBench bench;
  RecordingSink sink;
  bench.race_in_silence(sink);
  sink.leave();
  bench.run();
  CHECK(bench.upstream->sent[bench.sent]->cancelled);
  CHECK(bench.upstream->sent[bench.sent + 1]->cancelled);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().reserved.nano() == 0);
}

TEST_CASE("bytes of the slower attempt never reach the client", "[hedge]") {
  HedgeBench bench;
  const std::size_t faster = GENERATE(0U, 1U);
  bench.upstream->expect(late_stream());
  bench.upstream->expect(late_stream());
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.race();
  // Both have bytes at the same turn of the loop: those of the slower one come when it has lost, before it is cut.
  bench.upstream->sent[bench.sent + faster]->proceed();
  bench.upstream->sent[bench.sent + 1 - faster]->proceed();
  bench.finish(sink);
  CHECK(sink.body.size() == bench.answer.size());
  CHECK(sink.body.ends_with(done));
  CHECK(sink.header("x-turnpike-model") == (faster == 0 ? "cheap/small" : "strong/large"));
  CHECK(bench.upstream->sent[bench.sent + 1 - faster]->cancelled);
  CHECK(bench.figures().reserved.nano() == 0);
}

TEST_CASE("both attempts of a race carry the whole request", "[hedge]") {
  HedgeBench bench;
  RecordingSink sink;
  bench.race_in_silence(sink);
  const auto& sent = bench.upstream->sent;
  CHECK(sent[bench.sent]->provider == "cheap");
  CHECK(sent[bench.sent + 1]->provider == "strong");
  CHECK(sent[bench.sent]->body.find("\"messages\"") != std::string::npos);
  CHECK(sent[bench.sent + 1]->body.size() == sent[bench.sent]->body.size());
  sink.leave();
  bench.run();
}

TEST_CASE("the end of the process ends both attempts of a race", "[hedge]") {
  HedgeBench bench;
  RecordingSink sink;
  bench.race_in_silence(sink);
  bench.gateway->end_all();
  bench.run();
  CHECK(bench.upstream->sent[bench.sent]->cancelled);
  CHECK(bench.upstream->sent[bench.sent + 1]->cancelled);
  CHECK(sink.replied);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().reserved.nano() == 0);
}

/// A dear model whose answers may be long enough to be cut; it stands by for the small one.
const std::string long_winded = std::string{cheap_provider} + R"([[model]]
id = "long"
family = "long"
context_tokens = 100000
output_tokens_max = 4000
capabilities = ["tools"]
as_of = 2026-11-22
source = "test"
price = [{ from = 2026-01-01, input_per_mtok = "10", output_per_mtok = "20" }]
)";

TEST_CASE("a second attempt that the budget holds only in part is not sent", "[hedge]") {
  std::string routes = policy_text;
  for (auto at = routes.find("strong/large"); at != std::string::npos; at = routes.find("strong/large")) routes.replace(at, 12, "cheap/long");
  HedgeBench bench{long_winded, routes};
  const bool room = GENERATE(false, true);
  // The first holds 0.003; the second 0.09, or from 0.031 on with a cap on its output.
  bench.budget(room ? "1" : "0.06");
  const std::string open_ended = R"({"model":"auto","stream":true,"messages":[{"role":"user","content":"hi"}]})";
  bench.upstream->expect(late_stream());
  bench.upstream->expect(late_stream());
  RecordingSink sink;
  bench.start(open_ended, sink);
  bench.run();  // the wait for the first begins
  std::this_thread::sleep_for(2 * HedgeBench::usual_wait);
  bench.run();
  REQUIRE(bench.upstream->sent.size() == bench.sent + (room ? 2 : 1));
  bench.upstream->sent[bench.sent]->proceed();
  bench.finish(sink);
  CHECK(sink.body.size() == bench.answer.size());
  CHECK(bench.figures().reserved.nano() == 0);
  CHECK(bench.hedges() == (room ? 1 : 0));
}

TEST_CASE("a fault of the program in one attempt leaves the other one standing", "[hedge]") {
  HedgeBench bench;
  Script thrown;
  thrown.throws = true;
  bench.upstream->expect(late_stream());
  bench.upstream->expect(thrown);
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.race();
  bench.run();
  CHECK_FALSE(sink.replied);
  bench.upstream->sent[bench.sent]->proceed();
  bench.finish(sink);
  CHECK(sink.body.size() == bench.answer.size());
  CHECK(bench.figures().reserved.nano() == 0);
}

TEST_CASE("the second attempt takes the place of a first that fails meanwhile", "[hedge]") {
  HedgeBench bench;
  Script broken = silent();
  broken.waits = true;
  broken.hold_open = false;
  broken.head_error = upstream_error(502, Retry::next_candidate, "upstream_closed", "reset");
  bench.upstream->expect(broken);
  bench.upstream->expect(late_stream());
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.race();
  bench.upstream->sent[bench.sent]->proceed();
  bench.run();
  CHECK_FALSE(sink.replied);
  bench.upstream->sent[bench.sent + 1]->proceed();
  bench.run_until([&] { return sink.finished; });
  CHECK(sink.body.ends_with(done));
  CHECK(bench.upstream->sent.size() == bench.sent + 2);
}

TEST_CASE("no second attempt for whole answers, nor where the first begins in time", "[hedge]") {
  HedgeBench bench;
  Script script;
  script.head.content_type = "application/json";
  script.chunks = {whole_answer};
  bench.upstream->expect(script);
  CHECK(bench.ask(whole).head.status == 200);
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).body.ends_with(done));
  CHECK(bench.upstream->sent.size() == bench.sent + 2);
  CHECK(bench.hedges() == 0);
}
