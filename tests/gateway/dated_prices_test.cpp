// Prices, retirement and fees of server tools on the live path, at the second before, at and after
// a change: one snapshot, one clock that the test moves, no reload in between.
#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;
using namespace std::chrono_literals;

namespace {

// The bench's clock starts at noon. The switch is an hour later: "dated" becomes dearer, and
// "small", which is free, retires. Answers may take longer than the policy looks ahead by itself.
const std::string provider_text = R"(
[provider]
id = "cheap"
dialect = "openai-chat"
base_url = "http://127.0.0.1:1"
timeouts = { total_ms = 900000 }
[[provider.endpoint]]
dialect = "anthropic-messages"
base_url = "http://127.0.0.1:1/anthropic"
[[model]]
id = "small"
context_tokens = 100000
output_tokens_max = 1000
retired_at = 2026-11-22T13:00:00Z
successor = "cheap/dated"
as_of = 2026-11-22
source = "test"
price = [{ from = 2026-01-01, input_per_mtok = "0", output_per_mtok = "0" }]
[[model]]
id = "dated"
context_tokens = 100000
output_tokens_max = 1000
capabilities = ["tools"]
as_of = 2026-11-22
source = "test"
[[model.price]]
from = 2026-01-01
input_per_mtok = "1"
output_per_mtok = "2"
web_search_per_1k = "10"
[[model.price]]
from = 2026-11-22T13:00:00Z
input_per_mtok = "2"
output_per_mtok = "4"
web_search_per_1k = "20"
[[model]]
id = "sized"
context_tokens = 100000
output_tokens_max = 1000
capabilities = ["tools"]
as_of = 2026-11-22
source = "test"
[[model.price]]
from = 2026-01-01
input_per_mtok = "1"
output_per_mtok = "2"
web_search_per_1k = "0"
[[model.price.tier]]
prompt_tokens_above = 5000
input_per_mtok = "10"
output_per_mtok = "20"
)";
constexpr auto second_before = 1h - 1s;

/// The bench so long after noon.
struct DatedBench : Bench {
  explicit DatedBench(std::chrono::seconds after_noon) : Bench(provider_text) {
    clock.advance(after_noon);
  }

  void expect_answer(const std::string& body = whole_answer) {
    Script script;
    script.head.content_type = "application/json";
    script.chunks = {body};
    upstream->expect(script);
  }
  /// What a streamed request holds while its provider is silent, in nano-credits; then the client
  /// leaves.
  std::int64_t held(std::string body, const std::string& path = "/v1/chat/completions") {
    Script silent;
    silent.hold_open = true;
    upstream->expect(silent);
    RecordingSink sink;
    start(std::move(body), sink, path);
    run();
    const auto amount = figures().reserved.nano();
    sink.leave();
    run();
    CHECK(figures().attempts_open == 0);
    return amount;
  }
};

std::string asking(const std::string& model, const std::string& more = "") {
  return R"({"model":")" + model +
         R"(","max_tokens":50,"messages":[{"role":"user","content":"hi"}])" + more + "}";
}

}  // namespace

TEST_CASE("a price changes for the first request of the new second, without a reload",
          "[gateway][price]") {
  DatedBench bench{second_before};
  const auto cost = [&] {
    bench.expect_answer();
    const auto sink = bench.ask(asking("cheap/dated"));
    CHECK(sink.head.status == 200);
    return sink.header("x-turnpike-cost");
  };
  CHECK(cost() == "0.00012");  // 100 x 1 + 10 x 2 microcredits
  bench.clock.advance(1s - 1us);
  CHECK(cost() == "0.00012");
  bench.clock.advance(1us);
  CHECK(cost() == "0.00024");
  bench.clock.advance(1s);
  CHECK(cost() == "0.00024");
}

TEST_CASE("a request is held at the dearest price up to its total timeout", "[gateway][price]") {
  const auto reserved = [](std::chrono::seconds after_noon) {
    DatedBench bench{after_noon};
    return bench.held(asking("cheap/dated", R"(,"stream":true)"));
  };
  const auto before = reserved(1h - 901s);  // 900 seconds end a second before the switch
  CHECK(before > 0);
  CHECK(reserved(1h - 900s) == 2 * before);
  CHECK(reserved(1h) == 2 * before);
}

TEST_CASE("the price of large prompts is held for prompts that may become large only", "[gateway][price]") {
  const auto reserved = [](const std::string& text, const std::string& more = "") {
    DatedBench bench{0s};
    return bench.held(R"({"model":"cheap/sized","stream":true,"max_tokens":50,"messages":[{"role":"user","content":")" + text + "\"}]" + more + "}",
                      "/v1/messages");
  };
  // Some 1,100 and 9,100 tokens at most, and 50 of output.
  CHECK(reserved("hi") < 1'500'000);
  CHECK(reserved(std::string(8000, 'x')) > 9'000 * 10'000);
  // What a search finds becomes part of the prompt.
  CHECK(reserved("hi", R"(,"tools":[{"type":"web_search_20250305","name":"web_search"}])") > 1'000 * 10'000);
}

