// Answers as clients of the Responses dialect see them: order and completeness of events, calls
// that may be run, and errors that Codex understands.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "dialect/encode_responses.hpp"
#include "dialect/issuer_tag.hpp"
#include "responses_stream_checker.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

using Problems = std::vector<std::string>;

StreamOptions responses_options() {
  StreamOptions options = chat_options();
  options.client = Dialect::openai_responses;
  options.id = "resp_test";
  return options;
}

BlockStart block(std::int32_t number, BlockKind kind) {
  BlockStart start;
  start.block = number;
  start.kind = kind;
  return start;
}

BlockStart call(std::int32_t number, std::string_view id, std::string_view name) {
  BlockStart start = block(number, BlockKind::tool_call);
  start.id = id;
  start.name = name;
  return start;
}

Delta text(std::int32_t number, std::string_view bytes, BlockKind kind = BlockKind::text) {
  return {0, number, kind, bytes};
}

Delta arguments(std::int32_t number, std::string_view bytes) {
  return {0, number, BlockKind::tool_call, bytes};
}

/// A stream encoder with the output it has appended.
struct Client {
  explicit Client(StreamOptions with = responses_options())
      : options(std::move(with)), candidate(candidate_for(Dialect::anthropic_messages)) {
    encoder = make_responses_stream_encoder(options, candidate);
  }
  std::optional<Error> take(const StreamEvent& event) { return encoder->encode(event, out); }
  Client& say(const StreamEvents& events) {
    for (const StreamEvent& event : events) {
      if (auto fault = take(event)) {
        encoder->fail(*fault, out);
        return *this;
      }
    }
    return *this;
  }

  StreamOptions options;
  Candidate candidate;
  std::unique_ptr<StreamEncoder> encoder;
  std::string out;
};

/// The finished response of these events, after the strict checker has passed the stream.
Json response_of(const StreamEvents& events, StreamOptions options = responses_options()) {
  Client client{std::move(options)};
  client.say(events);
  const ResponsesStreamChecker checker{client.out};
  CHECK(checker.problems() == Problems{});
  return checker.response();
}

std::string terminal_of(const StreamEvents& events) {
  Client client;
  client.say(events);
  return ResponsesStreamChecker{client.out}.terminal();
}

Json body_of(const StreamEvents& events, const StreamOptions& options = responses_options()) {
  const Candidate candidate = candidate_for(Dialect::anthropic_messages);
  const auto encoder = make_responses_body_encoder(options, candidate);
  for (const StreamEvent& event : events) encoder->encode(event);
  const auto body = encoder->body();
  REQUIRE(body.has_value());
  return Json::parse(*body);
}

std::vector<std::string> item_types(const Json& response) {
  std::vector<std::string> types;
  for (const Json& item : response.at("output")) types.push_back(text_at(item, "type"));
  return types;
}

std::size_t position(const std::vector<std::string>& types, const std::string& type) {
  return static_cast<std::size_t>(std::ranges::find(types, type) - types.begin());
}

const Stop natural{0, StopReason::natural, {}};
const Stop with_calls{0, StopReason::tool_calls, {}};
const Stop at_limit{0, StopReason::length, {}};

}  // namespace

