#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;

TEST_CASE("a streamed answer goes through and is settled at its usage", "[gateway]") {
  Bench bench;
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(streamed);
  CHECK(sink.began);
  CHECK(sink.finished);
  CHECK(sink.body.find("Hello") != std::string::npos);
  CHECK(sink.body.ends_with(done));
  CHECK(sink.body.find("usage\":{") == std::string::npos);  // not asked for
  CHECK(sink.header("x-turnpike-model") == "cheap/small");
  REQUIRE(bench.upstream->sent.size() == 1);
  CHECK(bench.upstream->sent[0]->body.find(R"("include_usage":true)") != std::string::npos);
  CHECK(bench.upstream->sent[0]->body.find(R"("model":"small")") != std::string::npos);
  CHECK(bench.figures().settled.nano() == exact_cost_nano);
  CHECK(bench.figures().reserved.nano() == 0);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("a whole answer carries its cost and decision in headers", "[gateway]") {
  Bench bench;
  Script script;
  script.head.content_type = "application/json";
  script.chunks = {"\n\n" + whole_answer.substr(0, 40), whole_answer.substr(40)};
  bench.upstream->expect(script);
  const auto sink = bench.ask(whole);
  CHECK(sink.replied);
  CHECK(sink.head.status == 200);
  CHECK(sink.body == whole_answer);
  CHECK(sink.header("x-turnpike-cost") == "0.00012");
  CHECK(sink.header("x-turnpike-decision").size() == 26);
  REQUIRE(bench.ledger->flush());
  CHECK(bench.ledger->decision_json(sink.header("x-turnpike-decision")).has_value());
}

TEST_CASE("U1, U7, U9: a target that fails before content gives way to the next, and both attempts are settled", "[gateway][U1][U7][U9]") {
  Bench bench;
  const auto failure = GENERATE(0, 1, 2, 3);
  Script first;
  if (failure == 0) first = refused(503, R"({"error":{"message":"overloaded"}})");
  if (failure == 1) first.head_error = upstream_error(502, Retry::next_candidate, "connect_failed", "refused"), first.fully_sent = false;
  if (failure == 2) first.chunks = {R"(data: {"error":{"message":"overloaded","type":"overloaded_error"}})" "\n\n"};
  if (failure == 3) first.end = std::unexpected{upstream_error(502, Retry::next_candidate, "upstream_closed", "reset")};
  CAPTURE(failure);
  bench.upstream->expect(first);
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(streamed);
  CHECK(sink.body.find("Hello") != std::string::npos);
  CHECK(sink.body.find("error") == std::string::npos);
  CHECK(sink.header("x-turnpike-model") == "strong/large");
  REQUIRE(bench.upstream->sent.size() == 2);
  CHECK(bench.upstream->sent[0]->provider == "cheap");
  CHECK(bench.upstream->sent[1]->provider == "strong");
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().reserved.nano() == 0);
  CHECK(bench.figures().settled.nano() >= 10 * exact_cost_nano);
}

TEST_CASE("U7: a stream that breaks after content ends with an error event and never with DONE", "[gateway][U7]") {
  Bench bench;
  Script script;
  script.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
  const bool tidy = GENERATE(true, false);
  if (!tidy) script.end = std::unexpected{upstream_error(502, Retry::next_candidate, "upstream_closed", "reset")};
  bench.upstream->expect(script);
  const auto sink = bench.ask(streamed);
  CHECK(sink.body.find("Hel") != std::string::npos);
  CHECK(sink.body.find(R"(data: {"error":)") != std::string::npos);
  CHECK(sink.body.find("[DONE]") == std::string::npos);
  CHECK(bench.upstream->sent.size() == 1);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().estimated == 1);
}

TEST_CASE("a failure in the same read as the first content still gives way to the next target", "[gateway]") {
  Bench bench;
  Script script;
  script.chunks = {chunk(R"({"role":"assistant","content":"Hel"})") + "data: {broken\n\n"};
  bench.upstream->expect(script);
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(streamed);
  CHECK(bench.upstream->sent.size() == 2);
  CHECK(sink.body.find("error") == std::string::npos);
  CHECK(sink.body.ends_with(done));
  CHECK(sink.body.find("Hello") != std::string::npos);
}

