#include "dialect/encode_gemini.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "dialect/response_translator.hpp"
#include "gemini_stream_checker.hpp"
#include "recorded_answers.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

namespace fs = std::filesystem;

using Problems = std::vector<std::string>;

StreamOptions gemini_options() {
  StreamOptions options = chat_options();
  options.client = Dialect::gemini_generate;
  options.id = "resp-test";
  return options;
}

BlockStart block(std::int32_t number, BlockKind kind, std::string_view id = {},
                 std::string_view name = {}) {
  BlockStart start;
  start.block = number;
  start.kind = kind;
  start.id = id;
  start.name = name;
  return start;
}

BlockStart call(std::int32_t number, std::string_view id) {
  return block(number, BlockKind::tool_call, id, "f");
}

Delta piece(std::int32_t number, std::string_view bytes, BlockKind kind = BlockKind::text) {
  return {0, number, kind, bytes};
}

Delta arguments(std::int32_t number, std::string_view bytes) {
  return piece(number, bytes, BlockKind::tool_call);
}

/// A Gemini client that is told events one by one.
struct Client {
  explicit Client(StreamOptions asked = gemini_options())
      : options(std::move(asked)), encoder(make_gemini_stream_encoder(options, candidate)) {}

  std::optional<Error> say(const std::vector<StreamEvent>& events) {
    for (const auto& event : events) {
      if (auto fault = encoder->encode(event, out)) return fault;
    }
    return std::nullopt;
  }
  [[nodiscard]] GeminiStreamChecker checked() const { return GeminiStreamChecker{out}; }
  /// The parts of all events but the last: "thought:a text:b call:id{args}".
  [[nodiscard]] std::string outline() const {
    std::string line;
    for (const auto& data : sse_data(out)) {
      for (const Json& entry : at_or_null(Json::parse(data), "candidates")) {
        if (entry.contains("finishReason")) continue;
        const Json& part = entry["content"]["parts"][0];
        if (!line.empty()) line += ' ';
        if (part.contains("functionCall")) {
          line +=
              "call:" + text_at(part["functionCall"], "id") + part["functionCall"]["args"].dump();
        } else {
          line += (part.contains("thought") ? "thought:" : "text:") + text_at(part, "text");
        }
      }
    }
    return line;
  }

  Candidate candidate = candidate_for(Dialect::anthropic_messages);
  StreamOptions options;
  std::string out;
  std::unique_ptr<StreamEncoder> encoder;
};

/// The whole answer of the same events.
Result<std::string> body_of(const std::vector<StreamEvent>& events,
                            const StreamOptions& options = gemini_options()) {
  const Candidate candidate = candidate_for(Dialect::anthropic_messages);
  const auto encoder = make_gemini_body_encoder(options, candidate);
  for (const auto& event : events) encoder->encode(event);
  return encoder->body();
}

Reading checked_body(const std::string& body) {
  GeminiResponseChecker checker;
  checker.check(Json::parse(body));
  CHECK(checker.problems() == Problems{});
  CHECK(checker.finished().size() == checker.seen().size());
  return checker.reading();
}

}  // namespace

TEST_CASE("text leaves as it comes, the end with its reason and counters", "[dialect][gemini]") {
  Client client;
  client.say({Start{"id", "model"}, block(0, BlockKind::text)});
  CHECK(client.out.empty());
  client.say({piece(0, "Hel")});
  CHECK(client.out ==
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel\"}],\"role\":\"model\"},"
        "\"index\":0}],\"modelVersion\":\"auto\",\"responseId\":\"resp-test\"}\r\n\r\n");
  client.out.clear();
  const Usage usage{10, 20, 3, 4, 5, 6};
  client.say({piece(0, "lo"), BlockStop{0, 0}, UsageReport{usage}, Stop{0, StopReason::natural}});
  CHECK(client.checked().terminal().empty());
  client.say({End{}});
  CHECK(client.out.ends_with(
      "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},"
      "\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":37,"
      "\"cachedContentTokenCount\":20,\"candidatesTokenCount\":5,\"thoughtsTokenCount\":6,"
      "\"totalTokenCount\":48},\"modelVersion\":\"auto\",\"responseId\":\"resp-test\"}\r\n\r\n"));
  CHECK(client.checked().problems() == Problems{});
}

