// Messages, Responses and Gemini with the same dialect on both sides: bytes out are bytes in, and
// what is broken or cut never looks whole.
#include <catch2/catch.hpp>

#include "answer_reading.hpp"
#include "recorded_answers.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

StreamOptions relay_options(Dialect dialect) {
  StreamOptions options = chat_options();
  options.client = dialect;
  return options;
}

StreamRun relay(Dialect dialect, std::string_view stream, const Result<void>& transport = {}) {
  return run_pieces(candidate_for(dialect), relay_options(dialect), {stream}, transport);
}

constexpr auto messages = Dialect::anthropic_messages;
constexpr auto responses = Dialect::openai_responses;
constexpr auto gemini = Dialect::gemini_generate;

const std::string claude_start = claude_events(
    {R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",)"
     R"("model":"claude-opus-5-5","content":[],"usage":{"input_tokens":9,"output_tokens":1}}})",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"});
const std::string claude_word = claude_events(
    {R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}  })"});
const std::string claude_end = claude_events(
    {R"({"type":"content_block_stop","index":0})",
     R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}})",
     R"({"type":"message_stop"})"});
const std::string claude_ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
const std::string claude_overloaded =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"details\":null,"
    "\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_1\"}\n\n";

const std::string gemini_word = gemini_events(
    {R"({"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"index":0}],"x":[1]})"});
const std::string gemini_end =
    gemini_events({R"({"candidates":[{"finishReason":"STOP","index":0}],"usageMetadata":)"
                   R"({"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4}})"});

std::string responses_event(int number, const std::string& type, const std::string& members = "") {
  return "event: " + type + "\ndata: {\"type\":\"" + type +
         "\",\"sequence_number\":" + std::to_string(number) + members + "}\n\n";
}

const std::string responses_start =
    responses_event(0, "response.created",
                    R"(,"response":{"id":"resp_1","model":"m","status":"in_progress"})") +
    responses_event(1, "response.output_item.added",
                    R"(,"output_index":0,"item":{"type":"message","id":"i","content":[]})") +
    responses_event(2, "response.content_part.added",
                    R"(,"output_index":0,"content_index":0,"part":{"type":"output_text",)"
                    R"("text":""})");
const std::string responses_word =
    responses_event(3, "response.output_text.delta",
                    R"(,"output_index":0,"content_index":0,"item_id":"i","delta":"Hi")");
const std::string responses_end = responses_event(
    4, "response.completed",
    R"(,"response":{"id":"resp_1","status":"completed","output":[{"type":"message","content":[)"
    R"({"type":"output_text","text":"Hi"}]}],"usage":{"input_tokens":3,"output_tokens":1}})");

struct Case {
  Dialect dialect;
  std::string start;
  std::string word;
  std::string end;
};

std::vector<Case> cases() {
  return {{messages, claude_start, claude_word, claude_end},
          {responses, responses_start, responses_word, responses_end},
          {gemini, "", gemini_word, gemini_end}};
}

/// What the client may take for a clean end.
bool looks_whole(Dialect dialect, const std::string& out) {
  if (dialect == messages) return out.find("event: message_stop") != std::string::npos;
  if (dialect == responses) return out.find("event: response.completed") != std::string::npos;
  return out.find("\"finishReason\"") != std::string::npos;
}

bool has_error(Dialect dialect, const std::string& out) {
  if (dialect == messages) return out.find("event: error\n") != std::string::npos;
  if (dialect == responses) return out.find("event: response.failed\n") != std::string::npos;
  return out.find("data: {\"error\":") != std::string::npos;
}

}  // namespace

TEST_CASE("what goes in comes out, to the byte", "[dialect][relay]") {
  for (const Case& kind : cases()) {
    const std::string stream = kind.start + kind.word + kind.word + kind.end;
    const StreamRun run = relay(kind.dialect, stream);
    CHECK(run.out == stream);
    CHECK(run.complete);
    CHECK(run.tally.usage_reported);
    CHECK(run.tally.output_bytes == 4);
    CHECK(run_bytes(candidate_for(kind.dialect), relay_options(kind.dialect), stream).out ==
          stream);
  }
}

TEST_CASE("nothing goes on before the first content", "[dialect][relay]") {
  for (const Case& kind : cases()) {
    StreamTranslator translator{candidate_for(kind.dialect), relay_options(kind.dialect)};
    std::string out;
    translator.feed(kind.start, out);
    translator.feed(": keep-alive\n\n", out);
    const std::string ping = kind.dialect == messages ? claude_ping : "";
    translator.feed(ping, out);
    CHECK(out.empty());
    CHECK_FALSE(translator.content_started());
    translator.feed(kind.word, out);
    CHECK(out == kind.start + ping + kind.word);
    CHECK(translator.content_started());
  }
}