TEST_CASE("a request that was sent before the change is charged the price of its admission",
          "[gateway][price]") {
  DatedBench bench{second_before};
  bench.expect_answer();
  RecordingSink sink;
  bench.start(asking("cheap/dated"), sink);
  bench.loop.restart();
  while (bench.upstream->sent.empty()) REQUIRE(bench.loop.poll_one() == 1);
  bench.clock.advance(2s);
  bench.run();
  CHECK(sink.head.status == 200);
  CHECK(sink.header("x-turnpike-cost") == "0.00012");
}

TEST_CASE(
    "a retired model answers 410 with its successor in every dialect, from the second of its end",
    "[gateway][price]") {
  DatedBench bench{second_before};
  bench.expect_answer();
  CHECK(bench.ask(asking("cheap/small")).head.status == 200);
  bench.clock.advance(1s);
  struct Case {
    const char* path;
    std::string body;
    const char* type;
  };
  const std::vector<Case> cases{
      {"/v1/chat/completions", asking("cheap/small"), R"("code":"model_retired")"},
      {"/v1/messages", asking("cheap/small"), R"("type":"not_found_error")"},
      {"/v1/responses", R"({"model":"cheap/small","input":"hi","store":false})",
       R"("code":"model_retired")"},
      {"/v1beta/models/cheap/small:generateContent", R"({"contents":[{"parts":[{"text":"hi"}]}]})",
       R"("status":"NOT_FOUND")"}};
  for (const int seconds : {0, 1}) {
    bench.clock.advance(std::chrono::seconds{seconds});
    for (const auto& one : cases) {
      CAPTURE(one.path, seconds);
      const auto sink = bench.ask(one.body, one.path);
      CHECK(sink.head.status == 410);
      CHECK(sink.body.find(one.type) != std::string::npos);
      CHECK(sink.body.find("since 2026-11-22T13:00:00Z") != std::string::npos);
      CHECK(sink.body.find("use cheap/dated") != std::string::npos);
    }
  }
  CHECK(bench.upstream->sent.size() == 1);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("the router goes on to the next target when a free one retires", "[gateway][price]") {
  DatedBench bench{second_before};
  bench.expect_answer();
  const auto before = bench.ask(asking("auto"));
  CHECK(before.header("x-turnpike-model") == "cheap/small");
  CHECK(before.header("x-turnpike-cost") == "0.00");
  bench.clock.advance(1s);
  bench.expect_answer();
  const auto after = bench.ask(asking("auto"));
  CHECK(after.header("x-turnpike-model") == "strong/large");
  CHECK(after.header("x-turnpike-cost") == "0.0012");  // 100 x 10 + 10 x 20 microcredits
}

TEST_CASE("calls of server tools are held at their bound and charged as they were made",
          "[gateway][price]") {
  const std::string tools =
      R"(,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":4}])";
  DatedBench bench{0s};
  const auto held = bench.held(asking("cheap/dated", tools + R"(,"stream":true)"), "/v1/messages");
  CHECK(held > 4 * 10'000'000);  // four searches at 0.01
  CHECK(held < 5 * 10'000'000);

  DatedBench answered{0s};
  answered.expect_answer(
      R"({"id":"m1","type":"message","role":"assistant","model":"dated","stop_reason":"end_turn","content":[{"type":"text","text":"Found."}],)"
      R"("usage":{"input_tokens":100,"output_tokens":10,"server_tool_use":{"web_search_requests":2}}})");
  const auto sink = answered.ask(asking("cheap/dated", tools), "/v1/messages");
  CHECK(sink.head.status == 200);
  CHECK(sink.header("x-turnpike-cost") == "0.02012");
  CHECK(answered.figures().settled.nano() == 20'120'000);
  CHECK(answered.figures().reserved.nano() == 0);
}

TEST_CASE(
    "a server tool without a price is refused before anything is reserved, unless it is dropped on "
    "the way",
    "[gateway][price]") {
  DatedBench bench{0s};
  const std::string fetch = R"(,"tools":[{"type":"web_fetch_20250910","name":"web_fetch"}])";
  const auto refused = bench.ask(asking("cheap/dated", fetch), "/v1/messages");
  CHECK(refused.head.status == 400);
  CHECK(refused.body.find("no price for web_fetch") != std::string::npos);
  CHECK(bench.upstream->sent.empty());
  CHECK(bench.figures().attempts_open == 0);
  // A Gemini client's tool does not reach this provider: its requests are translated, and the loss
  // is counted.
  bench.expect_answer();
  const auto dropped =
      bench.ask(R"({"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"googleSearch":{}}]})",
                "/v1beta/models/cheap/dated:generateContent");
  CHECK(dropped.head.status == 200);
  REQUIRE(bench.upstream->sent.size() == 1);
  CHECK(bench.upstream->sent[0]->body.find("oogle") == std::string::npos);
}