TEST_CASE("thoughts are marked, and only those who asked get them", "[dialect][gemini]") {
  const std::vector<StreamEvent> events{block(0, BlockKind::reasoning),
                                        piece(0, "Hm.", BlockKind::reasoning),
                                        BlockStop{0, 0},
                                        block(1, BlockKind::text),
                                        piece(1, "Yes."),
                                        BlockStop{0, 1},
                                        Stop{0, StopReason::natural},
                                        End{}};
  Client asked;
  asked.say(events);
  CHECK(asked.outline() == "thought:Hm. text:Yes.");
  CHECK(asked.checked().problems() == Problems{});
  CHECK(checked_body(*body_of(events)).reasoning == "Hm.");
  StreamOptions options = gemini_options();
  options.include_reasoning = false;
  Client other{options};
  other.say({events[0], events[1]});
  CHECK(other.out.empty());
  other.say({events.begin() + 2, events.end()});
  CHECK(other.outline() == "text:Yes.");
  CHECK(body_of(events, options)->find("Hm.") == std::string::npos);
}

TEST_CASE("a call is one whole part with the gateway's token", "[dialect][gemini]") {
  Client client;
  const std::vector<StreamEvent> events{call(0, "toolu_1"), arguments(0, "{\"a\":"),
                                        arguments(0, "1e3 }"), BlockStop{0, 0}};
  client.say({events.begin(), events.begin() + 3});
  CHECK(client.out.empty());
  client.say({events[3]});
  const auto part = Json::parse(sse_data(client.out).at(0))["candidates"][0]["content"]["parts"][0];
  CHECK(part["functionCall"]["name"] == "f");
  CHECK(client.out.find(R"("args":{"a":1e3 })") != std::string::npos);
  const auto tag = read_issuer_tag(text_at(part, "thoughtSignature"));
  REQUIRE(tag.has_value());
  CHECK(*tag == IssuerTag{"anthropic", "claude-5.5", "toolu_1"});
  client.say({Stop{0, StopReason::tool_calls}, End{}});
  CHECK(client.checked().problems() == Problems{});
  CHECK(client.checked().finished().at(0) == "STOP");
  CHECK(client.checked().reading().finish == "tool_calls");
}

TEST_CASE("what begins behind a call waits for it", "[dialect][gemini]") {
  Client client;
  client.say({block(0, BlockKind::text), piece(0, "a"), call(1, "c1"), arguments(1, "{"),
              call(2, "c2"), arguments(2, "{\"x\":2}"), BlockStop{0, 2}, block(3, BlockKind::text),
              piece(3, "b"), piece(0, "A")});
  CHECK(client.outline() == "text:a text:A");
  client.say({arguments(1, "}"), BlockStop{0, 1}});
  CHECK(client.outline() == R"(text:a text:A call:c1{} call:c2{"x":2} text:b)");
  client.say({piece(3, "B"), BlockStop{0, 3}, Stop{0, StopReason::tool_calls}, End{}});
  CHECK(client.outline() == R"(text:a text:A call:c1{} call:c2{"x":2} text:b text:B)");
  CHECK(client.checked().problems() == Problems{});
}

TEST_CASE("calls without arguments have an empty object, of whatever kind the nothing is",
          "[dialect][gemini]") {
  for (const std::string_view nothing : {"", " \n", "{}", "{ }"}) {
    const std::vector<StreamEvent> events{call(0, "c1"), arguments(0, nothing), BlockStop{0, 0},
                                          Stop{0, StopReason::tool_calls}, End{}};
    Client client;
    CHECK_FALSE(client.say(events));
    CHECK(client.outline() == "call:c1{}");
    CHECK(checked_body(*body_of(events)).calls.at(0).arguments == "{}");
  }
}

