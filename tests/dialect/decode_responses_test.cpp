// Answers of a Responses upstream: what their events say, whatever a server leaves out.
#include <catch2/catch.hpp>

#include "dialect/decode_responses.hpp"
#include "dialect/response_translator.hpp"
#include "responses_stream_checker.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

Candidate candidate() { return candidate_for(Dialect::openai_responses); }

/// Frames that carry their type in the data, as all do.
std::string responses_events(const std::vector<std::string>& events) {
  return claude_events(events);
}

StreamRun run_events(const std::vector<std::string>& events) {
  return run_whole(candidate(), chat_options(), responses_events(events));
}

Reading read_events(const std::vector<std::string>& events) {
  const StreamRun run = run_events(events);
  REQUIRE(run.complete);
  return read_chat_stream(run.out);
}

const std::string created =
    R"({"type":"response.created","response":{"id":"r1","model":"m","status":"in_progress","output":[],"usage":null}})";
const std::string call_added =
    R"({"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"i1","call_id":"c1","name":"f","arguments":""}})";

std::string arguments_delta(const std::string& quoted) {
  return R"({"type":"response.function_call_arguments.delta","output_index":0,"item_id":"other","delta":)" +
         quoted + "}";
}

std::string call_done(const std::string& quoted) {
  return R"({"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"i2","call_id":"c1","name":"f","arguments":)" +
         quoted + "}}";
}

std::string completed(const std::string& output = "[]", const std::string& rest = "") {
  return R"({"type":"response.completed","response":{"id":"r1","model":"m","status":"completed","output":)" +
         output + rest + "}}";
}

std::string delta(const std::string& type, int item, const std::string& text,
                  const std::string& more = "") {
  return R"({"type":"response.)" + type + R"(.delta","output_index":)" + std::to_string(item) +
         R"(,"delta":")" + text + "\"" + more + "}";
}

/// The events of one SSE event's data, read by a decoder of its own.
StreamEvents decode_all(const std::vector<std::string>& documents) {
  const Candidate target = candidate();
  ResponsesDecoder decoder{target, "fallback"};
  StreamEvents kept;
  for (const std::string& document : documents) {
    wire::SseEvent event;
    event.data = document;
    event.has_data = true;
    StreamEvents events;
    decoder.decode(event, events);
    for (const StreamEvent& found : events) {
      if (!std::holds_alternative<Start>(found)) kept.push_back(found);
    }
  }
  return kept;
}

std::string failure_code(const std::vector<std::string>& events) {
  const StreamRun run = run_events(events);
  CHECK_FALSE(run.complete);
  REQUIRE(run.failure.has_value());
  return run.failure->code;
}

}  // namespace

TEST_CASE("items are known by their place, though their ids change with every event",
          "[dialect][responses]") {
  const Reading reading = read_events(
      {created, call_added, arguments_delta(R"("{\"a\"")"), arguments_delta(R"(":1}")"),
       call_done(R"("{\"a\":1}")"),
       completed(
           R"([{"type":"function_call","id":"i3","call_id":"c1","name":"f","arguments":"{\"a\":1}"}])",
           R"(,"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},)"
           R"("output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":16})")});
  REQUIRE(reading.calls.size() == 1);
  CHECK(reading.calls[0].id == "c1");
  CHECK(reading.calls[0].arguments == R"({"a":1})");
  CHECK(reading.finish == "tool_calls");
  CHECK(reading.input == 9);
  CHECK(reading.cached == 4);
  CHECK(reading.output == 7);
  CHECK(reading.reasoning_tokens == 3);
}