TEST_CASE("a streamed text comes as the dialect writes it, to the byte",
          "[dialect][responses][golden]") {
  Client client;
  client.say({Start{"up", "m"}, block(0, BlockKind::text), text(0, "Hi"), text(0, " \"you\""),
              BlockStop{0, 0}, UsageReport{{5, 2, 1, 0, 3, 4}, true, true}, natural, End{}});
  const std::string head =
      R"("response":{"id":"resp_test","object":"response","created_at":1764000000,"model":"auto","status":)";
  const std::string echo =
      R"("instructions":null,"metadata":{},"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null})";
  const std::string begun =
      head + R"("in_progress","error":null,"incomplete_details":null,"output":[],"usage":null,)" +
      echo;
  const std::string place = R"("item_id":"msg_test_0","output_index":0,"content_index":0,)";
  const std::string part =
      R"({"type":"output_text","text":"Hi \"you\"","annotations":[],"logprobs":[]})";
  const std::string item =
      R"({"id":"msg_test_0","type":"message","status":"completed","role":"assistant","content":[)" +
      part + "]}";
  std::string expected;
  int number = 0;
  const auto event = [&](const std::string& type, const std::string& rest) {
    expected += "event: " + type + "\ndata: {\"type\":\"" + type +
                "\",\"sequence_number\":" + std::to_string(number++) + "," + rest + "}\n\n";
  };
  event("response.created", begun);
  event("response.in_progress", begun);
  event(
      "response.output_item.added",
      R"("output_index":0,"item":{"id":"msg_test_0","type":"message","status":"in_progress","role":"assistant","content":[]})");
  event("response.content_part.added",
        place + R"("part":{"type":"output_text","text":"","annotations":[],"logprobs":[]})");
  event("response.output_text.delta", place + R"("delta":"Hi","logprobs":[])");
  event("response.output_text.delta", place + R"("delta":" \"you\"","logprobs":[])");
  event("response.output_text.done", place + R"("text":"Hi \"you\"","logprobs":[])");
  event("response.content_part.done", place + "\"part\":" + part);
  event("response.output_item.done", "\"output_index\":0,\"item\":" + item);
  event(
      "response.completed",
      head + R"("completed","error":null,"incomplete_details":null,"output":[)" + item +
          R"(],"usage":{"input_tokens":8,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":1},)"
          R"("output_tokens":7,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":15},)" +
          echo);
  CHECK(client.out == expected);
  CHECK(ResponsesStreamChecker{client.out}.problems() == Problems{});
}

TEST_CASE("reasoning is shown as a summary and carries the gateway's token",
          "[dialect][responses]") {
  Client client;
  client.say({block(0, BlockKind::reasoning), text(0, "Hm.", BlockKind::reasoning),
              Opaque{0, 0, Opaque::Form::signature, "vendor state"}, BlockStop{0, 0},
              block(1, BlockKind::text), text(1, "Yes."), natural, End{}});
  const ResponsesStreamChecker checker{client.out};
  CHECK(checker.problems() == Problems{});
  const Json item = checker.response().at("output").at(0);
  CHECK(text_at(item, "type") == "reasoning");
  CHECK(text_at(item.at("summary").at(0), "text") == "Hm.");
  const auto tag = read_issuer_tag(text_at(item, "encrypted_content"));
  REQUIRE(tag.has_value());
  CHECK(tag->provider == "anthropic");
  CHECK(tag->family == "claude-5.5");
  CHECK(client.out.find("vendor state") == std::string::npos);
}