TEST_CASE("shutdown tells the client in its dialect and settles the attempt", "[gateway]") {
  Bench bench;
  Script script;
  script.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
  script.hold_open = true;
  bench.upstream->expect(script);
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run();
  REQUIRE(bench.figures().attempts_open == 1);
  bench.gateway->end_all();
  bench.run();
  CHECK(sink.body.find("gateway_draining") != std::string::npos);
  CHECK(sink.body.find("[DONE]") == std::string::npos);
  CHECK(sink.finished);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("a redirect is a refusal without usage and costs nothing", "[gateway]") {
  Bench bench;
  Script script;
  script.head_error = upstream_error(502, Retry::next_candidate, "bad_upstream", "302");
  bench.upstream->expect(script);
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(streamed);
  CHECK(sink.body.ends_with(done));
  CHECK(bench.figures().estimated == 0);
  CHECK(bench.figures().settled.nano() == 10 * exact_cost_nano);
}

TEST_CASE("a client that leaves stops the call, and what was used is booked as an estimate", "[gateway]") {
  Bench bench;
  Script script;
  script.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
  script.hold_open = true;
  bench.upstream->expect(script);
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run();
  REQUIRE(sink.began);
  CHECK(bench.figures().attempts_open == 1);
  sink.leave();
  bench.run();
  CHECK(bench.upstream->sent[0]->cancelled);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().estimated == 1);
}

TEST_CASE("a slow client pauses the stream and loses nothing", "[gateway]") {
  Bench bench;
  Script script = good_stream();
  script.chunks.insert(script.chunks.begin() + 2, 100, chunk(R"({"content":"0123456789"})"));
  bench.upstream->expect(script);
  RecordingSink sink;
  sink.full_above = 1000;
  bench.start(streamed, sink);
  bench.run();
  CHECK(sink.body.size() < 2500);
  for (int i = 0; i < 200 && !sink.finished; ++i) {
    sink.drain();
    bench.run();
  }
  CHECK(sink.finished);
  CHECK(sink.body.ends_with(done));
  CHECK(bench.figures().settled.nano() == exact_cost_nano);
}