TEST_CASE("a call whose arguments are no object is an error, not a call", "[dialect][gemini]") {
  for (const std::string_view broken : {"{\"a\":", "[1]", "null", "\"{}\"", "{} {}", "nonsense"}) {
    INFO(broken);
    const std::vector<StreamEvent> events{call(0, "c1"), arguments(0, broken), BlockStop{0, 0},
                                          Stop{0, StopReason::tool_calls}, End{}};
    Client client;
    const auto fault = client.say(events);
    REQUIRE(fault.has_value());
    CHECK(fault->code == "bad_upstream_output");
    CHECK(fault->retry == Retry::next_candidate);
    CHECK(client.out.empty());
    const auto body = body_of(events);
    REQUIRE_FALSE(body.has_value());
    CHECK(body.error().code == "bad_upstream_output");
  }
}

TEST_CASE("a call that a limit or a filter has cut never reaches the client", "[dialect][gemini]") {
  for (const auto reason : {StopReason::length, StopReason::content_filter}) {
    for (const std::string_view cut : {"", "{\"path\":\"a", "{\"path\":"}) {
      const std::vector<StreamEvent> events{block(0, BlockKind::text),
                                            piece(0, "I look."),
                                            BlockStop{0, 0},
                                            call(1, "c1"),
                                            arguments(1, "{\"a\":1}"),
                                            BlockStop{0, 1},
                                            call(2, "c2"),
                                            arguments(2, cut),
                                            BlockStop{0, 2},
                                            Stop{0, reason},
                                            End{}};
      Client client;
      CHECK_FALSE(client.say(events));
      CHECK(client.outline() == R"(text:I look. call:c1{"a":1})");
      CHECK(client.checked().problems() == Problems{});
      const auto* word = reason == StopReason::length ? "MAX_TOKENS" : "SAFETY";
      CHECK(client.checked().finished().at(0) == word);
      CHECK(checked_body(*body_of(events)).calls.size() == 1);
    }
  }
}

TEST_CASE("every reason has its word, and a refusal is one of safety", "[dialect][gemini]") {
  const auto word = [](BlockKind kind, StopReason reason) {
    const std::vector<StreamEvent> events{block(0, kind), piece(0, "x", kind), BlockStop{0, 0},
                                          Stop{0, reason}, End{}};
    Client client;
    client.say(events);
    const auto finished = client.checked().finished().at(0);
    CHECK(Json::parse(*body_of(events))["candidates"][0]["finishReason"] == finished);
    return finished;
  };
  CHECK(word(BlockKind::text, StopReason::natural) == "STOP");
  CHECK(word(BlockKind::text, StopReason::stop_sequence) == "STOP");
  CHECK(word(BlockKind::text, StopReason::pause) == "STOP");
  CHECK(word(BlockKind::text, StopReason::length) == "MAX_TOKENS");
  CHECK(word(BlockKind::text, StopReason::content_filter) == "SAFETY");
  CHECK(word(BlockKind::refusal, StopReason::natural) == "SAFETY");
}

TEST_CASE("several candidates go their own ways and end together", "[dialect][gemini]") {
  Client client;
  client.say({BlockStart{1, 0, BlockKind::text, {}, {}}, Delta{1, 0, BlockKind::text, "b"},
              BlockStart{0, 0, BlockKind::text, {}, {}}, Delta{0, 0, BlockKind::text, "a"},
              BlockStop{1, 0}, Stop{1, StopReason::length}, Delta{0, 0, BlockKind::text, "A"},
              BlockStop{0, 0}, Stop{0, StopReason::natural}, End{}});
  const auto checked = client.checked();
  CHECK(checked.problems() == Problems{});
  CHECK(checked.finished() == std::map<std::int64_t, std::string>{{0, "STOP"}, {1, "MAX_TOKENS"}});
  CHECK(checked.reading().text == "aA");
}

