// A gateway with real ledger, catalog and policy, at a clock that is told; only the far side of the socket is scripted.
#pragma once

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "gateway/gateway.hpp"
#include "support/fake_clock.hpp"
#include "support/recording_sink.hpp"
#include "support/scripted_upstream.hpp"

namespace turnpike::gateway::testing {

using turnpike::test::FakeClock;
using turnpike::test::RecordingSink;
using turnpike::test::Script;
using turnpike::test::ScriptedUpstream;
using turnpike::test::SeededRandomness;

inline constexpr const char* cheap_provider = R"(
[provider]
id = "cheap"
dialect = "openai-chat"
base_url = "http://127.0.0.1:1"
[[model]]
id = "small"
family = "small"
context_tokens = 100000
output_tokens_max = 1000
capabilities = ["tools", "parallel_tools", "json_schema", "reasoning"]
as_of = 2026-11-22
source = "test"
price = [{ from = 2026-01-01, input_per_mtok = "1", output_per_mtok = "2" }]
)";
inline constexpr const char* strong_provider = R"(
[provider]
id = "strong"
dialect = "openai-chat"
base_url = "http://127.0.0.1:2"
[[model]]
id = "large"
family = "large"
context_tokens = 100000
output_tokens_max = 1000
capabilities = ["tools", "parallel_tools", "json_schema", "reasoning"]
as_of = 2026-11-22
source = "test"
price = [{ from = 2026-01-01, input_per_mtok = "10", output_per_mtok = "20" }]
)";
inline constexpr const char* policy_text = R"(
[policy]
name = "test"
default_tier = "bulk"
[[tier]]
name = "bulk"
targets = ["cheap/small"]
fallback = ["strong/large"]
[[tier]]
name = "frontier"
frontier = true
targets = ["strong/large"]
[frontier_share]
target = 0.3
[models]
"auto" = "tier:bulk"
)";

inline std::string chunk(const std::string& delta, const std::string& finish = "null") {
  return R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[{"index":0,"delta":)" + delta +
         R"(,"finish_reason":)" + finish + "}]}\n\n";
}
inline const std::string usage_chunk =
    R"(data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"small","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}})"
    "\n\n";
inline const std::string done = "data: [DONE]\n\n";

inline Script good_stream() {
  Script script;
  script.chunks = {chunk(R"({"role":"assistant","content":""})"), chunk(R"({"content":"Hello"})"), chunk("{}", "\"stop\"") + usage_chunk + done};
  return script;
}

inline Script refused(int status, std::string body) {
  Script script;
  script.head.status = status;
  script.head.content_type = "application/json";
  script.chunks = {std::move(body)};
  return script;
}