TEST_CASE("silence is broken by heartbeats and, in the end, by an error", "[gateway]") {
  Bench bench;
  Script script;
  script.chunks = {": keep-alive\n\n"};
  script.hold_open = true;
  bench.upstream->expect(script);
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run();
  CHECK_FALSE(sink.began);
  bench.clock.advance(std::chrono::seconds{46});
  bench.gateway->on_tick(bench.clock.monotonic());
  CHECK(sink.began);  // clients give up without a head
  CHECK(sink.body.find(R"("choices":[])") != std::string::npos);
  bench.clock.advance(std::chrono::seconds{300});
  bench.gateway->on_tick(bench.clock.monotonic());
  bench.run();
  CHECK(sink.body.find("timeout_first_content") != std::string::npos);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("U5: a head and then comments alone is given up after the first-content time-out, and the next target serves", "[gateway][U5]") {
  std::string impatient = cheap_provider;
  const std::string url = "base_url = \"http://127.0.0.1:1\"\n";
  impatient.insert(impatient.find(url) + url.size(), "timeouts = { first_content_ms = 10000 }\n");
  Bench bench{impatient};
  Script script;
  script.chunks = {": keep-alive\n\n"};
  script.hold_open = true;
  bench.upstream->expect(script);
  bench.upstream->expect(good_stream());
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run();
  bench.clock.advance(std::chrono::milliseconds{9'900});
  bench.gateway->on_tick(bench.clock.monotonic());
  bench.run();
  REQUIRE(bench.upstream->sent.size() == 1);
  bench.clock.advance(std::chrono::milliseconds{200});
  bench.gateway->on_tick(bench.clock.monotonic());
  bench.run();
  CHECK(sink.body.ends_with(done));
  CHECK(sink.header("x-turnpike-model") == "strong/large");
  CHECK(sink.body.find("timeout") == std::string::npos);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("U8: a page or nothing in place of an answer goes to the next target, and is 502 if there is none", "[gateway][U8]") {
  const bool whole_one = GENERATE(false, true);
  Script page;
  page.head.content_type = GENERATE("text/html; charset=utf-8", "");
  if (!page.head.content_type.empty()) page.chunks = {"<html>Welcome</html>"};
  Script answer = good_stream();
  if (whole_one) {
    answer.head.content_type = "application/json";
    answer.chunks = {whole_answer};
  }
  CAPTURE(whole_one, page.head.content_type);
  Bench bench;
  bench.upstream->expect(page);
  bench.upstream->expect(answer);
  const auto sink = bench.ask(whole_one ? whole : streamed);
  CHECK(sink.head.status == 200);
  CHECK(sink.body.find("Hello") != std::string::npos);
  CHECK(sink.body.find("Welcome") == std::string::npos);
  CHECK(sink.header("x-turnpike-model") == "strong/large");
  for (int i = 0; i < 3; ++i) bench.upstream->expect(page);
  RecordingSink failed;
  bench.start(whole_one ? whole : streamed, failed);
  bench.run_until([&] { return failed.replied; });
  CHECK(failed.head.status == 502);
  CHECK(failed.body.find("Welcome") == std::string::npos);
}

TEST_CASE("a stream is no whole answer, and a whole answer no stream", "[gateway][U8]") {
  Bench bench;
  Script script;
  script.head.content_type = "text/event-stream";
  script.chunks = {whole_answer};
  Script right = script;
  right.head.content_type = "application/vnd.example+json; charset=utf-8";
  bench.upstream->expect(script);
  bench.upstream->expect(right);
  CHECK(bench.ask(whole).header("x-turnpike-model") == "strong/large");
  bench.upstream->expect(right);
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).header("x-turnpike-model") == "strong/large");
}

TEST_CASE("U11: a line of 64 MiB is cut at 8 MiB, before content and after, and memory stays", "[gateway][U11]") {
  const bool after_content = GENERATE(false, true);
  Bench bench;
  Script endless;
  if (after_content) endless.chunks.push_back(chunk(R"({"role":"assistant","content":"Hel"})"));
  endless.chunks.emplace_back("data: ");
  constexpr int pieces = 1024;  // of 64 KiB; one string, shown over and over
  endless.chunks.emplace_back(std::size_t{64} << 10U, 'x');
  endless.repeat_last = pieces;
  endless.hold_open = true;
  bench.upstream->expect(endless);
  bench.upstream->expect(good_stream());
  const auto rss = [] {
    std::ifstream statm{"/proc/self/statm"};
    std::size_t size = 0, resident = 0;
    statm >> size >> resident;
    return resident * 4096;
  };
  const std::size_t before = rss();
  const auto sink = bench.ask(streamed);
  CHECK(rss() - std::min(before, rss()) <= std::size_t{16} << 20U);
  CHECK(bench.upstream->sent[0]->delivered <= (std::size_t{8} << 20U) + (std::size_t{256} << 10U));
  if (after_content) {
    CHECK(bench.upstream->sent.size() == 1);
    CHECK(sink.body.find("[DONE]") == std::string::npos);
    CHECK(sink.body.find(R"("error":)") != std::string::npos);
  } else {
    CHECK(sink.body.ends_with(done));
  }
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("a spent budget refuses before anything is sent", "[gateway]") {
  Bench bench;
  bench.budget("0.000001");
  const auto sink = bench.ask(whole);
  CHECK(sink.head.status == 402);
  CHECK(sink.header("x-should-retry") == "false");
  CHECK(sink.body.find("budget_exhausted") != std::string::npos);
  CHECK(bench.upstream->sent.empty());
  CHECK(bench.figures().reserved.nano() == 0);
}

TEST_CASE("refusals of the request itself are returned and not retried elsewhere", "[gateway]") {
  Bench bench;
  bench.upstream->expect(refused(400, R"({"error":{"message":"messages[0]: bad thing","type":"invalid_request_error"}})"));
  const auto sink = bench.ask(whole);
  CHECK(sink.head.status == 400);
  CHECK(sink.body.find("bad thing") != std::string::npos);
  CHECK(bench.upstream->sent.size() == 1);
  CHECK(bench.figures().settled.nano() == 0);
}

TEST_CASE("a provider's refusal of our key is not shown as the client's", "[gateway]") {
  Bench bench;
  bench.upstream->expect(refused(401, R"({"error":{"message":"bad key sk-secret"}})"));
  bench.upstream->expect(refused(401, R"({"error":{"message":"bad key sk-secret"}})"));
  const auto sink = bench.ask(whole);
  CHECK(sink.head.status == 502);
  CHECK(sink.body.find("upstream_auth") != std::string::npos);
  CHECK(sink.body.find("sk-secret") == std::string::npos);
}

TEST_CASE("bad bodies are refused with a path, before any reserve", "[gateway]") {
  Bench bench;
  const auto [body, needle] = GENERATE(table<std::string, std::string>({{"", "body"},
                                                                         {"{", "JSON"},
                                                                         {R"({"model":"auto","messages":[],"model":"x"})", "model"},
                                                                         {R"({"model":"auto","max_tokens":"many","messages":[]})", "max_tokens"},
                                                                         {R"({"model":"auto","base_url":"http://evil","messages":[]})", "base_url"}}));
  const auto sink = bench.ask(body);
  CAPTURE(body, sink.body);
  CHECK(sink.head.status == 400);
  CHECK(sink.body.find(needle) != std::string::npos);
  CHECK(bench.upstream->sent.empty());
  CHECK(bench.figures().entries <= 3);
}

TEST_CASE("the head alone decides who may come in and where to", "[gateway]") {
  Bench bench;
  const auto status = [&](RequestHead head) {
    const auto verdict = bench.gateway->on_head(head);
    return verdict ? 0 : verdict.error().head.status;
  };
  CHECK(status(bench.head()) == 0);
  CHECK(status(bench.head("GET")) == 405);
  CHECK(status(bench.head("POST", "/v1/nothing")) == 404);
  CHECK(status(bench.head("POST", "/v1/messages")) == 0);
  CHECK(status(bench.head("POST", "/v1/responses")) == 0);
  CHECK(status(bench.head("GET", "/v1/responses/resp_1")) == 404);
  CHECK(status(bench.head("POST", "/v1beta/models/auto:streamGenerateContent")) == 400);
  auto stream = bench.head("POST", "/v1beta/models/auto:streamGenerateContent");
  stream.query = "alt=sse";
  CHECK(status(stream) == 0);
  CHECK(status(bench.head("HEAD", "/")) == 0);
  CHECK(status(bench.head("GET", "/v1/models")) == 0);
  auto head = bench.head();
  head.headers[1].second = "Bearer tp_nobody";
  CHECK(status(head) == 401);
  head = bench.head();
  head.headers[2].second = "text/plain";
  CHECK(status(head) == 415);
  head = bench.head();
  head.upgrade = true;
  CHECK(status(head) == 426);
  head = bench.head();
  head.query = "key=abc";
  CHECK(status(head) == 400);
}

TEST_CASE("each client dialect is answered in its own words, its model taken from where it says it", "[gateway]") {
  Bench bench;
  struct Case {
    const char* path;
    const char* body;
    const char* answer;  // what the client's answer must hold
  };
  const Case one = GENERATE(
      Case{"/v1/messages", R"({"model":"auto","max_tokens":50,"messages":[{"role":"user","content":"hi"}]})", R"("type":"message")"},
      Case{"/v1/responses", R"({"model":"auto","input":"hi","store":false})", R"("object":"response")"},
      Case{"/v1beta/models/auto:generateContent", R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})", R"("candidates":[)"},
      Case{"/v1/models/auto:generateContent", R"({"contents":[{"parts":[{"text":"hi"}]}]})", R"("finishReason":"STOP")"});
  CAPTURE(one.path);
  Script script;
  script.head.content_type = "application/json";
  script.chunks = {whole_answer};
  bench.upstream->expect(script);
  const auto sink = bench.ask(one.body, one.path);
  CHECK(sink.head.status == 200);
  CHECK(sink.body.find(one.answer) != std::string::npos);
  CHECK(sink.body.find("Hello") != std::string::npos);
  REQUIRE(bench.upstream->sent.size() == 1);
  CHECK(bench.upstream->sent[0]->path == "/chat/completions");
  CHECK(bench.upstream->sent[0]->body.find(R"("model":"small")") != std::string::npos);
  CHECK(bench.figures().settled.nano() == exact_cost_nano);
}

TEST_CASE("prompts are counted for the model that would answer, without a charge", "[gateway]") {
  Bench bench;
  const auto messages = bench.ask(R"({"model":"auto","messages":[{"role":"user","content":"How many tokens has this?"}]})", "/v1/messages/count_tokens");
  CHECK(messages.head.status == 200);
  CHECK(messages.body.starts_with(R"({"input_tokens":)"));
  CHECK(messages.header("x-turnpike-token-count") == "estimate");
  CHECK(messages.header("x-turnpike-model") == "cheap/small");
  const auto gemini = bench.ask(R"({"contents":[{"parts":[{"text":"How many tokens has this?"}]}]})", "/v1beta/models/auto:countTokens");
  CHECK(gemini.body.starts_with(R"({"totalTokens":)"));
  CHECK(bench.upstream->sent.empty());
  CHECK(bench.figures().settled.nano() == 0);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("an answer that no provider keeps cannot be continued by its id", "[gateway]") {
  Bench bench;
  const auto sink = bench.ask(R"({"model":"auto","input":"go on","previous_response_id":"resp_nobody"})", "/v1/responses");
  CHECK(sink.head.status == 400);
  CHECK(sink.body.find("previous_response_id") != std::string::npos);
  CHECK(bench.upstream->sent.empty());
}

TEST_CASE("the beginning of a conversation is held at what it was billed", "[gateway][bound]") {
  Bench bench;
  const std::string long_text(20'000, 'x');
  const auto body = [&](const std::string& more) {
    return R"({"model":"auto","stream":true,"max_tokens":50,"messages":[{"role":"user","content":")" + long_text + R"("})" + more + "]}";
  };
  const std::string next = R"(,{"role":"assistant","content":"Hello"},{"role":"user","content":"Go on."})";
  const auto attempt_of = [&](const std::string& asked) {
    bench.upstream->expect(good_stream());
    const auto sink = bench.ask(asked);
    REQUIRE(bench.ledger->flush());
    return bench.ledger->decision_json(sink.header("x-turnpike-decision")).value_or("");
  };
  const auto first = attempt_of(body(""));
  // 20,000 bytes of text, the frame and one message.
  CHECK(first.find("\"prompt_tokens_bound\":" + std::to_string(20'000 + 1024 + 16) + ",") != std::string::npos);
  CHECK(first.find("prompt_tokens_known") == std::string::npos);
  // The script bills 100 tokens. Then "Hello" and "Go on." are new.
  const auto second = attempt_of(body(next));
  CHECK(second.find("\"prompt_tokens_bound\":" + std::to_string(100 + 11 + 1024 + 2 * 16) + ",\"prompt_tokens_known\":100") != std::string::npos);
  // Another conversation's beginning is not known.
  const auto other = attempt_of(R"({"model":"auto","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"y)" + long_text + R"("}]})");
  CHECK(other.find("prompt_tokens_known") == std::string::npos);
}

TEST_CASE("a known beginning lets a request through that its bytes would not", "[gateway][bound]") {
  Bench bench;
  bench.budget("0.0215");  // 20,000 bytes at a microcredit, 50 tokens of output at two, and little else
  const std::string ask = R"({"model":"auto","max_tokens":50,"stream":true,"messages":[{"role":"user","content":")" + std::string(20'000, 'x') + R"("})";
  bench.upstream->expect(good_stream());
  CHECK(bench.ask(ask + "]}").header("x-turnpike-model") == "cheap/small");
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(ask + R"(,{"role":"assistant","content":"Hello"},{"role":"user","content":")" + std::string(5'000, 'y') + R"("}]})");
  CHECK(sink.header("x-turnpike-model") == "cheap/small");
  CHECK(bench.figures().refused_exhausted + bench.figures().refused_contended == 0);
}

TEST_CASE("a capped answer is asked for with its cap, and nothing is sent before the reservation", "[gateway][bound]") {
  std::string roomy = cheap_provider;
  roomy.replace(roomy.find("output_tokens_max = 1000"), 24, "output_tokens_max = 4000");
  Bench bench{roomy};
  bench.budget("0.004");
  bench.upstream->expect(good_stream());
  const auto sink = bench.ask(R"({"model":"auto","stream":true,"messages":[{"role":"user","content":"hi"}]})");
  const auto cap = sink.header("x-turnpike-max-tokens");
  CHECK(cap == std::to_string((4000 - (2 + 1024 + 16)) / 2));  // microcredits left for output, at two each
  REQUIRE(bench.upstream->sent.size() == 1);
  CHECK(bench.upstream->sent[0]->body.find("\"max_tokens\":" + cap) != std::string::npos);
}

TEST_CASE("errors come in the dialect of the path", "[gateway]") {
  Bench bench;
  CHECK(bench.ask("{", "/v1/messages").body.starts_with(R"({"type":"error","error":{"type":"invalid_request_error")"));
  CHECK(bench.ask("{", "/v1beta/models/auto:generateContent").body.starts_with(R"({"error":{"code":400)"));
  CHECK(bench.ask("{", "/v1/responses").body.starts_with(R"({"error":{"message":)"));
}
