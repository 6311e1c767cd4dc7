// What a gateway does with more than it takes on: queue, shed, rates, memory.
#include <prometheus/metric_family.h>

#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;

namespace {

/// A gateway with bounds. Another loop's share of the places is played by places taken here.
struct Bounded : Bench {
  explicit Bounded(OverloadLimits limits) : overload(limits, clock) {
    Shared shared{*ledger, *opaque, conversations, *backends, tokens, clock, randomness, learned};
    shared.learning = &learning;
    shared.shadows = &this->shadows;
    shared.overload = &overload;
    gateway.emplace(shared, *upstream, metrics.add_shard(), snapshot);
  }
  ~Bounded() {
    gateway->end_all();
    run();
    overload.gate.close();
  }
  Bounded(const Bounded&) = delete;
  Bounded& operator=(const Bounded&) = delete;

  [[nodiscard]] std::expected<std::shared_ptr<const Admission>, WholeReply> at_the_door(HeaderList more = {}, std::string path = "/v1/chat/completions") {
    auto made = head("POST", std::move(path));
    for (auto& field : more) made.headers.push_back(std::move(field));
    return gateway->on_head(made);
  }
  [[nodiscard]] double counted(std::string_view family, std::string_view label) const {
    double sum = 0;
    for (const auto& collected : metrics.Collect()) {
      if (collected.name != family) continue;
      for (const auto& series : collected.metric) {
        for (const auto& pair : series.label) {
          if (pair.value == label) sum += series.counter.value;
        }
      }
    }
    return sum;
  }

  Overload overload;
};

std::string header_of(const WholeReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.head.headers) {
    if (key == name) return value;
  }
  return {};
}

OverloadLimits places(std::uint32_t count, std::size_t queue = 8) {
  OverloadLimits limits;
  limits.gate.in_flight_max = count;
  limits.gate.queue.requests_max = queue;
  limits.gate.wait_max = std::chrono::hours{1};  // a test says itself when the waiting is over
  return limits;
}

}  // namespace

TEST_CASE("A request waits for its place and is then served as usual", "[gateway][overload]") {
  Bounded bench{places(1)};
  bench.upstream->expect(good_stream());
  auto place = bench.overload.gate.try_enter();
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run();
  CHECK_FALSE(sink.head_sent());
  CHECK(bench.overload.gate.waiting() == 1);
  CHECK(bench.figures().attempts_open == 0);
  bench.clock.advance(std::chrono::milliseconds{40});
  place = {};
  bench.run();
  CHECK(sink.finished);
  CHECK(sink.body.find("Hello") != std::string::npos);
  CHECK(bench.overload.gate.in_flight() == 0);
  CHECK(bench.ledger->flush());
  const auto record = bench.ledger->recent_decisions(1);
  REQUIRE(record.size() == 1);
  CHECK(record.front().find(R"("admitted":40000)") != std::string::npos);
}

TEST_CASE("L5: what finds the queue full is shed on its head: 503, worth a retry, nothing reserved, in each dialect", "[gateway][overload][L5]") {
  RecordingSink waiting;
  Bounded bench{places(1, 1)};
  const auto place = bench.overload.gate.try_enter();
  bench.start(streamed, waiting);
  bench.run();
  for (const auto& [path, mark] : {std::pair{"/v1/chat/completions", R"("code":"overloaded")"},
                                   {"/v1/responses", R"("code":"overloaded")"},
                                   {"/v1/messages", R"("type":"overloaded_error")"},
                                   {"/v1beta/models/auto:generateContent", R"("status":"UNAVAILABLE")"}}) {
    const auto refused = bench.at_the_door({}, path);
    INFO(path);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().head.status == 503);
    CHECK(refused.error().body.find(mark) != std::string::npos);
    CHECK(header_of(refused.error(), "x-should-retry") == "true");
    CHECK(header_of(refused.error(), "retry-after") == "1");
  }
  CHECK(bench.counted("turnpike_shed_total", "queue_full") == 4);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.upstream->sent.empty());
}

TEST_CASE("Who has waited long enough is shed, and its request does not count against its rate", "[gateway][overload]") {
  auto limits = places(1);
  limits.gate.wait_max = std::chrono::milliseconds{1};
  limits.rates.requests_per_minute = 1;
  Bounded bench{limits};
  bench.upstream->expect(good_stream());
  auto place = bench.overload.gate.try_enter();
  RecordingSink sink;
  bench.start(streamed, sink);
  for (int i = 0; i < 5000 && !sink.replied; ++i) {
    bench.run();
    ::usleep(1000);
  }
  REQUIRE(sink.replied);
  CHECK(sink.head.status == 503);
  CHECK(bench.overload.gate.waiting() == 0);
  CHECK(bench.counted("turnpike_shed_total", "queue_wait") == 1);
  place = {};
  CHECK(bench.ask(streamed).finished);
}

TEST_CASE("L1: a client that leaves while it waits frees its place in line at once and nothing is reserved", "[gateway][overload][L1]") {
  Bounded bench{places(1)};
  auto place = bench.overload.gate.try_enter();
  for (int i = 0; i < 200; ++i) {
    RecordingSink sink;
    bench.start(streamed, sink);
    bench.run();
    REQUIRE(bench.overload.gate.waiting() == 1);
    sink.leave();
    bench.run();
    REQUIRE(bench.overload.gate.waiting() == 0);
    REQUIRE_FALSE(sink.head_sent());
  }
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.upstream->sent.empty());
  place = {};
  CHECK(bench.overload.gate.in_flight() == 0);
}