TEST_CASE("unknown events, blocks and fields go on untouched", "[dialect][relay]") {
  const std::string foreign = claude_events(
      {R"({"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use",)"
       R"("id":"srvtoolu_1","name":"web_search","input":{}}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta",)"
       R"("partial_json":"{}"}})",
       R"({"type":"content_block_stop","index":0})",
       R"({"type":"brand_new","safeguards":[{"a":1e400}]})"});
  const std::string stream =
      claude_start.substr(0, claude_start.find("event: content_block_start")) + foreign;
  StreamTranslator translator{candidate_for(messages), relay_options(messages)};
  std::string out;
  translator.feed(stream, out);
  CHECK(out == stream);  // a block of the vendor's own is content: it is not held back
  CHECK(translator.content_started());
}

TEST_CASE("the provider's pings go on, its comments become the client's harmless event",
          "[dialect][relay]") {
  CHECK(relay(messages, claude_start + claude_word + claude_ping + claude_end).out ==
        claude_start + claude_word + claude_ping + claude_end);
  CHECK(relay(messages, claude_start + claude_word + ": keep-alive\n\n" + claude_end).out ==
        claude_start + claude_word + claude_ping + claude_end);
  CHECK(relay(gemini, gemini_word + ": keep-alive\n\n" + gemini_end).out ==
        gemini_word + "data: {\"candidates\": []}\r\n\r\n" + gemini_end);
  CHECK(
      relay(responses, responses_start + responses_word + ": keep-alive\n\n" + responses_end).out ==
      responses_start + responses_word + responses_event(3, "keepalive") + responses_end);
}

TEST_CASE("heartbeats before the beginning harm nobody", "[dialect][relay]") {
  const auto first_bytes = [](Dialect dialect) {
    StreamTranslator translator{candidate_for(dialect), relay_options(dialect)};
    std::string out;
    translator.feed(dialect == responses ? responses_start : "", out);
    translator.heartbeat(out);
    return out;
  };
  CHECK(first_bytes(messages) == claude_ping);
  CHECK(first_bytes(gemini) == "data: {\"candidates\": []}\r\n\r\n");
  CHECK(first_bytes(responses) == ": keep-alive\n\n");  // SDKs want response.created first
}

TEST_CASE("a broken event is not passed on and ends the stream in failure", "[dialect][relay]") {
  for (const Case& kind : cases()) {
    for (const std::string broken :
         {"data: {\"type\":\"content_block_delta\",\"in\n\n", "data: <html></html>\n\n",
          "data: [1,2]\n\n", "data: {\"a\":\"\xFF\"}\n\n"}) {
      INFO(to_string(kind.dialect) << " " << broken);
      const std::string begun = kind.start + kind.word;
      const StreamRun run = relay(kind.dialect, begun + broken + kind.end);
      CHECK(run.out.starts_with(begun));
      CHECK(run.out.find(broken) == std::string::npos);
      CHECK(has_error(kind.dialect, run.out));
      CHECK_FALSE(looks_whole(kind.dialect, run.out));
      CHECK_FALSE(run.complete);
      CHECK(run.failure->code == "bad_upstream");
      const StreamRun early = relay(kind.dialect, kind.start + broken);
      CHECK(early.out.empty());
      CHECK(early.failure->retry != Retry::never);
    }
  }
}

TEST_CASE("a stream cut at any byte never looks whole", "[dialect][relay]") {
  const Error reset = upstream_error(502, Retry::same_then_next, "upstream_reset", "reset");
  for (const Case& kind : cases()) {
    const std::string stream = kind.start + kind.word + kind.word + kind.end;
    // The last event counts as whole once its JSON is.
    const std::size_t whole = stream.find_last_of('}') + 1;
    const std::size_t last = stream.rfind(kind.dialect == gemini ? "data:" : "event:", whole);
    for (std::size_t length = 0; length < whole; ++length) {
      INFO(to_string(kind.dialect) << " cut to " << length << " of " << stream.size());
      const std::string_view begun = std::string_view{stream}.substr(0, length);
      const StreamRun run = relay(kind.dialect, begun);
      REQUIRE_FALSE(run.complete);
      REQUIRE(run.failure.has_value());
      REQUIRE(run.out.empty() == !run.started);
      REQUIRE(has_error(kind.dialect, run.out) == run.started);
      REQUIRE_FALSE(looks_whole(kind.dialect, run.out));
      const StreamRun broken = relay(kind.dialect, begun, std::unexpected{reset});
      REQUIRE(broken.failure.has_value());
      REQUIRE(has_error(kind.dialect, broken.out) == broken.started);
    }
    for (std::size_t length = whole; length < stream.size(); ++length) {
      const StreamRun run = relay(kind.dialect, std::string_view{stream}.substr(0, length));
      REQUIRE(run.complete);
      REQUIRE(run.out == stream);  // the blank line is completed
    }
    REQUIRE(relay(kind.dialect, std::string_view{stream}.substr(0, last)).failure.has_value());
  }
}

