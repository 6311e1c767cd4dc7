// What routing learns: how long caches live, how long conversations are, how fast targets answer, what limits are left.
#include <catch2/catch.hpp>

#include "gateway/bench.hpp"
#include "gateway/rate_headroom.hpp"
#include "dialect/facts.hpp"
#include "gateway/route_learning.hpp"
#include "wire/json_document.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace std::chrono_literals;

TEST_CASE("before any answer a provider's documented lifetime speaks", "[gateway][learning]") {
  const CacheWarmth warmth;
  const CacheWarmth::Entry minutes{"anthropic", CacheWarmth::Kind::usual, 5min};
  CHECK(warmth.alive(minutes, 20s) > 0.9F);
  CHECK(warmth.alive(minutes, 4min) > 0.9F);
  CHECK(warmth.alive(minutes, 5min) == Approx(0.5F));
  CHECK(warmth.alive(minutes, 6min) < 0.1F);
  const CacheWarmth::Entry hour{"anthropic", CacheWarmth::Kind::hour, 1h};
  CHECK(warmth.alive(hour, 50min) > 0.9F);
  CHECK(warmth.alive(hour, 70min) < 0.1F);
}

TEST_CASE("what answers read outweighs the documents, for that provider, kind and idle time alone", "[gateway][learning]") {
  CacheWarmth warmth;
  const CacheWarmth::Entry entry{"deepseek", CacheWarmth::Kind::usual, 2h};
  for (int i = 0; i < 60; ++i) warmth.learn(entry, 5h, 1);
  for (int i = 0; i < 60; ++i) warmth.learn(entry, 30min, 0);
  CHECK(warmth.alive(entry, 6h) > 0.9F);
  CHECK(warmth.alive(entry, 35min) < 0.1F);
  CHECK(warmth.alive(entry, 20s) > 0.9F);
  CHECK(warmth.alive({"other", CacheWarmth::Kind::usual, 2h}, 6h) < 0.1F);
  CHECK(warmth.alive({"deepseek", CacheWarmth::Kind::hour, 2h}, 6h) < 0.1F);
  for (int i = 0; i < 300; ++i) warmth.learn(entry, 5h, 0);  // the provider has changed its mind
  CHECK(warmth.alive(entry, 5h) < 0.1F);
}

TEST_CASE("conversations that came so far tell how much further they went", "[gateway][learning]") {
  ConversationLengths lengths;
  CHECK(lengths.left("p", 1) == 0);  // nothing is known
  for (int conversation = 0; conversation < 100; ++conversation) {
    const int steps = conversation < 50 ? 2 : 22;
    for (int step = 1; step <= steps; ++step) lengths.learn("p", step);
  }
  CHECK(lengths.left("p", 1) == Approx(11));   // (50 x 1 + 50 x 21) / 100
  CHECK(lengths.left("p", 3) == Approx(19));   // only the long ones come here
  CHECK(lengths.left("p", 2) == Approx(10));
  CHECK(lengths.left("other", 1) == 0);
  CHECK(lengths.left("p", 5000) == 0);  // too few to say
}

TEST_CASE("of a geometric length the rest is the same at every step", "[gateway][learning]") {
  ConversationLengths lengths;
  test::SeededRandomness randomness{11};
  for (int conversation = 0; conversation < 3000; ++conversation) {
    for (int step = 1; step == 1 || randomness.next() % 100 >= 4; ++step) lengths.learn("p", step);
  }
  for (const int step : {1, 10, 20, 40}) {  // 24 further steps on average
    CAPTURE(step);
    CHECK(lengths.left("p", step) > 20);
    CHECK(lengths.left("p", step) < 28);
  }
}

TEST_CASE("a pace is the mean of the last answers, and is forgotten when nobody asks", "[gateway][learning]") {
  TargetPaces paces;
  const Instant now = *parse_instant("2026-11-22T12:00:00Z");
  for (int i = 0; i < 40; ++i) paces.learn("a/b", {.first_token_ms = 1000, .token_ms = 10}, now);
  for (int i = 0; i < 40; ++i) paces.learn("a/b", {.first_token_ms = 3000, .token_ms = 30}, now);
  TargetPace pace{.target = "a/b"};
  paces.fill(pace, now + 1min);
  CHECK(pace.first_token_ms == Approx(3000).epsilon(0.1));
  CHECK(pace.token_ms == Approx(30).epsilon(0.1));
  TargetPace later{.target = "a/b"};
  paces.fill(later, now + 11min);
  CHECK(later.first_token_ms == 0);
  paces.learn("a/b", {.first_token_ms = 50, .token_ms = 1}, now + 20min);
  paces.fill(later, now + 20min);
  CHECK(later.first_token_ms == 50);  // what was learned long ago does not weigh
}