TEST_CASE("a call is announced, streamed and finished whole", "[dialect][responses]") {
  BlockStart spaced = call(0, "c1", "read");
  spaced.name_space = "files";
  const Json response = response_of(
      {spaced, arguments(0, R"({"a":)"), arguments(0, "1.0}"), BlockStop{0, 0}, with_calls, End{}});
  const Json item = response.at("output").at(0);
  CHECK(
      item ==
      Json::parse(
          R"({"id":"fc_test_0","type":"function_call","status":"completed","call_id":"c1","name":"read",)"
          R"("namespace":"files","arguments":"{\"a\":1.0}"})"));
  CHECK(text_at(response, "status") == "completed");
}

TEST_CASE("a call without arguments has an empty object, in the deltas, too",
          "[dialect][responses]") {
  const StreamEvents events{call(0, "c1", "f"), arguments(0, " \n"), BlockStop{0, 0}, with_calls,
                            End{}};
  CHECK(text_at(response_of(events).at("output").at(0), "arguments") == "{}");
  CHECK(text_at(body_of(events).at("output").at(0), "arguments") == "{}");
}

TEST_CASE("a custom tool gets its text, not the JSON around it", "[dialect][responses]") {
  StreamOptions options = responses_options();
  options.tools.push_back({"exec", "exec", "lite", true});
  BlockStart custom = call(0, "c1", "exec");
  custom.free_text = true;
  custom.name_space = "lite";
  const StreamEvents events{custom,
                            arguments(0, R"({"input":"let x = )"),
                            arguments(0, R"(\"1\";\n"})"),
                            BlockStop{0, 0},
                            with_calls,
                            End{}};
  const Json item = response_of(events, options).at("output").at(0);
  CHECK(text_at(item, "type") == "custom_tool_call");
  CHECK(text_at(item, "id") == "ctc_test_0");
  CHECK(text_at(item, "input") == "let x = \"1\";\n");
  CHECK(text_at(item, "namespace") == "lite");
  CHECK(body_of(events, options).at("output").at(0) == item);
  SECTION("text that looks like the beginning of an object is text") {
    const Json plain =
        response_of({custom, arguments(0, "{ let x"), BlockStop{0, 0}, with_calls, End{}});
    CHECK(text_at(plain.at("output").at(0), "input") == "{ let x");
  }
  SECTION("half of the JSON around it is not run") {
    Client client{options};
    client.say(
        {custom, arguments(0, R"({"input":"rm -rf /tmp/)"), BlockStop{0, 0}, with_calls, End{}});
    CHECK(ResponsesStreamChecker{client.out}.terminal() == "response.failed");
    CHECK(ResponsesStreamChecker{client.out}.done_items().empty());
  }
}

TEST_CASE("blocks that interleave come out one after the other", "[dialect][responses]") {
  const StreamEvents events{call(0, "c1", "f"),
                            call(1, "c2", "g"),
                            arguments(1, R"({"b":)"),
                            arguments(0, R"({"a")"),
                            arguments(1, "2}"),
                            arguments(0, ":1}"),
                            BlockStop{0, 1},
                            BlockStop{0, 0},
                            with_calls,
                            End{}};
  const Json response = response_of(events);
  CHECK(text_at(response.at("output").at(0), "arguments") == R"({"a":1})");
  CHECK(text_at(response.at("output").at(1), "arguments") == R"({"b":2})");
  CHECK(response.at("output") == body_of(events).at("output"));
}

TEST_CASE("a text that goes on after another block is another item", "[dialect][responses]") {
  const Json response =
      response_of({block(0, BlockKind::reasoning), text(0, "One.", BlockKind::reasoning),
                   block(1, BlockKind::text), text(1, "A"), text(0, "Two.", BlockKind::reasoning),
                   text(1, "B"), BlockStop{0, 0}, BlockStop{0, 1}, natural, End{}});
  CHECK(item_types(response) ==
        std::vector<std::string>{"reasoning", "message", "reasoning", "message"});
  const Reading reading = read_responses_body(response);
  CHECK(reading.reasoning == "One.Two.");
  CHECK(reading.text == "AB");
}

TEST_CASE("a text is streamed at once although its block has not ended", "[dialect][responses]") {
  Client client;
  client.say({block(0, BlockKind::reasoning), text(0, "Hm.", BlockKind::reasoning),
              block(1, BlockKind::text), text(1, "A")});
  CHECK(client.out.find(R"("delta":"A")") != std::string::npos);
  client.say({call(2, "c1", "f"), arguments(2, R"({"a":1})"), call(3, "c2", "g"),
              arguments(3, R"({"b")")});
  // The first call's object is closed, so it is done before its block is.
  CHECK(client.out.find(R"("delta":"{\"b\"")") != std::string::npos);
}

TEST_CASE("nothing is appended before content, and an empty answer is one",
          "[dialect][responses]") {
  Client client;
  client.say({Start{"a", "m"}, block(0, BlockKind::text), Start{"b", "m"},
              block(0, BlockKind::text), text(0, ""), UsageReport{}, KeepAlive{}, BlockStop{0, 0},
              natural});
  CHECK(client.out.empty());
  client.say({End{}});
  const ResponsesStreamChecker checker{client.out};
  CHECK(checker.problems() == Problems{});
  CHECK(checker.terminal() == "response.completed");
  CHECK(checker.response().at("output").empty());
}

TEST_CASE("what a provider said before it began again is forgotten", "[dialect][responses]") {
  const Json response = response_of({Start{"a", "m"}, block(0, BlockKind::text), Start{"b", "m"},
                                     block(0, BlockKind::refusal),
                                     text(0, "No.", BlockKind::refusal), natural, End{}});
  CHECK(text_at(response.at("output").at(0).at("content").at(0), "refusal") == "No.");
}

TEST_CASE("a provider's comment becomes a data event once content has begun",
          "[dialect][responses]") {
  const std::string chunk =
      R"({"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"A"}}]})";
  const StreamRun run = run_whole(candidate_for(Dialect::openai_chat), responses_options(),
                                  ": keep-alive\n\n" + chat_events({chunk}) + ": keep-alive\n\n");
  const ResponsesStreamChecker checker{run.out};
  CHECK(checker.problems() == Problems{});
  CHECK(std::ranges::count(checker.types(), "response.in_progress") == 2);
  CHECK(run.out.find("\n:") == std::string::npos);
  CHECK(checker.terminal() == "response.failed");
}