TEST_CASE("no line terminator of any alphabet stands raw in an event", "[dialect][gemini]") {
  const std::string text =
      "a\xE2\x80\xA8"
      "b\xE2\x80\xA9"
      "c\r\n\xE2\x80\xA6";
  const std::vector<StreamEvent> events{
      block(0, BlockKind::text),
      piece(0, text),
      BlockStop{0, 0},
      block(1, BlockKind::tool_call, "c\xE2\x80\xA8", "f\xE2\x80\xA9"),
      arguments(1, "{\r\n \"a\":\t\"x\xE2\x80\xA8y\xE2\x80\xA9\\n\",\n \"b\":\"\\ud800\"}\n"),
      BlockStop{0, 1},
      Stop{0, StopReason::tool_calls},
      End{}};
  StreamOptions options = gemini_options();
  options.model = "m\xE2\x80\xA8";
  Client client{options};
  CHECK_FALSE(client.say(events));
  client.encoder->heartbeat(client.out);
  const auto checked = GeminiStreamChecker{client.out.substr(0, client.out.rfind("data: "))};
  CHECK(checked.problems() == Problems{});
  CHECK(checked.reading().text == text);
  const Json arguments_read = Json::parse(checked.reading().calls.at(0).arguments);
  CHECK(text_at(arguments_read, "a") == "x\xE2\x80\xA8y\xE2\x80\xA9\n");
  CHECK(text_at(arguments_read, "b") == "\xEF\xBF\xBD");
  CHECK(client.out.find("\xE2\x80\xA8") == std::string::npos);
  const auto body = body_of(events, options);
  CHECK(body->find("\xE2\x80\xA9") == std::string::npos);
  CHECK(checked_body(*body).text == text);
}

TEST_CASE("heartbeats have no candidates and may come at any time", "[dialect][gemini]") {
  Client client;
  client.encoder->heartbeat(client.out);
  CHECK(client.out ==
        "data: {\"candidates\":[],\"modelVersion\":\"auto\",\"responseId\":\"resp-test\"}\r\n\r\n");
  client.say({block(0, BlockKind::text), piece(0, "a")});
  client.encoder->heartbeat(client.out);
  client.say({BlockStop{0, 0}, Stop{0, StopReason::natural}, End{}});
  CHECK(client.checked().problems() == Problems{});
  CHECK(client.checked().heartbeats() == 2);
}

TEST_CASE("an error is the last event and no finish reason comes with it", "[dialect][gemini]") {
  Client client;
  client.say(
      {block(0, BlockKind::text), piece(0, "a"), BlockStop{0, 0}, Stop{0, StopReason::natural}});
  client.encoder->fail(upstream_error(503, Retry::never, "overloaded", "Busy\xE2\x80\xA8."),
                       client.out);
  const auto checked = client.checked();
  CHECK(checked.problems() == Problems{});
  CHECK(checked.terminal() == "error");
  CHECK(checked.error().at("code") == 503);
  CHECK(checked.error().at("status") == "UNAVAILABLE");
}

TEST_CASE("an answer without usage tells none", "[dialect][gemini]") {
  Client client;
  client.say({block(0, BlockKind::text), piece(0, "a"), BlockStop{0, 0},
              Stop{0, StopReason::natural}, End{}});
  CHECK(client.out.find("usageMetadata") == std::string::npos);
}

// ---- through the translators

namespace {

void compare_calls(const Reading& expected, const Reading& got) {
  REQUIRE(got.calls.size() == expected.calls.size());
  for (std::size_t i = 0; i < got.calls.size(); ++i) {
    CHECK(got.calls[i].name == expected.calls[i].name);
    if (!expected.calls[i].id.empty()) CHECK(got.calls[i].id == expected.calls[i].id);
    const Json wanted = Json::parse(expected.calls[i].arguments, nullptr, false);
    if (wanted.is_object()) CHECK(Json::parse(got.calls[i].arguments) == wanted);
  }
}

void compare(const Reading& expected, const Reading& got) {
  CHECK(got.text == expected.text + expected.refusal);  // there is no other place for it
  CHECK(got.reasoning == expected.reasoning);
  CHECK(got.finish == (expected.refusal.empty() ? expected.finish : "content_filter"));
  compare_calls(expected, got);
  CHECK(got.input == expected.input);
  if (expected.input < 0) return;
  CHECK(got.cached == expected.cached);
  CHECK(got.output >= expected.output);  // some count reasoning outside of it
  CHECK(got.reasoning_tokens >= expected.reasoning_tokens);
}

void check_cuts(const Candidate& candidate, const std::string& body, const std::string& whole) {
  const std::string_view text{body};
  CHECK(run_bytes(candidate, gemini_options(), body).out == whole);
  for (const std::size_t width : {2U, 7U, 64U, 4096U}) {
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < text.size(); at += width)
      pieces.push_back(text.substr(at, width));
    CHECK(run_pieces(candidate, gemini_options(), pieces).out == whole);
  }
}