TEST_CASE("what the deltas left out comes from the finished item", "[dialect][responses]") {
  SECTION("all of a call") {
    const Reading reading =
        read_events({created, call_added, call_done(R"("{\"a\":1}")"), completed()});
    CHECK(reading.calls.at(0).arguments == R"({"a":1})");
  }
  SECTION("the end of a call") {
    const Reading reading = read_events({created, call_added, arguments_delta(R"("{\"a\"")"),
                                         call_done(R"("{\"a\":1}")"), completed()});
    CHECK(reading.calls.at(0).arguments == R"({"a":1})");
  }
  SECTION("a call that was never announced") {
    const Reading reading = read_events(
        {created, arguments_delta(R"("{\"a\"")"), call_done(R"("{\"a\":1}")"), completed()});
    REQUIRE(reading.calls.size() == 1);
    CHECK(reading.calls[0].arguments == R"({"a":1})");
  }
  SECTION("no arguments at all") {
    const Reading reading = read_events({created, call_added, call_done("\"\""), completed()});
    CHECK(reading.calls.at(0).arguments == "{}");
  }
  SECTION("the end of a text") {
    const Reading reading = read_events(
        {created, delta("output_text", 0, "Hel"),
         R"({"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Hello"}]}})",
         completed()});
    CHECK(reading.text == "Hello");
  }
  SECTION("everything, until the last event") {
    const Reading reading = read_events(
        {created,
         completed(R"([{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm."}]},)"
                   R"({"type":"message","content":[{"type":"output_text","text":"Hello"}]},)"
                   R"({"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}])")});
    CHECK(reading.reasoning == "Hm.");
    CHECK(reading.text == "Hello");
    CHECK(reading.calls.size() == 1);
  }
}

TEST_CASE("an item that the stream has told is not told again by the last event",
          "[dialect][responses]") {
  const std::string message =
      R"({"type":"message","content":[{"type":"output_text","text":"Hello"}]})";
  const Reading reading = read_events(
      {created, delta("output_text", 0, "Hello"),
       R"({"type":"response.output_item.done","output_index":0,"item":)" + message + "}",
       R"({"type":"response.output_item.done","output_index":2,"item":{"type":"message","content":[{"type":"output_text","text":" there"}]}})",
       completed("[" + message +
                 R"(,{"type":"message","content":[{"type":"output_text","text":" there"}]}])")});
  CHECK(reading.text == "Hello there");
}

TEST_CASE("a text that is finished in other words stays as it was streamed",
          "[dialect][responses]") {
  const Reading reading = read_events(
      {created, delta("output_text", 0, "Hello"),
       R"({"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"Hullo there"}]}})",
       completed()});
  CHECK(reading.text == "Hello");
}

TEST_CASE("another call in an open call's place in the last event is not its end",
          "[dialect][responses]") {
  const Reading reading = read_events(
      {created, call_added, arguments_delta(R"("{\"a\":1}")"),
       completed(
           R"([{"type":"function_call","call_id":"c9","name":"g","arguments":"{\"a\":1} "}])")});
  REQUIRE(reading.calls.size() == 1);
  CHECK(reading.calls[0].arguments == R"({"a":1})");
}

TEST_CASE("a call that is finished with other arguments than it began fails",
          "[dialect][responses]") {
  CHECK(failure_code({created, call_added, arguments_delta(R"("{\"a\":")"),
                      call_done(R"("{\"b\":2}")"), completed()}) == "bad_upstream_output");
  // The same object, written anew by a server: what was streamed is a call by itself.
  const Reading reading = read_events({created, call_added, arguments_delta(R"("{\"a\":1}")"),
                                       call_done(R"("{ \"a\": 1 }")"), completed()});
  CHECK(reading.calls.at(0).arguments == R"({"a":1})");
}

TEST_CASE("reasoning is told once, in full or summed up, its parts as paragraphs",
          "[dialect][responses]") {
  const Reading summed = read_events(
      {created, delta("reasoning_summary_text", 0, "One", R"(,"summary_index":0)"),
       delta("reasoning_summary_text", 0, "Two", R"(,"summary_index":1)"),
       R"({"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","content":[{"type":"reasoning_text","text":"raw"}],)"
       R"("summary":[{"type":"summary_text","text":"One"},{"type":"summary_text","text":"Two"}]}})",
       completed()});
  CHECK(summed.reasoning == "One\n\nTwo");
  const Reading full = read_events(
      {created, delta("reasoning_text", 0, "raw", R"(,"content_index":0)"),
       delta("reasoning_summary_text", 0, "One", R"(,"summary_index":0)"), completed()});
  CHECK(full.reasoning == "raw");
}

TEST_CASE("the encrypted state is that of the finished reasoning item", "[dialect][responses]") {
  std::string state;
  for (
      const StreamEvent& event : decode_all(
          {created,
           R"({"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","summary":[],"encrypted_content":"early"}})",
           R"({"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[],"encrypted_content":"final"}})"})) {
    if (const auto* opaque = std::get_if<Opaque>(&event))
      state = opaque->form == Opaque::Form::signature ? "final" : "?";
  }
  CHECK(state == "final");
  const Candidate target = candidate();
  ResponsesDecoder decoder{target, "fallback"};
  StreamEvents events;
  decoder.decode_whole(
      R"({"id":"r","status":"completed","output":[{"type":"reasoning","summary":[],"encrypted_content":"state"}]})",
      events);
  std::vector<std::string> states;
  for (const StreamEvent& event : events) {
    if (const auto* opaque = std::get_if<Opaque>(&event)) states.emplace_back(opaque->bytes);
  }
  CHECK(states == std::vector<std::string>{"state"});
}

TEST_CASE("a custom tool's input comes as the text it is, and keeps its namespace",
          "[dialect][responses]") {
  const StreamEvents events = decode_all(
      {created,
       R"({"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"exec","namespace":"lite","input":""}})"});
  REQUIRE(events.size() == 1);
  const auto& start = std::get<BlockStart>(events[0]);
  CHECK(start.free_text);
  CHECK(start.kind == BlockKind::tool_call);
  const Reading reading = read_events(
      {created,
       R"({"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"exec","input":""}})",
       delta("custom_tool_call_input", 0, "{ let x"),
       R"({"type":"response.output_item.done","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"exec","input":"{ let x = 1 }"}})",
       completed()});
  CHECK(reading.calls.at(0).arguments == "{ let x = 1 }");
  CHECK(
      failure_code(
          {created,
           R"({"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"exec","input":""}})",
           delta("custom_tool_call_input", 0, "rm"),
           R"({"type":"response.output_item.done","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"exec","input":"ls"}})",
           completed()}) == "bad_upstream_output");
}

