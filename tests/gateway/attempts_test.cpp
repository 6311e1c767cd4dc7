// Which backend a request goes to after a failure, and what the client sees of it.
#include <set>

#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;
using namespace std::chrono_literals;

namespace {

std::string with_keys(const std::string& keys) {
  std::string text = cheap_provider;
  const std::string url = "base_url = \"http://127.0.0.1:1\"\n";
  return text.insert(text.find(url) + url.size(), "keys = [" + keys + "]\n");
}
const std::string three_keys = with_keys(R"({ id = "a", env = "A" }, { id = "b", env = "B" }, { id = "c", env = "C" })");

/// A policy without a fallback: the bulk target is all there is.
std::string alone() {
  std::string text = policy_text;
  const std::string fallback = "fallback = [\"strong/large\"]\n";
  return text.erase(text.find(fallback), fallback.size());
}

std::string pinned(const std::string& model) {
  return R"({"model":")" + model + R"(","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"hi"}]})";
}

Script limited(int retry_after_s) {
  Script script = refused(429, R"({"error":{"message":"slow down","type":"rate_limit_error"}})");
  script.head.headers.emplace_back("retry-after", std::to_string(retry_after_s));
  return script;
}

Script died_on_kept_connection() {
  Script script;
  script.head_error = upstream_error(502, Retry::next_candidate, "kept_connection_closed", "closed");
  return script;
}

std::set<std::string> keys_asked(const Bench& bench) {
  std::set<std::string> keys;
  for (const auto& sent : bench.upstream->sent) keys.insert(sent->key);
  return keys;
}

}  // namespace

TEST_CASE("U15: a 401 from keys of a pool is not seen by the client, and those keys are not asked again", "[attempts][U15]") {
  Bench bench{three_keys};
  bench.upstream->expect(refused(401, R"({"error":{"message":"bad key"}})"));
  bench.upstream->expect(refused(401, R"({"error":{"message":"bad key"}})"));
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(streamed);
  CHECK(sink.body.ends_with(done));
  CHECK(sink.header("x-turnpike-model") == "cheap/small");
  REQUIRE(bench.upstream->sent.size() == 3);
  CHECK(keys_asked(bench).size() == 3);
  const std::string good = bench.upstream->sent[2]->key;
  for (int i = 0; i < 10; ++i) {
    bench.upstream->expect(good_stream());
    CHECK(bench.ask(streamed).body.ends_with(done));
    CHECK(bench.upstream->sent.back()->key == good);
  }
  CHECK(bench.figures().settled.nano() == 11 * exact_cost_nano);
}

TEST_CASE("U15: with its last key refused, a provider answers 502 upstream_auth at once, and never 401", "[attempts][U15]") {
  Bench bench{cheap_provider, alone()};
  bench.upstream->expect(refused(401, R"({"error":{"message":"bad key sk-secret"}})"));
  for (int i = 0; i < 3; ++i) {
    const auto sink = bench.ask(streamed);
    CHECK(sink.head.status == 502);
    CHECK(sink.body.find("upstream_auth") != std::string::npos);
    CHECK(sink.body.find("sk-secret") == std::string::npos);
    CHECK(sink.header("x-should-retry") != "true");
  }
  CHECK(bench.upstream->sent.size() == 1);
  const auto& provider = *bench.snapshot->catalog.provider("cheap");
  bench.backends->enable(provider, 0);
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).body.ends_with(done));
}

TEST_CASE("U14: a spend limit takes the key out of service without a retry, and the next target serves", "[attempts][U14]") {
  Bench bench;
  bench.upstream->expect(refused(429, R"({"error":{"message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}})"));
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).header("x-turnpike-model") == "strong/large");
  CHECK(bench.upstream->sent.size() == 2);
  const auto keys = bench.backends->keys(bench.snapshot->catalog);
  REQUIRE(keys.size() == 2);
  REQUIRE(keys[0].out_of_service);
  CHECK(keys[0].out_of_service->fault == KeyFault::out_of_credit);
  REQUIRE(keys[0].out_of_service->until);
  CHECK(to_rfc3339(*keys[0].out_of_service->until) == "2026-12-01T00:00:00Z");
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).header("x-turnpike-model") == "strong/large");
  CHECK(bench.upstream->sent.size() == 3);
  bench.clock.advance(24h * 9);  // December
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).header("x-turnpike-model") == "cheap/small");
}