TEST_CASE("what is left of a rate limit is the scarcest of all, until it is reset", "[gateway][learning]") {
  const Instant now = *parse_instant("2026-11-22T12:00:00Z");
  CHECK_FALSE(headroom_of({{"request-id", "x"}}, now));
  const HeaderList anthropic{{"anthropic-ratelimit-requests-limit", "1000"},
                             {"anthropic-ratelimit-requests-remaining", "900"},
                             {"anthropic-ratelimit-requests-reset", "2026-11-22T12:00:30Z"},
                             {"anthropic-ratelimit-input-tokens-limit", "400000"},
                             {"anthropic-ratelimit-input-tokens-remaining", "8000"},
                             {"anthropic-ratelimit-input-tokens-reset", "2026-11-22T12:00:07Z"}};
  auto headroom = headroom_of(anthropic, now).value();
  CHECK(headroom.left == Approx(0.02F));
  CHECK(headroom.until == now + 7s);
  const HeaderList compatible{{"x-ratelimit-limit-tokens", "100"}, {"x-ratelimit-remaining-tokens", "25"}, {"x-ratelimit-reset-tokens", "1m2.5s"}};
  headroom = headroom_of(compatible, now).value();
  CHECK(headroom.left == Approx(0.25F));
  CHECK(headroom.until == now + 62500ms);
  headroom = headroom_of({{"anthropic-ratelimit-unified-5h-utilization", "0.93"}, {"anthropic-ratelimit-unified-5h-reset", "1795400000"}}, now).value();
  CHECK(headroom.left == Approx(0.07F));
  CHECK(headroom.until == now + 1h);  // at most
  for (const auto& odd : {"", "many", "-4", "1e99", "nan"}) {
    CHECK_FALSE(headroom_of({{"x-ratelimit-limit-tokens", odd}, {"x-ratelimit-remaining-tokens", "25"}}, now));
  }
  CHECK(exhausted(3, now).until == now + 3s);
  CHECK(exhausted(std::nullopt, now).left == 0);

  TargetPaces paces;
  paces.learn("a/b", Headroom{0.02F, now + 7s});
  TargetPace pace{.target = "a/b"};
  paces.fill(pace, now + 6s);
  CHECK(pace.headroom == 0.02F);
  pace.headroom = 1;
  paces.fill(pace, now + 7s);
  CHECK(pace.headroom == 1);
}

TEST_CASE("all that is learned survives being written and read, and a damaged file changes nothing", "[gateway][learning]") {
  RouteLearning learned;
  const Instant now = *parse_instant("2026-11-22T12:00:00Z");
  const CacheWarmth::Entry entry{"my provider", CacheWarmth::Kind::usual, 5min};
  for (int i = 0; i < 30; ++i) {
    learned.cache.learn(entry, 20min, 0.7F);
    learned.cache.learn(entry, 1s, 1);
    learned.cache.learn(entry, 60h, 0);  // over a weekend: the last bin, which has no end
    learned.paces.learn("a/b c", {.first_token_ms = 333, .token_ms = 7}, now);
    learned.outputs.learn("a policy", StepKind::subagent, 100 + i);
    for (int step = 1; step < 40; ++step) learned.lengths.learn("a policy", step);
  }
  const std::string text = learned.serialise();
  RouteLearning again;
  REQUIRE(again.restore(text));
  CHECK(again.serialise() == text);
  CHECK(again.cache.alive(entry, 20min) == learned.cache.alive(entry, 20min));
  CHECK(again.cache.alive(entry, 1s) > 0.9F);
  CHECK(again.cache.alive(entry, 60h) < 0.1F);
  CHECK(again.lengths.left("a policy", 3) == learned.lengths.left("a policy", 3));
  CHECK(again.outputs.expected("a policy", StepKind::subagent) == learned.outputs.expected("a policy", StepKind::subagent));
  TargetPace pace{.target = "a/b c"};
  again.paces.fill(pace, now);
  CHECK(pace.first_token_ms == 333);

  // Every place at which a writer may have been stopped, and every line made wrong.
  std::size_t refused = 0;
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    RouteLearning partial;
    if (!partial.restore(text.substr(0, cut))) ++refused;
    if (!partial.restore(text.substr(0, cut))) CHECK(partial.serialise() == "turnpike-routing 1\n");
  }
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  CHECK(refused == text.size() - (lines - 1));  // only where a line has just ended is a beginning a whole file
  for (const auto* odd : {"cache 0 99 1 1 x\n", "cache 0 1 nan 1 x\n", "cache 0 1 1 2 x\n", "length 1 -1 p\n", "pace 1 2 3 4\n", "what 1\n", "output 9 1 1 p\n"}) {
    CAPTURE(odd);
    RouteLearning fresh;
    CHECK_FALSE(fresh.restore("turnpike-routing 1\n" + std::string{odd}));
  }
  CHECK_FALSE(RouteLearning{}.restore("turnpike-routing 2\n"));
}