void replay_stream(const Candidate& candidate, const std::string& body) {
  const Reading expected = read_provider_stream(candidate.dialect, body);
  const StreamRun run = run_whole(candidate, gemini_options(), body);
  check_cuts(candidate, body, run.out);
  const GeminiStreamChecker checker{run.out};
  CHECK(checker.problems() == Problems{});
  if (expected.error) {
    CHECK(run.failure.has_value());
    CHECK(checker.terminal() == (run.started ? "error" : ""));
    return;
  }
  CHECK(run.complete);
  CHECK(checker.terminal() == "finish");
  compare(expected, checker.reading());
}

/// However much of the stream has come: no end that is none, no call that is not whole.
void truncate_stream(const Candidate& candidate, const std::string& body, const Reading& expected) {
  const std::size_t step = body.size() / 40 + 1;
  for (std::size_t length = 0; length < body.size(); length += step) {
    INFO("truncated to " << length << " bytes");
    const StreamRun run =
        run_whole(candidate, gemini_options(), std::string_view{body}.substr(0, length));
    const GeminiStreamChecker checker{run.out};
    CHECK(checker.problems() == Problems{});
    for (std::size_t i = 0; i < checker.reading().calls.size(); ++i) {
      const Json whole = Json::parse(expected.calls.at(i).arguments, nullptr, false);
      if (whole.is_object()) CHECK(Json::parse(checker.reading().calls[i].arguments) == whole);
    }
    if (run.complete) continue;  // the rest is trailing usage or nothing
    CHECK(run.failure.has_value());
    CHECK(checker.terminal() == (run.started ? "error" : ""));
  }
}

bool is_translated(const Json& answer) {
  return !answer.contains("skip") && answer.at("dialect") != "gemini-generate";
}

Candidate maker_of(const Json& answer) {
  return candidate_for(*parse_dialect(answer.at("dialect").get<std::string>()));
}

}  // namespace

TEST_CASE("recorded streams reach Gemini clients with nothing lost, however they are cut",
          "[dialect][gemini][replay]") {
  int streams = 0;
  for (const Json& answer : recorded_answers()) {
    if (!is_translated(answer) || answer.at("form") != "stream") continue;
    if (answer.at("dialect") == "openai-responses") continue;  // another test's recordings
    INFO(answer.at("case") << " " << answer.at("part"));
    const std::string body = answer.at("body").get<std::string>();
    const Candidate candidate = maker_of(answer);
    replay_stream(candidate, body);
    truncate_stream(candidate, body, read_provider_stream(candidate.dialect, body));
    ++streams;
  }
  if (streams > 0) CHECK(streams > 40);
}

TEST_CASE("recorded whole answers reach Gemini clients with nothing lost",
          "[dialect][gemini][replay]") {
  int answers = 0;
  for (const Json& answer : recorded_answers()) {
    if (!is_translated(answer) || answer.at("form") != "whole") continue;
    if (answer.at("dialect") == "openai-responses") continue;
    INFO(answer.at("case") << " " << answer.at("part"));
    const Candidate candidate = maker_of(answer);
    const auto translated =
        translate_response(candidate, gemini_options(), answer.at("body").get<std::string>());
    REQUIRE(translated.has_value());
    compare(read_provider_body(candidate.dialect, answer.at("body").get<std::string>()),
            checked_body(translated->body));
    ++answers;
  }
  if (answers > 0) CHECK(answers > 20);
}