TEST_CASE("U13: a 429 goes to another key, and a rested key is left alone for as long as it said", "[attempts][U13]") {
  Bench bench{three_keys, alone()};
  bench.upstream->expect(limited(2));
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).body.ends_with(done));
  REQUIRE(bench.upstream->sent.size() == 2);
  const std::string rested = bench.upstream->sent[0]->key;
  CHECK(bench.upstream->sent[1]->key != rested);
  for (int i = 0; i < 10; ++i) {
    bench.upstream->expect(good_stream());
    CHECK(bench.ask(streamed).body.ends_with(done));
    CHECK(bench.upstream->sent.back()->key != rested);
  }
}

TEST_CASE("U13: when all keys rest, the client is told how long, and nothing is sent", "[attempts][U13]") {
  Bench bench{cheap_provider, alone()};
  bench.upstream->expect(limited(7));
  CHECK(bench.ask(streamed).head.status == 429);
  bench.clock.advance(3s);
  const auto sink = bench.ask(streamed);
  CHECK(sink.head.status == 429);
  CHECK(sink.header("retry-after") == "4");
  CHECK(sink.header("x-should-retry") == "true");
  CHECK(bench.upstream->sent.size() == 1);
  bench.clock.advance(4s);
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).body.ends_with(done));
}

TEST_CASE("U16: with all backends at 529 the breaker opens, errors come at once, and each ejection has one probe at most", "[attempts][U16]") {
  Bench bench;
  const auto overloaded = [&](int count) {
    for (int i = 0; i < count; ++i) bench.upstream->expect(refused(529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"));
  };
  const auto ejected = [&] {
    const HealthView view = bench.backends->view(bench.snapshot->catalog);
    return view.of("cheap/small") != Health::ok && view.of("strong/large") != Health::ok;
  };
  // The third attempt of a request is a retry of its last target and waits for a moment: it is asked for with patience.
  for (int asked = 0; asked < 40 && !ejected(); ++asked) {
    overloaded(3);
    RecordingSink sink;
    bench.start(streamed, sink);
    bench.run_until([&] { return sink.replied; });
    REQUIRE(sink.head.status == 503);
  }
  REQUIRE(ejected());
  const auto probes_and_ejections = [&] {
    std::uint32_t probes = 0, ejections = 0;
    for (const auto& key : bench.backends->keys(bench.snapshot->catalog)) {
      for (const auto& model : key.models) probes += model.probes, ejections += model.ejections;
    }
    return std::pair{probes, ejections};
  };
  const std::size_t sent_before = bench.upstream->sent.size();
  for (int i = 0; i < 600; ++i) {
    overloaded(3);
    const auto sink = bench.ask(streamed);  // one poll, the clock stands still: nobody has waited for anything
    REQUIRE(sink.replied);
    REQUIRE(sink.head.status == 503);
    CHECK(sink.header("x-turnpike-decision").size() == 26);
    const auto [probes, ejections] = probes_and_ejections();
    REQUIRE(probes <= ejections);
    bench.clock.advance(100ms);
  }
  // A minute of outage at ten requests a second: a few probes for each target.
  CHECK(bench.upstream->sent.size() - sent_before <= 16);
  bench.upstream->clear();
  bench.clock.advance(31s);
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).body.ends_with(done));  // the first one after the outage
}

TEST_CASE("while somebody probes, others go elsewhere or are told to come back", "[attempts][U16]") {
  Bench bench{cheap_provider, alone()};
  bench.eject("cheap", "small");
  bench.clock.advance(34s);
  Script slow = good_stream();
  slow.hold_open = true;
  slow.chunks.clear();
  bench.upstream->expect(slow);
  RecordingSink probe, other;
  bench.start(streamed, probe);
  bench.run();
  REQUIRE(bench.upstream->sent.size() == 1);
  bench.start(streamed, other);
  bench.run();
  CHECK_FALSE(other.replied);  // waits for what the probe tells
  bench.clock.advance(100ms);
  bench.run_until([&] { return other.replied; });
  CHECK(other.head.status == 503);
  CHECK(other.body.find("upstream_unavailable") != std::string::npos);
  CHECK(other.header("x-should-retry") == "true");
  CHECK_FALSE(other.header("retry-after").empty());
  CHECK(bench.upstream->sent.size() == 1);
  probe.leave();
  bench.run();
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("a request that finds its key full waits for a place, for half a second at most", "[attempts]") {
  Bench bench{with_keys(R"({ id = "a", env = "A", in_flight_max = 1 })"), alone()};
  Script slow;
  slow.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
  slow.hold_open = true;
  bench.upstream->expect(slow);
  RecordingSink first, second;
  bench.start(streamed, first);
  bench.run();
  bench.start(streamed, second);
  bench.run();
  REQUIRE(bench.upstream->sent.size() == 1);
  SECTION("and has it") {
    bench.upstream->expect(good_stream());
    first.leave();
    bench.run_until([&] { return second.finished; });
    CHECK(second.body.ends_with(done));
  }
  SECTION("or is turned away") {
    bench.clock.advance(501ms);
    bench.run_until([&] { return second.replied; });
    CHECK(second.head.status == 503);
    CHECK(second.body.find("upstream_busy") != std::string::npos);
    CHECK(second.header("retry-after") == "1");
    CHECK(bench.upstream->sent.size() == 1);
    first.leave();
    bench.run();
  }
  SECTION("or leaves") {
    second.leave();
    bench.run_until([&] { return bench.figures().attempts_open == 1 && second.left; });
    first.leave();
    bench.run();
    CHECK(bench.upstream->sent.size() == 1);
  }
}

TEST_CASE("a full key gives way to the fallback at once", "[attempts]") {
  Bench bench{with_keys(R"({ id = "a", env = "A", in_flight_max = 1 })")};
  Script slow;
  slow.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
  slow.hold_open = true;
  bench.upstream->expect(slow);
  RecordingSink first;
  bench.start(streamed, first);
  bench.run();
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).header("x-turnpike-model") == "strong/large");
  first.leave();
  bench.run();
}