TEST_CASE("an answer that is not whole says why", "[dialect][responses]") {
  const auto ended = [](StopReason reason) {
    return response_of(
        {block(0, BlockKind::text), text(0, "x"), BlockStop{0, 0}, Stop{0, reason, {}}, End{}});
  };
  CHECK(text_at(ended(StopReason::length).at("incomplete_details"), "reason") ==
        "max_output_tokens");
  CHECK(text_at(ended(StopReason::content_filter).at("incomplete_details"), "reason") ==
        "content_filter");
  for (const StopReason reason :
       {StopReason::natural, StopReason::stop_sequence, StopReason::pause}) {
    CHECK(text_at(ended(reason), "status") == "completed");
  }
  const Json refusal =
      response_of({block(0, BlockKind::refusal), text(0, "No.", BlockKind::refusal),
                   BlockStop{0, 0}, Stop{0, StopReason::content_filter, {}}, End{}});
  CHECK(text_at(refusal, "status") == "completed");
  CHECK(text_at(refusal.at("output").at(0).at("content").at(0), "refusal") == "No.");
}

TEST_CASE("a call that a limit has cut is never finished, so that nobody runs it",
          "[dialect][responses]") {
  const std::vector<StreamEvents> cut_calls = {
      {call(0, "c1", "f"), arguments(0, R"({"a":)"), BlockStop{0, 0}, at_limit, End{}},
      {call(0, "c1", "f"), BlockStop{0, 0}, at_limit, End{}},
      {call(0, "c1", "f"), arguments(0, "{}"), BlockStop{0, 0}, at_limit, End{}},
  };
  for (const StreamEvents& events : cut_calls) {
    Client client;
    client.say(events);
    const ResponsesStreamChecker checker{client.out};
    CHECK(checker.problems() == Problems{});
    CHECK(checker.terminal() == "response.incomplete");
    CHECK(checker.done_items().empty());
    CHECK(body_of(events).at("output").empty());
  }
  // A call before the cut one is whole; so is the last one if its arguments are.
  const StreamEvents two{
      call(0, "c1", "f"),         arguments(0, "{}"), BlockStop{0, 0}, call(1, "c2", "g"),
      arguments(1, R"({"a":1})"), BlockStop{0, 1},    at_limit,        End{}};
  CHECK(response_of(two).at("output").size() == 2);
  // Both open at the end: the second never becomes an item.
  const StreamEvents waiting{call(0, "c1", "f"), arguments(0, R"({"a")"),
                             call(1, "c2", "g"), arguments(1, R"({"b")"),
                             at_limit,           End{}};
  CHECK(response_of(waiting).at("output").empty());
}