TEST_CASE("tools that the provider runs itself leave no trace in the answer",
          "[dialect][responses]") {
  const Reading reading = read_events(
      {created,
       R"({"type":"response.output_item.added","output_index":0,"item":{"type":"web_search_call","id":"w","status":"in_progress"}})",
       R"({"type":"response.web_search_call.searching","output_index":0,"item_id":"w"})",
       R"({"type":"response.output_item.done","output_index":0,"item":{"type":"web_search_call","id":"w","status":"completed","action":{"type":"search","query":"q"}}})",
       delta("output_text", 1, "Found."), completed()});
  CHECK(reading.text == "Found.");
  CHECK(reading.calls.empty());
  CHECK(reading.finish == "stop");
}

TEST_CASE("how an answer has ended is told by its status", "[dialect][responses]") {
  const auto finish_of = [](const std::string& reason) {
    return read_events(
               {created, delta("output_text", 0, "x"),
                R"({"type":"response.incomplete","response":{"id":"r1","status":"incomplete","output":[],"incomplete_details":{"reason":")" +
                    reason + "\"}}}"})
        .finish;
  };
  CHECK(finish_of("max_output_tokens") == "length");
  CHECK(finish_of("content_filter") == "content_filter");
  CHECK(finish_of("something new") == "length");
  const Reading refusal = read_events({created, delta("refusal", 0, "No."), completed()});
  CHECK(refusal.refusal == "No.");
  CHECK(refusal.finish == "content_filter");
}

TEST_CASE("a limit inside a call leaves the call as it was cut", "[dialect][responses]") {
  const Reading reading = read_events(
      {created, call_added, arguments_delta(R"("{\"a\"")"),
       R"({"type":"response.incomplete","response":{"id":"r1","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},)"
       R"("output":[{"type":"function_call","status":"incomplete","call_id":"c1","name":"f","arguments":"{\"a\""}]}})"});
  CHECK(reading.calls.at(0).arguments == R"({"a")");
  CHECK(reading.finish == "length");
}