/// TURNPIKE_GOLDEN_WRITE=1 writes the expected files anew; read the difference before committing
/// it.
TEST_CASE("golden streams come out for Gemini clients as written", "[dialect][gemini][golden]") {
  int found = 0;
  for (const auto& entry :
       fs::directory_iterator{fs::path{TURNPIKE_SOURCE_DIR} / "tests/golden/streams"}) {
    const fs::path path = entry.path();
    const auto dialect = parse_dialect(path.stem().extension().string().erase(0, 1));
    if (path.extension() != ".sse" || !dialect || *dialect == Dialect::gemini_generate) continue;
    INFO(path.filename().string());
    std::ifstream file{path, std::ios::binary};
    const std::string stream{std::istreambuf_iterator<char>{file}, {}};
    const StreamRun run = run_whole(candidate_for(*dialect), gemini_options(), stream);
    const fs::path golden = fs::path{path}.replace_extension(".to-gemini.sse");
    if (std::getenv("TURNPIKE_GOLDEN_WRITE") != nullptr)
      std::ofstream{golden, std::ios::binary} << run.out;
    std::ifstream expected{golden, std::ios::binary};
    CHECK(run.out == std::string{std::istreambuf_iterator<char>{expected}, {}});
    CHECK(GeminiStreamChecker{run.out}.problems() == Problems{});
    CHECK(run.complete);
    ++found;
  }
  CHECK(found >= 2);
}

// ---- from Gemini: what its decoder makes of odd answers

TEST_CASE("Gemini's broken endings are failures that another target may still mend",
          "[dialect][gemini]") {
  const Candidate candidate = candidate_for(Dialect::gemini_generate);
  const auto failure_of = [&](const std::string& parts, const std::string& reason) {
    const StreamRun run = run_whole(
        candidate, chat_options(),
        gemini_events({R"({"candidates":[{"content":{"parts":[)" + parts +
                       R"(],"role":"model"},"finishReason":")" + reason + R"(","index":0}]})"}));
    CHECK(run.failure.has_value() == (run.out.find("[DONE]") == std::string::npos));
    return run.failure;
  };
  for (const std::string reason :
       {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE", "TOO_MANY_TOOL_CALLS", "OTHER", "A_NEW_ONE"}) {
    INFO(reason);
    const auto failure = failure_of("", reason);
    REQUIRE(failure.has_value());
    CHECK(failure->code == "bad_upstream_output");
    CHECK(failure->retry == Retry::next_candidate);
  }
  CHECK(failure_of("", "STOP").has_value());
  CHECK(failure_of(R"({"text":""})", "STOP").has_value());
  CHECK(failure_of(R"({"text":"only thought","thought":true})", "STOP").has_value());
  CHECK_FALSE(failure_of(R"({"text":"x"})", "STOP").has_value());
  CHECK_FALSE(failure_of("", "MAX_TOKENS").has_value());
}

TEST_CASE("signatures of several parts are never run into one", "[dialect][gemini]") {
  struct StillClock final : Clock {
    [[nodiscard]] Instant now() const override { return {}; }
    [[nodiscard]] Monotonic monotonic() const override { return {}; }
  };
  const StillClock clock;
  OpaqueStore store{clock};
  StreamOptions options = chat_options();
  options.opaque = &store;
  const auto candidate = candidate_for(Dialect::gemini_generate);
  const StreamRun run = run_whole(
      candidate, options,
      gemini_events(
          {R"({"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true},{"text":"a","thoughtSignature":"QUFB"}]}}]})",
           R"({"candidates":[{"content":{"parts":[{"text":"b"},{"text":"","thoughtSignature":"QkJC"}]},"finishReason":"STOP"}]})"}));
  CHECK(run.complete);
  const auto text = store.find("key-1", turn_key("ab"));
  REQUIRE(text.has_value());
  REQUIRE(text->blocks.size() == 1);
  CHECK(text->blocks[0].signature == "QkJC");
  const StreamRun calls = run_whole(
      candidate, options,
      gemini_events(
          {R"({"candidates":[{"content":{"parts":[{"text":"I look.","thoughtSignature":"QUFB"},{"functionCall":{"id":"c1","name":"f","args":{}},"thoughtSignature":"Q0ND"}]}}]})",
           R"({"candidates":[{"content":{"parts":[{"functionCall":{"id":"c2","name":"f","args":{}}},{"text":"","thoughtSignature":"RERE"}]},"finishReason":"STOP"}]})"}));
  CHECK(calls.complete);
  CHECK(store.find("key-1", "c1")->blocks.at(0).signature == "Q0ND");
  CHECK_FALSE(store.find("key-1", "c2"));
}

}  // namespace turnpike::dialect::test