TEST_CASE("U19: a kept connection that dies as a request is sent: asked again at once, on a new one, paid once", "[attempts][U19]") {
  Bench bench{cheap_provider, alone()};
  constexpr int requests = 1000;
  for (int i = 0; i < requests; ++i) {
    bench.upstream->expect(died_on_kept_connection());
    bench.upstream->expect(good_stream());
    const auto sink = bench.ask(streamed);
    REQUIRE(sink.body.ends_with(done));
    REQUIRE_FALSE(bench.upstream->sent[bench.upstream->sent.size() - 2]->fresh);
    REQUIRE(bench.upstream->sent.back()->fresh);
  }
  CHECK(bench.upstream->sent.size() == 2 * requests);
  CHECK(bench.figures().settled.nano() == requests * exact_cost_nano);
  CHECK(bench.figures().estimated == 0);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.backends->view(bench.snapshot->catalog).all_ok());
}

TEST_CASE("U19: a connection that dies twice goes to the next target, not on and on", "[attempts][U19]") {
  Bench bench;
  bench.upstream->expect(died_on_kept_connection());
  bench.upstream->expect(died_on_kept_connection());
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).header("x-turnpike-model") == "strong/large");
  CHECK(bench.upstream->sent.size() == 3);
}

TEST_CASE("a target that fails in passing is asked again only if nobody else can be", "[attempts]") {
  Bench bench{cheap_provider, alone()};
  const bool answered = GENERATE(true, false);
  Script reset;
  reset.head_error = upstream_error(502, Retry::next_candidate, "upstream_closed", "reset");
  reset.fully_sent = false;
  bench.upstream->expect(answered ? refused(500, "oops") : reset);
  bench.upstream->expect(good_stream());
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run_until([&] { return sink.finished; });
  CHECK(sink.body.ends_with(done));
  CHECK(bench.upstream->sent.size() == 2);
}

TEST_CASE("U20: after content nothing is asked again and nothing is said twice", "[attempts][U20]") {
  Bench bench{three_keys};
  for (int run = 0; run < 1000; ++run) {
    Script broken;
    broken.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
    const int way = run % 4;
    if (way == 1) broken.end = std::unexpected{upstream_error(502, Retry::next_candidate, "upstream_closed", "reset")};
    if (way == 2) broken.chunks.push_back(R"(data: {"error":{"message":"overloaded","type":"overloaded_error"}})" "\n\n");
    if (way == 3) broken.chunks.push_back("data: {broken\n\n");
    bench.upstream->clear();
    bench.upstream->expect(broken);
    const std::size_t sent = bench.upstream->sent.size();
    const auto sink = bench.ask(pinned(run % 2 == 0 ? "cheap/small" : "strong/large"));
    if (!sink.began) {  // ejected meanwhile: refused before anything was sent
      CHECK(bench.upstream->sent.size() == sent);
      bench.clock.advance(301s);
      continue;
    }
    REQUIRE(bench.upstream->sent.size() == sent + 1);
    REQUIRE(sink.body.find("Hel") == sink.body.rfind("Hel"));
    REQUIRE(sink.body.find("[DONE]") == std::string::npos);
    REQUIRE(sink.body.find(R"("error":)") != std::string::npos);
  }
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().reserved.nano() == 0);
}
