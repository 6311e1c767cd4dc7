// The frontier share is told what ran, when it has run.

#include "gateway/share_step.hpp"

#include "bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;
using policy::ShareOf;

namespace {

/// A bench whose policy holds a share of this, over all keys.
struct ShareBench : Bench {
  explicit ShareBench(ShareOf of = ShareOf::steps) {
    auto fresh = std::make_shared<Snapshot>(*snapshot);
    policy::FrontierShare settings;
    settings.of = of;
    settings.per = policy::SharePer::all;
    fresh->share = std::make_shared<policy::ShareController>(settings);
    share = fresh->share;
    gateway->use(fresh);
  }
  [[nodiscard]] policy::ShareController::Report report() const { return share->report("all", clock.now()); }

  std::shared_ptr<policy::ShareController> share;
};

std::string asking(const std::string& model, bool stream = true) {
  return R"({"model":")" + model + R"(","stream":)" + (stream ? "true" : "false") +
         R"(,"max_tokens":50,"messages":[{"role":"user","content":"hi"}]})";
}

}  // namespace

TEST_CASE("a step counts for the tier that served it", "[gateway][share]") {
  ShareBench bench;
  bench.upstream->expect(good_stream());
  bench.ask(asking("auto"));
  CHECK(bench.report().steps == 1);
  CHECK(bench.report().frontier_steps == 0);
  bench.upstream->expect(good_stream());
  bench.ask(asking("strong/large"));
  CHECK(bench.report().steps == 2);
  CHECK(bench.report().frontier_steps == 1);
  CHECK(bench.report().open == 0);
}

TEST_CASE("a fallback across the frontier counts where it arrived", "[gateway][share]") {
  ShareBench bench;
  bench.upstream->expect(refused(503, R"({"error":{"message":"overloaded"}})"));
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(asking("auto"));
  REQUIRE(sink.header("x-turnpike-model") == "strong/large");
  CHECK(bench.report().steps == 1);
  CHECK(bench.report().frontier_steps == 1);
  CHECK(bench.report().debt == Approx(0.7));
}

TEST_CASE("what reached no provider does not count", "[gateway][share]") {
  ShareBench bench;
  SECTION("the ledger refused") {
    bench.budget("0.000001");
    CHECK(bench.ask(asking("strong/large")).head.status == 402);
  }
  SECTION("every provider refused") {
    bench.upstream->expect(refused(400, R"({"error":{"message":"no","type":"invalid_request_error"}})"));
    CHECK(bench.ask(asking("strong/large")).head.status == 400);
  }
  SECTION("nobody was there") {
    Script unreachable;
    unreachable.head_error = upstream_error(502, Retry::next_candidate, "connect_failed", "refused");
    unreachable.fully_sent = false;
    for (int attempt = 0; attempt < 3; ++attempt) bench.upstream->expect(unreachable);
    RecordingSink sink;
    bench.start(asking("strong/large"), sink);
    bench.run_until([&] { return sink.replied; });  // with pauses between the attempts
    CHECK(sink.head.status == 502);
  }
  CHECK(bench.report().steps == 0);
  CHECK(bench.report().open == 0);
  CHECK(bench.report().debt == Approx(0).margin(1e-9));
}

TEST_CASE("a stream under way counts as decided, and as it ran when its client leaves", "[gateway][share]") {
  ShareBench bench;
  Script script;
  script.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
  script.hold_open = true;
  bench.upstream->expect(script);
  RecordingSink sink;
  bench.start(asking("strong/large"), sink);
  bench.run();
  REQUIRE(sink.began);
  CHECK(bench.report().open == 1);
  CHECK(bench.report().steps == 0);
  CHECK(bench.report().debt == Approx(0.7));
  sink.leave();
  bench.run();
  CHECK(bench.report().open == 0);
  CHECK(bench.report().frontier_steps == 1);
}

TEST_CASE("tokens and spend weigh what was used", "[gateway][share]") {
  SECTION("tokens") {
    ShareBench bench{ShareOf::tokens};
    bench.upstream->expect(good_stream());
    bench.ask(asking("auto"));
    CHECK(bench.report().weight == 110);
  }
  SECTION("spend") {
    ShareBench bench{ShareOf::spend};
    bench.upstream->expect(good_stream());
    bench.ask(asking("auto"));
    CHECK(bench.report().weight == exact_cost_nano);
    bench.upstream->expect(good_stream());
    bench.ask(asking("strong/large"));
    CHECK(bench.report().share == Approx(10.0 / 11));
  }
}

TEST_CASE("counting tokens is no step of the share", "[gateway][share]") {
  ShareBench bench;
  const auto sink = bench.ask(R"({"model":"auto","messages":[{"role":"user","content":"hi"}]})", "/v1/messages/count_tokens");
  REQUIRE(sink.head.status == 200);
  CHECK(bench.report().steps == 0);
  CHECK(bench.report().open == 0);
}