TEST_CASE("errors in a stream are judged by their words, in each of their shapes",
          "[dialect][responses]") {
  const auto failed = [](const std::string& code, const std::string& message) {
    return R"({"type":"response.failed","response":{"id":"r1","status":"failed","error":{"code":")" +
           code + R"(","message":")" + message + R"("},"output":[]}})";
  };
  CHECK(failure_code({created, failed("server_error", "oops")}) == "upstream_error");
  CHECK(failure_code({created, failed("rate_limit_exceeded", "slow down")}) ==
        "rate_limit_exceeded");
  CHECK(failure_code({created, failed("context_length_exceeded", "too long")}) ==
        "context_length_exceeded");
  CHECK(failure_code({created, failed("insufficient_quota", "no money")}) == "upstream_quota");
  CHECK(failure_code({created, failed("invalid_image_url", "no such image")}) ==
        "invalid_request_error");
  CHECK(failure_code(
            {created, R"({"type":"response.failed","response":{"id":"r1","status":"failed"}})"}) ==
        "upstream_error");
  CHECK(failure_code(
            {created,
             R"({"type":"error","code":"rate_limit_exceeded","message":"m","param":null})"}) ==
        "rate_limit_exceeded");
  CHECK(
      failure_code(
          {created,
           R"({"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m"}})"}) ==
      "upstream_quota");
  const StreamRun bare =
      run_whole(candidate(), chat_options(), "data: {\"error\":{\"message\":\"overloaded\"}}\n\n");
  CHECK(bare.failure->code == "overloaded");
  const StreamRun waiting =
      run_events({created, failed("rate_limit_exceeded", "Please try again in 11.2s.")});
  CHECK(waiting.failure->retry_after_s == 12);
  CHECK(run_events({created, failed("rate_limit_exceeded", "try again in 300ms")})
            .failure->retry_after_s == 1);
}

TEST_CASE("what is no answer fails, before content without a byte", "[dialect][responses]") {
  const StreamRun broken = run_whole(candidate(), chat_options(), "data: {\"type\":\n\n");
  CHECK(broken.failure->code == "bad_upstream");
  CHECK(broken.out.empty());
  CHECK(failure_code({created, delta("output_text", 0, "x")}) == "stream_truncated");
  CHECK(failure_code({created, R"({"type":"response.completed"})"}) == "bad_upstream");
  CHECK(failure_code({created, delta("output_text", 0, "x"), created}) == "bad_upstream");
  CHECK(
      failure_code(
          {created,
           R"({"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","arguments":"{}"}})"}) ==
      "bad_upstream");
  // A mark of the Chat dialect ends nothing here.
  const StreamRun done =
      run_whole(candidate(), chat_options(),
                responses_events({created, delta("output_text", 0, "x")}) + "data: [DONE]\n\n");
  CHECK(done.failure->code == "stream_truncated");
}

TEST_CASE("a second beginning before any content is a beginning", "[dialect][responses]") {
  const Reading reading = read_events(
      {created,
       R"({"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","summary":[]}})",
       created, delta("output_text", 0, "x"), completed()});
  CHECK(reading.text == "x");
}

TEST_CASE("whole answers are judged by their status", "[dialect][responses]") {
  const auto translated = [](const std::string& body) {
    return translate_response(candidate(), chat_options(), body);
  };
  const auto answer = translated(
      R"({"id":"r1","model":"m","status":"completed","error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],)"
      R"("usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}})");
  REQUIRE(answer.has_value());
  CHECK(read_provider_body(Dialect::openai_chat, answer->body).text == "Hi");
  CHECK(answer->tally.usage.input_fresh == 3);
  const auto code_of = [&](const std::string& body) {
    const auto failed = translated(body);
    REQUIRE_FALSE(failed.has_value());
    return failed.error().code;
  };
  CHECK(
      code_of(
          R"({"id":"r1","status":"failed","error":{"code":"server_error","message":"m"},"output":[]})") ==
      "upstream_error");
  CHECK(code_of(R"({"id":"r1","status":"cancelled","error":null,"output":[]})") ==
        "upstream_error");
  CHECK(code_of(R"({"id":"r1","status":"queued","error":null,"output":[]})") == "bad_upstream");
  CHECK(code_of(R"({"id":"r1","status":"completed"})") == "bad_upstream");
  CHECK(code_of("<html>") == "bad_upstream");
}

}  // namespace turnpike::dialect::test