TEST_CASE("a web page or nothing at all is no answer", "[dialect][relay]") {
  for (const Case& kind : cases()) {
    for (const std::string nothing :
         {"", "\n\n", ": keep-alive\n\n", "<html>\n\n<body>502</body>\n\n</html>\n"}) {
      const StreamRun run = relay(kind.dialect, nothing);
      CHECK(run.out.empty());
      CHECK(run.failure.has_value());
      CHECK(run.failure->retry != Retry::never);
    }
  }
}

TEST_CASE("an error of Claude goes elsewhere before content and goes on as it came after it",
          "[dialect][relay]") {
  const StreamRun early = relay(messages, claude_start + claude_overloaded);
  CHECK(early.out.empty());
  CHECK(early.failure->retry != Retry::never);
  const StreamRun late = relay(messages, claude_start + claude_word + claude_overloaded);
  CHECK(late.out == claude_start + claude_word + claude_overloaded);
  CHECK(late.failure->code == "overloaded");
  CHECK_FALSE(late.complete);
}

TEST_CASE("a Responses error waits for its response.failed and gets one if none comes",
          "[dialect][relay]") {
  const std::string begun = responses_start + responses_word;
  const std::string error = responses_event(
      4, "error", R"(,"error":{"type":"server_error","code":"x","message":"boom"})");
  const std::string failed = responses_event(
      5, "response.failed",
      R"(,"response":{"id":"resp_1","status":"failed","error":{"code":"x","message":"boom"}})");
  CHECK(relay(responses, begun + error + failed).out == begun + error + failed);
  CHECK(relay(responses, begun + failed).out == begun + failed);
  const StreamRun alone = relay(responses, begun + error);
  CHECK(alone.out.starts_with(begun + error + "event: response.failed\n"));
  CHECK(alone.out.find(R"("sequence_number":5)") != std::string::npos);
  CHECK(alone.out.find(R"("id":"resp_1")", begun.size()) != std::string::npos);
  CHECK(alone.failure.has_value());
  CHECK(relay(responses, begun + error + responses_end).out == alone.out);
  CHECK(relay(responses, responses_start + error).out.empty());

  const StreamRun cut = relay(responses, begun);
  const std::vector<std::string> events = sse_data(cut.out);
  CHECK(Json::parse(events.at(events.size() - 2)).at("sequence_number") == 4);
  CHECK(Json::parse(events.back()).at("sequence_number") == 5);
  CHECK(Json::parse(events.back()).at("type") == "response.failed");
}

TEST_CASE("Gemini's own words for a broken call go on, before content they are a failure",
          "[dialect][relay]") {
  const std::string malformed = gemini_events(
      {R"({"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"x"}]})"});
  const StreamRun late = relay(gemini, gemini_word + malformed);
  CHECK(late.out == gemini_word + malformed);
  CHECK_FALSE(late.complete);
  CHECK(late.failure->code == "bad_upstream_output");
  CHECK(relay(gemini, malformed).out.empty());
  const std::string error =
      gemini_events({R"({"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}})"});
  CHECK(relay(gemini, gemini_word + error).out == gemini_word + error);
}

TEST_CASE("line separators that break Google's SDK are escaped, comments left out",
          "[dialect][relay]") {
  const std::string raw =
      gemini_events({"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\xE2\x80\xA8"
                     "b\xE2\x80\xA9\xE2\x80\x99\"}]}}]}"});
  const StreamRun run = relay(gemini, ": x\r\n" + raw + gemini_end);
  CHECK(run.out == gemini_events({"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""
                                  "a\\u2028b\\u2029\xE2\x80\x99\"}]}}]}"}) +
                       gemini_end);
  // Claude's clients mind neither.
  std::string claude = claude_word;
  claude.replace(claude.find("Hi"), 2, "a\xE2\x80\xA8");
  CHECK(relay(messages, claude_start + claude + claude_end).out ==
        claude_start + claude + claude_end);
}