TEST_CASE("arguments that are no object end the answer with an error, not with a call",
          "[dialect][responses]") {
  for (const std::string_view broken : {R"({"a":)", R"([1])", "text", R"({"a":1}{})"}) {
    const StreamEvents events{call(0, "c1", "f"), arguments(0, broken), BlockStop{0, 0}, with_calls,
                              End{}};
    Client client;
    std::optional<Error> fault;
    for (const StreamEvent& event : events) {
      if (!fault) fault = client.take(event);
    }
    REQUIRE(fault.has_value());
    CHECK(fault->code == "bad_upstream_output");
    CHECK(fault->retry == Retry::next_candidate);
    CHECK(terminal_of(events) == "response.failed");
    const Candidate candidate = candidate_for(Dialect::anthropic_messages);
    const StreamOptions options = responses_options();
    const auto encoder = make_responses_body_encoder(options, candidate);
    for (const StreamEvent& event : events) encoder->encode(event);
    CHECK(encoder->body().error().code == "bad_upstream_output");
  }
}

TEST_CASE("a call without a name is none, one without an id gets one", "[dialect][responses]") {
  const StreamEvents nameless{call(0, "c1", ""), arguments(0, "{}"), BlockStop{0, 0}, with_calls,
                              End{}};
  CHECK(terminal_of(nameless) == "response.failed");
  const Candidate candidate = candidate_for(Dialect::anthropic_messages);
  const StreamOptions options = responses_options();
  const auto encoder = make_responses_body_encoder(options, candidate);
  for (const StreamEvent& event : nameless) encoder->encode(event);
  CHECK(encoder->body().error().code == "bad_upstream_output");
  const Json response = response_of(
      {call(0, "", "f"), BlockStop{0, 0}, call(1, "", "f"), BlockStop{0, 1}, with_calls, End{}});
  const auto id = [&](std::size_t item) {
    return text_at(response.at("output").at(item), "call_id");
  };
  CHECK_FALSE(id(0).empty());
  CHECK(id(0) != id(1));
}

TEST_CASE("ids of calls stay as they are up to the dialect's limit", "[dialect][responses]") {
  const std::string longest(64, 'a');
  const std::string longer(65, 'a');
  const auto id_of = [](const std::string& id) {
    return text_at(
        response_of({call(0, id, "f"), BlockStop{0, 0}, with_calls, End{}}).at("output").at(0),
        "call_id");
  };
  CHECK(id_of(longest) == longest);
  CHECK(id_of(longer).size() <= 64);
  CHECK(id_of(longer) == id_of(longer));
  CHECK(id_of(longer) != id_of(longest));
}

TEST_CASE("heartbeats are data events and change nothing", "[dialect][responses]") {
  Client client;
  client.encoder->heartbeat(client.out);
  CHECK(ResponsesStreamChecker{client.out}.types() ==
        std::vector<std::string>{"response.created", "response.in_progress"});
  client.encoder->heartbeat(client.out);
  client.say({block(0, BlockKind::text), text(0, "A")});
  client.encoder->heartbeat(client.out);
  client.say({text(0, "B"), BlockStop{0, 0}, natural, End{}});
  const ResponsesStreamChecker checker{client.out};
  CHECK(checker.problems() == Problems{});
  CHECK(std::ranges::count(checker.types(), "response.in_progress") == 3);
  CHECK(std::ranges::count(checker.types(), "response.created") == 1);
  CHECK(read_checked(checker).text == "AB");
}

TEST_CASE("a failure continues the stream it ends", "[dialect][responses]") {
  Client client;
  client.say({block(0, BlockKind::text), text(0, "A"), BlockStop{0, 0}, call(1, "c1", "f"),
              arguments(1, R"({"a")")});
  client.encoder->fail(upstream_error(502, Retry::never, "stream_truncated", "cut off"),
                       client.out);
  const ResponsesStreamChecker checker{client.out};
  CHECK(checker.problems() == Problems{});
  CHECK(checker.terminal() == "response.failed");
  CHECK(text_at(checker.response(), "id") == "resp_test");
  CHECK(text_at(checker.response().at("error"), "code") == "server_error");
  CHECK(checker.done_items().size() == 1);
  CHECK(position(checker.types(), "response.completed") == checker.types().size());
}