TEST_CASE("what is kept is bounded", "[gateway][learning]") {
  RouteLearning learned;
  for (int i = 0; i < 2000; ++i) {
    const auto name = "name" + std::to_string(i);
    learned.cache.learn({name, CacheWarmth::Kind::usual, 5min}, 1s, 1);
    learned.lengths.learn(name, 1);
    learned.outputs.learn(name, StepKind::human_turn, 5);
    learned.paces.learn(name, {.first_token_ms = 1, .token_ms = 1}, Instant{1h});
  }
  const auto lines = static_cast<std::size_t>(std::ranges::count(learned.serialise(), '\n'));
  CHECK(lines == 1 + CacheWarmth::providers_max + ConversationLengths::policies_max + OutputLengths::policies_max + TargetPaces::targets_max);
}

namespace {

RequestFacts prompt(std::vector<std::uint64_t> hashes, std::uint64_t head = 7) {
  RequestFacts facts;
  facts.trail.head = {head, 0};
  facts.trail.head_bytes = 1000;
  std::int64_t bytes = 0;
  std::int32_t messages = 0;
  for (const auto hash : hashes) facts.trail.marks.push_back({.hash = {hash, 0}, .text_bytes = bytes += 500, .messages = ++messages});
  facts.text_bytes = 1000 + bytes;
  return facts;
}

}  // namespace

TEST_CASE("a cached prompt counts as far as the next one begins with it", "[gateway][learning]") {
  const auto held = held_cache("a/b", prompt({1, 2, 3}), 2000, Instant{});
  CHECK(held.readable(prompt({1, 2, 3, 4, 5})) == 2000);
  CHECK(held.readable(prompt({1, 2, 9, 4})) == 1600);  // its newest message was rewritten: 2000 of 2500 bytes
  CHECK(held.readable(prompt({8, 9})) == 800);         // summed up: only tools and instructions are the same
  CHECK(held.readable(prompt({1, 2, 3, 4}, 6)) == 0);  // other tools stand before everything
  std::vector<HeldCache> all;
  for (int i = 0; i < 9; ++i) hold(all, held_cache("t" + std::to_string(i % 6), prompt({1}), 100 + i, Instant{}));
  CHECK(all.size() == RouteInputs::warm_max);
  CHECK(all.front().target == "t2");
  REQUIRE(held_by(all, "t2") != nullptr);
  CHECK(held_by(all, "t2")->tokens == 108);
  CHECK(held_by(all, "t3") == nullptr);  // the one longest unused has gone
  hold(all, held_cache("t2", prompt({1}), 0, Instant{}));
  CHECK(held_by(all, "t2") == nullptr);
}

// --- Through the gateway.

namespace {

using namespace turnpike::gateway::testing;

/// A conversation of so many human turns, as a client sends it.
std::string turns(int count) {
  std::string messages = R"({"role":"user","content":")" + std::string(8000, 'a') + R"("})";
  for (int i = 1; i < count; ++i)
    messages += R"(,{"role":"assistant","content":"Hello"},{"role":"user","content":"go on )" + std::to_string(i) + R"("})";
  return R"({"model":"auto","stream":true,"max_tokens":50,"messages":[)" + messages + "]}";
}

Script answer(std::int64_t prompt, std::int64_t cached) {
  Script script;
  const auto usage = R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[],"usage":{"prompt_tokens":)" +
                     std::to_string(prompt) + R"(,"completion_tokens":10,"total_tokens":)" + std::to_string(prompt + 10) +
                     R"(,"prompt_tokens_details":{"cached_tokens":)" + std::to_string(cached) + "}}}\n\n";
  script.chunks = {chunk(R"({"role":"assistant","content":"Hello"})"), chunk("{}", "\"stop\"") + usage + done};
  return script;
}

}  // namespace

TEST_CASE("a provider whose cache outlives its documents is found out by its answers", "[gateway][learning]") {
  Bench bench;
  const CacheWarmth::Entry entry{"cheap", CacheWarmth::Kind::usual, 5min};
  const float believed = bench.learned.cache.alive(entry, 20min);
  CHECK(believed < 0.1F);
  for (int turn = 1; turn <= 12; ++turn) {
    bench.upstream->expect(answer(2000 + turn * 20, turn == 1 ? 0 : 1984));
    bench.ask(turns(turn));
    bench.clock.advance(20min);
  }
  CHECK(bench.learned.cache.alive(entry, 20min) > 0.6F);
  CHECK(bench.learned.cache.alive(entry, 2h) < 0.1F);
  CHECK(bench.upstream->sent.size() == 12);
}