TEST_CASE("a second beginning replaces the first before content and is an error after it",
          "[dialect][relay]") {
  CHECK(relay(messages, claude_start + claude_start + claude_word + claude_end).out ==
        claude_start + claude_word + claude_end);
  const StreamRun late =
      relay(messages, claude_start + claude_word + claude_start + claude_word + claude_end);
  CHECK(late.out.starts_with(claude_start + claude_word + "event: error\n"));
  CHECK(late.out.find("message_start", claude_start.size()) == std::string::npos);
  CHECK(late.failure->code == "bad_upstream");
  CHECK(relay(responses, responses_start + responses_start + responses_word + responses_end).out ==
        responses_start + responses_word + responses_end);
}

TEST_CASE("a provider that sends megabytes before its answer is given up", "[dialect][relay]") {
  StreamTranslator translator{candidate_for(messages), relay_options(messages)};
  std::string out;
  const std::string filler =
      claude_events({R"({"type":"brand_new","x":")" + std::string(1U << 20U, 'x') + "\"}"});
  translator.feed(claude_start, out);
  for (int i = 0; i < 9; ++i) translator.feed(filler, out);
  CHECK(out.empty());
  REQUIRE(translator.failure().has_value());
  CHECK(translator.failure()->retry == Retry::next_candidate);
}

TEST_CASE("the gateway's own end is told in each dialect, once", "[dialect][relay]") {
  for (const Case& kind : cases()) {
    StreamTranslator translator{candidate_for(kind.dialect), relay_options(kind.dialect)};
    std::string out;
    translator.feed(kind.start + kind.word, out);
    translator.fail(gateway_error(503, "draining", "The gateway is going away."), out);
    const std::string told = out;
    CHECK(has_error(kind.dialect, told));
    translator.fail(gateway_error(503, "draining", "again"), out);
    translator.feed(kind.end, out);
    translator.end({}, out);
    translator.heartbeat(out);
    CHECK(out == told);
  }
}

namespace {

/// Comments and second beginnings are not passed on: the one exception to "bytes out are bytes in".
bool is_plain(const std::string& stream) {
  const auto once = [&](std::string_view beginning) {
    return stream.find(beginning) == stream.rfind(beginning);
  };
  return stream.find("\n:") == std::string::npos && !stream.starts_with(":") &&
         once("event: message_start") && once("event: response.created") &&
         stream.find("\xE2\x80\xA8") == std::string::npos;
}

std::string_view without_end(std::string_view stream) {
  return stream.substr(0, stream.find_last_not_of("\r\n") + 1);
}

void replay_through(Dialect dialect, const std::string& body, std::size_t& whole) {
  const Candidate candidate = candidate_for(dialect);
  const StreamRun run = relay(dialect, body);
  for (const std::size_t width : {1U, 2U, 7U, 61U, 1000U}) {
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < body.size(); at += width) {
      pieces.push_back(std::string_view{body}.substr(at, width));
    }
    REQUIRE(run_pieces(candidate, relay_options(dialect), pieces).out == run.out);
  }
  if (!run.complete) {
    REQUIRE(run.failure.has_value());
    CHECK_FALSE(looks_whole(messages, run.out));
    return;
  }
  if (!is_plain(body)) return;
  INFO("differs at byte " << std::ranges::mismatch(run.out, body).in1 - run.out.begin());
  // Some recorders have lost the last blank line, or added one.
  CHECK((without_end(run.out) == without_end(body)));
  ++whole;
}

}  // namespace

TEST_CASE("recorded streams pass to the byte, however they are cut", "[dialect][relay][replay]") {
  std::map<Dialect, std::size_t> whole;
  bool any = false;
  for (const Json& answer : recorded_answers()) {
    if (answer.contains("skip") || answer.at("form") != "stream") continue;
    const auto dialect = parse_dialect(answer.at("dialect").get<std::string>());
    if (!dialect || *dialect == Dialect::openai_chat) continue;
    INFO(answer.at("case").get<std::string>() << " " << answer.at("part").get<std::string>());
    any = true;
    replay_through(*dialect, answer.at("body").get<std::string>(), whole[*dialect]);
  }
  if (!any) return;
  CHECK(whole[messages] >= 15);
  CHECK(whole[gemini] >= 15);
}

}  // namespace turnpike::dialect::test