/// A gateway with real ledger, catalog and policy; only the far side of the socket is scripted.
struct Bench {
  /// `cheap`: the provider file of the first target, so that a test may have prices of its own.
  explicit Bench(const std::string& cheap = cheap_provider, const std::string& routes = policy_text) {
    std::filesystem::create_directories(root / "providers");
    std::ofstream{root / "providers/cheap.toml"} << cheap;
    std::ofstream{root / "providers/strong.toml"} << strong_provider;
    std::ofstream{root / "policy.toml"} << routes;
    auto fresh = std::make_shared<Snapshot>();
    auto catalog = catalog::Catalog::load(root / "providers");
    if (!catalog) FAIL(to_string(catalog.error().front()));
    fresh->catalog = std::move(*catalog);
    auto policy = policy::Policy::load(root / "policy.toml", fresh->catalog, {.now = clock.now()});
    if (!policy) FAIL(to_string(policy.error().front()));
    fresh->policy = std::move(*policy);
    fresh->classifier = &classify::Classifier::built_in();
    fresh->log_requests = false;
    snapshot = fresh;
    account::LedgerOptions options;
    options.directory = root / "data";
    auto opened = account::Ledger::open(options, clock, randomness);
    if (!opened) FAIL(opened.error().message);
    ledger = std::move(*opened);
    account::NewKey wanted;
    wanted.name = "test";
    wanted.org = "acme";
    auto created = ledger->create_key(wanted);
    REQUIRE(created);
    key = created->key.reveal();
    key_id = created->id;
    opaque.emplace(clock);
    backends.emplace(clock, randomness);
    upstream.emplace(loop);
    Shared shared{*ledger, *opaque, conversations, *backends, tokens, clock, randomness, learned};
    shared.learning = &learning;
    shared.shadows = &shadows;
    gateway.emplace(shared, *upstream, metrics.add_shard(), snapshot);
    gateway->start_shadows_with([this](asio::awaitable<void> task) { asio::co_spawn(loop, std::move(task), asio::detached); });
  }
  ~Bench() {
    gateway.reset();
    ledger.reset();
    std::filesystem::remove_all(root);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void budget(const char* limit) {
    account::BudgetSettings settings;
    settings.budget = "key:" + key_id;
    account::WindowRule rule;
    rule.kind = account::WindowKind::lifetime;
    rule.limit = *parse_credits(limit);
    settings.windows.push_back(rule);
    settings.by = "test";
    REQUIRE(ledger->set_budget(settings));
  }

  RequestHead head(std::string method = "POST", std::string path = "/v1/chat/completions") const {
    RequestHead made;
    made.method = std::move(method);
    made.target = made.path = std::move(path);
    made.headers = {{"host", "x"}, {"authorization", "Bearer " + key}, {"content-type", "application/json"}};
    return made;
  }

  /// Starts a request; run() carries it on as far as the script goes.
  void start(std::string body, RecordingSink& sink, std::string path = "/v1/chat/completions") {
    ClientRequest request;
    request.head = head("POST", std::move(path));
    auto admitted = gateway->on_head(request.head);
    REQUIRE(admitted);
    request.admission = *admitted;
    request.body = std::move(body);
    request.body.reserve(request.body.size() + 64);
    request.received = clock.monotonic();
    asio::co_spawn(loop, gateway->handle(std::move(request), sink), asio::detached);
  }
  /// A waiting coroutine counts as work, so the loop is polled, not run.
  void run() {
    loop.restart();
    while (loop.poll() > 0) {
    }
  }
  /// For what waits on a timer of its own. Fails if it does not happen in time.
  template <typename Predicate>
  void run_until(Predicate happened) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    loop.restart();
    while (!happened() && std::chrono::steady_clock::now() < deadline) loop.run_one_for(std::chrono::milliseconds{5});
    REQUIRE(happened());
  }
  RecordingSink ask(std::string body, std::string path = "/v1/chat/completions") {
    RecordingSink sink;
    start(std::move(body), sink, std::move(path));
    run();
    return sink;
  }
  /// Fails often enough with each of its keys.
  void eject(std::string_view provider, std::string_view model) {
    const auto& described = *snapshot->catalog.provider(provider);
    while (auto slot = backends->take({.provider = described, .model = model})) slot->end(Told::failed);
  }
  account::LedgerFigures figures() const { return ledger->figures(); }

  FakeClock clock;
  SeededRandomness randomness{7};
  std::filesystem::path root = std::filesystem::temp_directory_path() / ("turnpike-gateway-" + std::to_string(::getpid()) + "-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
  asio::io_context loop;
  std::shared_ptr<const Snapshot> snapshot;
  std::unique_ptr<account::Ledger> ledger;
  std::string key, key_id;
  std::optional<dialect::OpaqueStore> opaque;
  Conversations conversations;
  TokenMeter tokens;
  RouteLearning learned;
  std::optional<Backends> backends;
  Learning learning{classify::Classifier::built_in()};
  std::vector<ShadowPair> pairs;  // what shadow runs have found
  ShadowHub shadows{[this](ShadowPair pair) { pairs.push_back(std::move(pair)); }};
  metrics::Metrics metrics;
  std::optional<ScriptedUpstream> upstream;
  std::optional<Gateway> gateway;
};

inline const std::string streamed = R"({"model":"auto","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"hi"}]})";
inline const std::string whole = R"({"model":"auto","max_tokens":50,"messages":[{"role":"user","content":"hi"}]})";
inline const std::string whole_answer =
    R"({"id":"c1","object":"chat.completion","created":1,"model":"small","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}})";

// 100 x 1 + 10 x 2 microcredits.
inline constexpr std::int64_t exact_cost_nano = 120'000;

}  // namespace turnpike::gateway::testing