TEST_CASE("what a prompt cannot have read teaches nothing of lifetimes", "[gateway][learning]") {
  Bench bench;
  for (int i = 0; i < 12; ++i) {
    bench.upstream->expect(answer(2000, 0));
    // The same conversation by its key, but the prompt begins anew each time.
    bench.ask(R"({"model":"auto","stream":true,"prompt_cache_key":"one","messages":[{"role":"user","content":")" + std::string(8000, static_cast<char>('a' + i)) + "\"}]}");
    bench.clock.advance(20s);
  }
  CHECK(bench.learned.cache.figures().empty());
}

TEST_CASE("the next step of a conversation is told what is warm, how it went and what a step costs", "[gateway][learning]") {
  Bench bench;
  for (int turn = 1; turn <= 3; ++turn) {
    bench.upstream->expect(answer(2000 + turn * 20, turn == 1 ? 0 : 1984));
    bench.ask(turns(turn));
    bench.clock.advance(30s);
  }
  const auto body = turns(4);
  std::string padded = body;
  padded.reserve(padded.size() + 64);
  const auto document = wire::JsonDocument::parse(padded);
  REQUIRE(document);
  const auto facts = dialect::read_facts(Dialect::openai_chat, *document, bench.head()).value();
  const auto remembered = bench.conversations.find(bench.key_id, facts.conversation);
  REQUIRE(remembered);
  CHECK(remembered->stay.target == "cheap/small");
  CHECK(remembered->stay.steps == 3);
  CHECK(remembered->stay.tier_steps == 3);
  CHECK(remembered->stay.calm_steps == 3);
  CHECK(remembered->stay.cached_tokens == 2060);  // all of an automatically cached prompt
  REQUIRE(remembered->held.size() == 1);
  CHECK(remembered->held.front().readable(facts) == 2060);
}

TEST_CASE("a title asked in a conversation's name does not move the conversation", "[gateway][learning]") {
  Bench bench;
  bench.upstream->expect(answer(2000, 0));
  auto first = bench.head();
  const auto ask = [&](const std::string& body, const std::string& step) {
    ClientRequest request;
    request.head = bench.head();
    request.head.headers.emplace_back("session-id", "s1");
    request.head.headers.emplace_back("x-turnpike-step", step);
    request.admission = *bench.gateway->on_head(request.head);
    request.body = body;
    request.body.reserve(body.size() + 64);
    RecordingSink sink;
    asio::co_spawn(bench.loop, bench.gateway->handle(std::move(request), sink), asio::detached);
    bench.run();
    return sink;
  };
  ask(turns(1), "human_turn");
  bench.upstream->expect(answer(50, 0));
  ask(R"({"model":"strong/large","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"a title, please"}]})", "title_or_summary");
  REQUIRE(bench.upstream->sent.size() == 2);
  CHECK(bench.upstream->sent[1]->provider == "strong");
  bench.upstream->expect(answer(2000, 1984));
  const auto sink = ask(turns(2), "human_turn");
  CHECK(sink.header("x-turnpike-model") == "cheap/small");
  CHECK(bench.learned.cache.figures().size() == 1);  // its own cache was found warm in spite of the title
}

TEST_CASE("a provider that refuses for its rate limit goes behind for as long as it says", "[gateway][learning]") {
  Bench bench;
  Script refusal = refused(429, R"({"error":{"message":"slow down","type":"rate_limit"}})");
  refusal.head.headers = {{"retry-after", "7"}};
  bench.upstream->expect(refusal);
  bench.upstream->expect(good_stream());
  bench.ask(streamed);
  TargetPace pace{.target = "cheap/small"};
  bench.learned.paces.fill(pace, bench.clock.now() + 6s);
  CHECK(pace.headroom == 0);
  pace.headroom = 1;
  bench.learned.paces.fill(pace, bench.clock.now() + 8s);
  CHECK(pace.headroom == 1);
}

TEST_CASE("refusals for a rate limit do not make a target ill", "[gateway][health]") {
  Bench bench;
  for (int i = 0; i < 6; ++i) {
    bench.upstream->expect(refused(429, R"({"error":{"message":"slow down","type":"rate_limit"}})"));
    bench.upstream->expect(good_stream());
    bench.ask(streamed);
  }
  CHECK(bench.backends->view(bench.snapshot->catalog).of("cheap/small") != Health::ejected);
}