TEST_CASE("A process that ends tells those who wait", "[gateway][overload]") {
  Bounded bench{places(1)};
  const auto place = bench.overload.gate.try_enter();
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run();
  bench.gateway->end_all();
  bench.run();
  CHECK(sink.head.status == 503);
  CHECK(sink.body.find("gateway_draining") != std::string::npos);
}

TEST_CASE("x-turnpike-priority lowers a request and never raises it", "[gateway][overload]") {
  Bounded bench{places(10)};
  const auto priority = [&](HeaderList more) {
    const auto admitted = bench.at_the_door(std::move(more));
    REQUIRE(admitted);
    return static_cast<const HeadVerdict&>(**admitted).priority;
  };
  CHECK(priority({}) == Priority::interactive);
  CHECK(priority({{"x-turnpike-priority", "batch"}}) == Priority::batch);
  account::KeyChange batch;
  batch.priority = Priority::batch;
  REQUIRE(bench.ledger->change_key(bench.key_id, batch, "test"));
  CHECK(priority({}) == Priority::batch);
  CHECK(priority({{"x-turnpike-priority", "interactive"}}) == Priority::batch);
  const auto odd = bench.at_the_door({{"x-turnpike-priority", "urgent"}});
  REQUIRE_FALSE(odd);
  CHECK(odd.error().head.status == 400);
}

TEST_CASE("Short of memory batch is shed first, then everybody; health and lists of models are answered", "[gateway][overload]") {
  Bounded bench{places(10)};
  bench.overload.memory = MemoryLevel::tight;
  CHECK(bench.at_the_door());
  CHECK_FALSE(bench.at_the_door({{"x-turnpike-priority", "batch"}}));
  bench.overload.memory = MemoryLevel::critical;
  const auto refused = bench.at_the_door();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().head.status == 503);
  CHECK(bench.gateway->on_head(bench.head("GET", "/v1/models")));
  CHECK(bench.gateway->on_head(bench.head("GET", "/readyz")));
  CHECK(bench.counted("turnpike_shed_total", "memory") == 2);
}

TEST_CASE("A key above its requests per minute gets 429 with the wait, in the headers its clients know", "[gateway][rates]") {
  Bounded bench{places(10)};
  account::KeyChange limit;
  limit.requests_per_minute = 2;
  REQUIRE(bench.ledger->change_key(bench.key_id, limit, "test"));
  CHECK(bench.at_the_door());
  CHECK(bench.at_the_door());
  const auto chat = bench.at_the_door();
  REQUIRE_FALSE(chat);
  CHECK(chat.error().head.status == 429);
  CHECK(header_of(chat.error(), "retry-after") == "30");
  CHECK(header_of(chat.error(), "x-should-retry") == "true");
  CHECK(header_of(chat.error(), "x-ratelimit-limit-requests") == "2");
  CHECK(header_of(chat.error(), "x-ratelimit-remaining-requests") == "0");
  CHECK(header_of(chat.error(), "x-ratelimit-reset-requests") == "30s");
  CHECK(chat.error().body.find("rate_limit_exceeded") != std::string::npos);
  const auto messages = bench.at_the_door({}, "/v1/messages");
  REQUIRE_FALSE(messages);
  CHECK(messages.error().body.find("rate_limit_error") != std::string::npos);
  CHECK(header_of(messages.error(), "anthropic-ratelimit-requests-reset") == "2026-11-22T12:00:30Z");
  CHECK(bench.gateway->on_head(bench.head("GET", "/v1/models")));
  bench.clock.advance(std::chrono::seconds{30});
  CHECK(bench.at_the_door());
  CHECK(bench.counted("turnpike_rate_refusals_total", "requests") == 2);
}

TEST_CASE("Tokens per minute are taken by estimate, corrected by the bill, and refused with nothing reserved", "[gateway][rates]") {
  Bounded bench{places(10)};
  account::KeyChange limit;
  limit.tokens_per_minute = 165;
  REQUIRE(bench.ledger->change_key(bench.key_id, limit, "test"));
  bench.upstream->expect(good_stream());
  bench.upstream->expect(good_stream());
  REQUIRE(bench.ask(streamed).finished);  // billed: 100 + 10 tokens; estimated: 50 and a short prompt
  const RecordingSink second = bench.ask(streamed);
  CHECK(second.head.status == 429);
  CHECK_FALSE(second.header("x-ratelimit-limit-tokens").empty());
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.upstream->sent.size() == 1);
  CHECK(bench.counted("turnpike_rate_refusals_total", "tokens") == 1);
  bench.clock.advance(std::chrono::minutes{1});
  CHECK(bench.ask(streamed).finished);
}

TEST_CASE("A request that fails before any token is used gives its tokens back", "[gateway][rates]") {
  Bounded bench{places(10)};
  account::KeyChange limit;
  limit.tokens_per_minute = 165;
  REQUIRE(bench.ledger->change_key(bench.key_id, limit, "test"));
  const auto refusal = refused(400, R"({"error":{"message":"no"}})");
  bench.upstream->expect(refusal);
  bench.upstream->expect(refusal);
  bench.upstream->expect(refusal);
  bench.upstream->expect(refusal);
  bench.upstream->expect(refusal);
  bench.upstream->expect(refusal);
  for (int i = 0; i < 3; ++i) CHECK(bench.ask(streamed).head.status == 400);
}