TEST_CASE("a failure before anything else is a whole stream", "[dialect][responses]") {
  const auto failed = [](Error error) {
    Client client;
    client.encoder->fail(error, client.out);
    const ResponsesStreamChecker checker{client.out};
    CHECK(checker.problems() == Problems{});
    CHECK(checker.types() == std::vector<std::string>{"response.created", "response.in_progress",
                                                      "error", "response.failed"});
    return checker.response().at("error");
  };
  Error limited = upstream_error(429, Retry::never, "rate_limit_exceeded", "Slow down.");
  limited.retry_after_s = 7;
  CHECK(failed(limited) ==
        Json::parse(
            R"({"code":"rate_limit_exceeded","message":"Slow down. Please try again in 7s."})"));
  limited.message = "Please try again in 1.3s.";
  CHECK(text_at(failed(limited), "message") == "Please try again in 1.3s.");
  CHECK(text_at(failed(gateway_error(402, "budget_exhausted", "m")), "code") ==
        "insufficient_quota");
  CHECK(text_at(failed(upstream_error(400, Retry::never, "context_length_exceeded", "m")),
                "code") == "context_length_exceeded");
  CHECK(text_at(failed(client_error("invalid_request_error", "m")), "code") == "invalid_prompt");
  CHECK(text_at(failed(upstream_error(502, Retry::never, "upstream_quota", "m")), "code") ==
        "server_error");
}

TEST_CASE("the request's members are repeated in every response object", "[dialect][responses]") {
  StreamOptions options = responses_options();
  options.echo =
      R"("temperature":0.20,"tools":[{"type":"function","name":"f"}],"store":false,"id":"not mine")";
  const Json response =
      response_of({block(0, BlockKind::text), text(0, "A"), natural, End{}}, options);
  CHECK(response.at("temperature").dump() == "0.2");
  CHECK(response.at("tools").size() == 1);
  CHECK(response.at("store") == false);
  CHECK(response.at("id") == "resp_test");
  CHECK(response.at("tool_choice") == "auto");
  options.echo = "broken";
  CHECK(response_of({natural, End{}}, options).at("tools").empty());
}

TEST_CASE("other choices than the first do not exist here", "[dialect][responses]") {
  const Json response =
      response_of({block(0, BlockKind::text), text(0, "A"),
                   BlockStart{1, 0, BlockKind::text, {}, {}}, Delta{1, 0, BlockKind::text, "B"},
                   BlockStop{1, 0}, Stop{1, StopReason::length, {}}, natural, End{}});
  CHECK(read_responses_body(response).text == "A");
  CHECK(text_at(response, "status") == "completed");
}

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

// tests/golden/streams/<case>.<provider dialect>.sse gives <case>.<provider
// dialect>.to-responses.sse. TURNPIKE_GOLDEN_WRITE=1 writes the expected files anew; read the
// difference before committing it.
TEST_CASE("golden streams reach Responses clients as written and the same at every cut",
          "[dialect][responses][golden]") {
  for (const std::string name : {"anthropic-messages", "openai-chat", "gemini-generate"}) {
    INFO(name);
    const fs::path folder = fs::path{TURNPIKE_SOURCE_DIR} / "tests/golden/streams";
    const std::string stream = read_file(folder / ("tools-thinking." + name + ".sse"));
    const fs::path expected = folder / ("tools-thinking." + name + ".to-responses.sse");
    const Candidate candidate = candidate_for(*parse_dialect(name));
    const StreamRun whole = run_whole(candidate, responses_options(), stream);
    if (std::getenv("TURNPIKE_GOLDEN_WRITE") != nullptr)
      std::ofstream{expected, std::ios::binary} << whole.out;
    CHECK(whole.out == read_file(expected));
    CHECK(ResponsesStreamChecker{whole.out}.problems() == Problems{});
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      const std::string_view bytes{stream};
      REQUIRE(run_pieces(candidate, responses_options(), {bytes.substr(0, cut), bytes.substr(cut)})
                  .out == whole.out);
    }
  }
}

}  // namespace turnpike::dialect::test
