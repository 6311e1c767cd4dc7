#include "dialect/stream_translator.hpp"

#include <catch2/catch.hpp>

#include "answer_reading.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

const std::string message_start =
    R"({"type":"message_start","message":{"id":"msg_1","model":"claude","content":[],"usage":{"input_tokens":5,"output_tokens":1}}})";
const std::string message_stop = R"({"type":"message_stop"})";

std::string message_delta(const std::string& reason) {
  return R"({"type":"message_delta","delta":{"stop_reason":")" + reason +
         R"("},"usage":{"output_tokens":9}})";
}

std::string chat_chunk(const std::string& delta, const std::string& finish = "null") {
  return R"({"id":"c1","model":"m","choices":[{"index":0,"delta":)" + delta +
         R"(,"finish_reason":)" + finish + "}]}";
}

StreamRun run_claude(const std::vector<std::string>& events) {
  return run_whole(candidate_for(Dialect::anthropic_messages), chat_options(),
                   claude_events(events));
}

StreamRun run_gemini(const std::vector<std::string>& events) {
  return run_whole(candidate_for(Dialect::gemini_generate), chat_options(), gemini_events(events));
}

StreamRun run_chat(const std::string& stream, bool include_usage = true) {
  return run_whole(candidate_for(Dialect::openai_chat), chat_options(include_usage), stream);
}

}  // namespace

TEST_CASE("chat to chat forwards the bytes as they came", "[dialect][stream]") {
  const std::string stream =
      "data:  " + chat_chunk(R"({"role":"assistant","content":""})") +
      "\r\n\r\nid: 4\ndata: " + chat_chunk(R"({"content":"h\u00e9 1.0e5"})") +
      "\n\ndata: " + chat_chunk("{}", "\"stop\"") + "\n\ndata: [DONE]\n\n";
  const StreamRun run = run_chat(stream);
  CHECK(run.out == stream);
  CHECK(run.complete);
  CHECK(run.tally.finish == "stop");
  CHECK(run.tally.model_returned == "m");
  CHECK(run.tally.response_id == "c1");
  CHECK_FALSE(run.tally.usage_reported);
  CHECK(run_chat(stream + "data: after the end\n\n").out == stream);
}

TEST_CASE("nothing goes out before the first content", "[dialect][stream]") {
  std::string out;
  StreamTranslator translator{candidate_for(Dialect::openai_chat), chat_options()};
  const std::string role =
      chat_events({chat_chunk(R"({"role":"assistant","content":null,"refusal":null})")});
  translator.feed(": keep-alive\n\n" + role, out);
  CHECK(out.empty());
  CHECK_FALSE(translator.content_started());
  translator.heartbeat(out);
  CHECK(out ==
        "data: "
        "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":"
        "\"auto\","
        "\"choices\":[],\"usage\":null}\n\n");
  out.clear();
  const std::string first = chat_events({chat_chunk(R"({"content":"x"})")});
  translator.feed(first, out);
  CHECK(out == role + first);
  CHECK(translator.content_started());
  CHECK(translator.events() == 2);
  out.clear();
  translator.feed(": keep-alive\n\n", out);
  CHECK(out.find("\"choices\":[]") != std::string::npos);
}

TEST_CASE("a usage chunk that nobody asked for is swallowed and counted", "[dialect][stream]") {
  const std::string usage =
      R"({"id":"c1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,)"
      R"("total_tokens":14,"prompt_tokens_details":{"cached_tokens":6,"cache_write_tokens":1}}})";
  const std::string before =
      chat_events({chat_chunk(R"({"content":"x"})"), chat_chunk("{}", "\"stop\"")});
  const std::string stream = before + chat_events({usage, "[DONE]"});
  CHECK(run_chat(stream, false).out == before + chat_events({"[DONE]"}));
  CHECK(run_chat(stream, true).out == stream);
  const Usage counted = run_chat(stream, false).tally.usage;
  CHECK(counted.input_fresh == 3);
  CHECK(counted.input_cache_read == 6);
  CHECK(counted.input_cache_write_5m == 1);
  CHECK(counted.output_text == 4);
}

TEST_CASE("usage on the finish chunk stays where it is", "[dialect][stream]") {
  const std::string finish =
      R"({"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,)"
      R"("completion_tokens":10,"total_tokens":20,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2,)"
      R"("completion_tokens_details":{"reasoning_tokens":11}}})";
  const std::string stream = chat_events({chat_chunk(R"({"content":"x"})"), finish, "[DONE]"});
  const StreamRun run = run_chat(stream, false);
  CHECK(run.out == stream);
  CHECK(run.tally.usage.input_fresh == 2);
  CHECK(run.tally.usage.input_cache_read == 8);
  CHECK(run.tally.usage.output() == 10);  // reasoning above the sum is clamped
  CHECK(run.tally.usage_plausible);
}

TEST_CASE("reasoning outside of the completion is found by the total", "[dialect][stream]") {
  const std::string finish =
      R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,)"
      R"("completion_tokens":5,"total_tokens":35}})";
  const StreamRun run = run_chat(chat_events({chat_chunk(R"({"content":"x"})"), finish, "[DONE]"}));
  CHECK(run.tally.usage.output_text == 5);
  CHECK(run.tally.usage.output_reasoning == 20);
}

TEST_CASE("counters that make no sense are marked", "[dialect][stream]") {
  for (const std::string count : {"-1", "1.5", "\"7\""}) {
    const std::string finish =
        R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":)" +
        count + R"(,"completion_tokens":5}})";
    const StreamRun run =
        run_chat(chat_events({chat_chunk(R"({"content":"x"})"), finish, "[DONE]"}));
    CHECK(run.tally.usage_reported);
    CHECK_FALSE(run.tally.usage_plausible);
  }
}

TEST_CASE("a broken event ends the stream with an error and is not forwarded",
          "[dialect][stream]") {
  const std::string good = chat_events({chat_chunk(R"({"content":"x"})")});
  for (const std::string broken : {"{\"choices\":[{", "hello", "17", "{\"a\":\"\xff\"}", "{}{}"}) {
    const StreamRun run =
        run_chat(good + chat_events({broken, chat_chunk("{}", "\"stop\""), "[DONE]"}));
    INFO(broken);
    REQUIRE(run.failure.has_value());
    CHECK(run.failure->code == "bad_upstream");
    CHECK(run.failure->retry == Retry::next_candidate);  // a hint: the caller knows what has left
    CHECK(run.out.starts_with(good + "data: {\"error\":{"));
    CHECK(run.out.find("[DONE]") == std::string::npos);
    CHECK(sse_data(run.out).size() == 2);
  }
  const StreamRun early = run_chat(chat_events({"hello"}));
  CHECK(early.out.empty());
  CHECK(early.failure->retry == Retry::next_candidate);
}

TEST_CASE("an error object before content can be retried, after it is told in band",
          "[dialect][stream]") {
  const std::string error =
      R"({"error":{"message":"server busy","type":"overloaded_error","code":503}})";
  const StreamRun early =
      run_chat(chat_events({chat_chunk(R"({"role":"assistant","content":""})"), error}));
  CHECK(early.out.empty());
  REQUIRE(early.failure.has_value());
  CHECK(early.failure->code == "overloaded");
  CHECK(early.failure->retry == Retry::same_then_next);
  const StreamRun late = run_chat(chat_events({chat_chunk(R"({"content":"x"})"), error, "[DONE]"}));
  REQUIRE(late.failure.has_value());
  CHECK(late.failure->retry == Retry::same_then_next);  // a hint: the caller knows what has left
  CHECK(read_chat_stream(late.out).error);
  CHECK_FALSE(read_chat_stream(late.out).terminated);
  CHECK(run_chat(chat_events({"[" + error + "]"})).failure->code == "overloaded");
}

TEST_CASE("DeepSeek running out of capacity is a failure, not an answer", "[dialect][stream]") {
  const StreamRun run =
      run_chat(chat_events({chat_chunk(R"({"content":"x"})"),
                            chat_chunk("{}", "\"insufficient_system_resource\""), "[DONE]"}));
  REQUIRE(run.failure.has_value());
  CHECK(run.failure->code == "overloaded");
  CHECK_FALSE(read_chat_stream(run.out).terminated);
}

TEST_CASE("a finish reason and a tidy end are whole, [DONE] alone is not", "[dialect][stream]") {
  const std::string finished =
      chat_events({chat_chunk(R"({"content":"x"})"), chat_chunk("{}", "\"stop\"")});
  CHECK(run_chat(finished).complete);
  CHECK(run_chat(finished).out == finished + "data: [DONE]\n\n");
  CHECK(run_chat(finished + "data: [DONE]").out == finished + "data: [DONE]\n\n");
  CHECK(run_chat(chat_events({"[DONE]"})).failure->code == "bad_upstream");
  CHECK(run_chat("").failure->code == "stream_truncated");
  const StreamRun silent = run_chat(chat_events({chat_chunk("{}", "\"length\""), "[DONE]"}));
  CHECK(silent.complete);
  CHECK(silent.started);
}

TEST_CASE("calls without ids get one and finish as calls", "[dialect][stream]") {
  const std::string call =
      R"({"tool_calls":[{"index":0,"id":"","type":"function","function":{"name":"f","arguments":"{}"}},)"
      R"({"index":1,"function":{"name":"g","arguments":""}}]})";
  const StreamRun run =
      run_chat(chat_events({chat_chunk(call), chat_chunk("{}", "\"stop\""), "[DONE]"}));
  const Reading got = read_chat_stream(run.out);
  REQUIRE(got.calls.size() == 2);
  CHECK(got.calls[0].id.size() == 29);
  CHECK(got.calls[0].id.starts_with("call_"));
  CHECK(got.calls[1].id != got.calls[0].id);
  CHECK(got.finish == "tool_calls");
  CHECK(run.tally.tool_calls == 2);
  CHECK(run.out ==
        run_chat(chat_events({chat_chunk(call), chat_chunk("{}", "\"stop\""), "[DONE]"})).out);
}

TEST_CASE("arguments that are no object are a signal, cut ones are not", "[dialect][stream]") {
  const auto call = [](const std::string& arguments, const std::string& finish) {
    const std::string delta =
        R"({"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":)" +
        arguments + "}}]}";
    return run_chat(chat_events({chat_chunk(delta), chat_chunk("{}", finish), "[DONE]"}))
        .tally.invalid_tool_json;
  };
  CHECK(call(R"("{\"a\":")", "\"tool_calls\""));
  CHECK(call(R"("[1]")", "\"tool_calls\""));
  CHECK_FALSE(call(R"("{\"a\":")", "\"length\""));
  CHECK_FALSE(call(R"("")", "\"tool_calls\""));
  CHECK_FALSE(call(R"(" {\"a\":1} ")", "\"tool_calls\""));
}

TEST_CASE("a Claude tool without arguments gets exactly one empty object", "[dialect][stream]") {
  const std::string start =
      R"({"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"now","input":{}}})";
  const std::string empty =
      R"({"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}})";
  for (const bool stopped : {true, false}) {
    std::vector<std::string> events = {message_start, start, empty};
    if (stopped) events.emplace_back(R"({"type":"content_block_stop","index":3})");
    events.insert(events.end(), {message_delta("tool_use"), message_stop});
    const StreamRun run = run_claude(events);
    const Reading got = read_chat_stream(run.out);
    REQUIRE(got.calls.size() == 1);
    CHECK(got.calls[0].arguments == "{}");
    CHECK(got.finish == "tool_calls");
  }
}

TEST_CASE("an input that comes whole with its block keeps its text", "[dialect][stream]") {
  const std::string start =
      R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"n":1.10,"b":12345678901234567890123}}})";
  const StreamRun run =
      run_claude({message_start, start, R"({"type":"content_block_stop","index":0})",
                  message_delta("tool_use"), message_stop});
  CHECK(read_chat_stream(run.out).calls.at(0).arguments ==
        R"({"n":1.10,"b":12345678901234567890123})");
}

TEST_CASE("Claude's stop reasons have their chat words", "[dialect][stream]") {
  const std::string text =
      R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"x"}})";
  const std::vector<std::pair<std::string, std::string>> words = {
      {"end_turn", "stop"},
      {"max_tokens", "length"},
      {"model_context_window_exceeded", "length"},
      {"stop_sequence", "stop"},
      {"tool_use", "tool_calls"},
      {"pause_turn", "stop"},
      {"refusal", "content_filter"}};
  for (const auto& [theirs, ours] : words) {
    const StreamRun run = run_claude({message_start, text, message_delta(theirs), message_stop});
    CHECK(read_chat_stream(run.out).finish == ours);
    CHECK(run.tally.refusal == (theirs == "refusal"));
  }
}

TEST_CASE("B4: Claude's usage is set by later reports, never added", "[dialect][stream]") {
  const std::string start =
      R"({"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":100,"cache_read_input_tokens":7,)"
      R"("cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":1}}})";
  const std::string delta =
      R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":90,"output_tokens":40,)"
      R"("output_tokens_details":{"thinking_tokens":15},"cache_read_input_tokens":null}})";
  const std::string text =
      R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"x"}})";
  const StreamRun run = run_claude({start, text, delta, delta, message_stop});
  CHECK(run.tally.usage == Usage{90, 7, 20, 10, 25, 15});
  const Reading got = read_chat_stream(run.out);
  CHECK(got.input == 127);
  CHECK(got.output == 40);
}

TEST_CASE("a second beginning is forgiven before content and an error after it",
          "[dialect][stream]") {
  const std::string text =
      R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"x"}})";
  const StreamRun early =
      run_claude({message_start, message_start, text, message_delta("end_turn"), message_stop});
  CHECK(early.complete);
  CHECK(read_chat_stream(early.out).text == "x");
  const StreamRun late = run_claude(
      {message_start, text, message_start, text, message_delta("end_turn"), message_stop});
  REQUIRE(late.failure.has_value());
  CHECK(read_chat_stream(late.out).text == "x");
  CHECK_FALSE(read_chat_stream(late.out).terminated);
}

TEST_CASE("an error event of Claude before content can go elsewhere", "[dialect][stream]") {
  const std::string error =
      R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})";
  const StreamRun early = run_claude({message_start, R"({"type":"ping"})", error});
  CHECK(early.out.empty());
  CHECK(early.failure->code == "overloaded");
  CHECK(early.failure->retry == Retry::same_then_next);
}

TEST_CASE("blocks and events that nobody here knows are skipped", "[dialect][stream]") {
  const StreamRun run = run_claude(
      {message_start, R"({"type":"novelty","x":1})",
       R"({"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web","input":{}}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}})",
       R"({"type":"content_block_stop","index":0})",
       R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}})",
       R"({"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{}}})",
       R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"ok"}})",
       message_delta("end_turn"), message_stop});
  const Reading got = read_chat_stream(run.out);
  CHECK(got.text == "ok");
  CHECK(got.calls.empty());
  CHECK(got.finish == "stop");
}

TEST_CASE("Gemini remembers a call until the STOP that follows chunks later", "[dialect][stream]") {
  const StreamRun run = run_gemini(
      {R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1.0}}}]}}],"responseId":"r1"})",
       R"({"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":4,"totalTokenCount":9}})"});
  const Reading got = read_chat_stream(run.out);
  CHECK(got.finish == "tool_calls");
  REQUIRE(got.calls.size() == 1);
  CHECK(got.calls[0].arguments == R"({"a":1.0})");
  CHECK(got.calls[0].id.starts_with("call_"));
  CHECK(got.output == 6);
  CHECK(got.reasoning_tokens == 4);
}

TEST_CASE("Gemini's broken calls are failures and its filters are not", "[dialect][stream]") {
  for (const std::string reason :
       {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE", "TOO_MANY_TOOL_CALLS", "OTHER", "NEWLY_INVENTED"}) {
    const StreamRun run = run_gemini({R"({"candidates":[{"finishReason":")" + reason + R"("}]})"});
    REQUIRE(run.failure.has_value());
    CHECK(run.failure->code == "bad_upstream_output");
    CHECK(run.failure->retry == Retry::next_candidate);
    CHECK(run.out.empty());
  }
  for (const std::string reason :
       {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"}) {
    const StreamRun run = run_gemini({R"({"candidates":[{"finishReason":")" + reason + R"("}]})"});
    CHECK(run.complete);
    CHECK(read_chat_stream(run.out).finish == "content_filter");
  }
  const StreamRun blocked =
      run_gemini({R"({"promptFeedback":{"blockReason":"OTHER"},"responseId":"r"})"});
  CHECK(read_chat_stream(blocked.out).finish == "content_filter");
  CHECK(blocked.tally.refusal);
  const StreamRun eaten =
      run_gemini({R"({"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]})"});
  CHECK(read_chat_stream(eaten.out).finish == "length");
  const StreamRun empty =
      run_gemini({R"({"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]})"});
  CHECK(empty.failure->code == "bad_upstream_output");
}

TEST_CASE("Gemini's arguments in pieces are put together", "[dialect][stream]") {
  const auto call = [](const std::string& content, const std::string& end = "") {
    return R"({"candidates":[{"content":{"parts":[{"functionCall":)" + content + "}]}" + end +
           R"(}],"responseId":"r"})";
  };
  const StreamRun run = run_gemini(
      {call(R"({"name":"f","willContinue":true})"),
       call(
           R"({"partialArgs":[{"jsonPath":"$.items[0].name","stringValue":"a\n","willContinue":true}],"willContinue":true})"),
       call(
           R"({"partialArgs":[{"jsonPath":"$.items[0].name","stringValue":"b"},{"jsonPath":"$.items[0].ok","boolValue":true}],"willContinue":true})"),
       call(
           R"({"partialArgs":[{"jsonPath":"$['odd key']","numberValue":0.3},{"jsonPath":"$.none","nullValue":"NULL_VALUE"}],"willContinue":true})"),
       call("{}"), call(R"({"name":"g","args":{}})", R"(,"finishReason":"STOP")")});
  const Reading got = read_chat_stream(run.out);
  REQUIRE(got.calls.size() == 2);
  CHECK(got.calls[0].arguments ==
        R"({"items":[{"name":"a\nb","ok":true}],"odd key":0.3,"none":null})");
  CHECK(got.calls[1].arguments == "{}");
  const StreamRun hostile = run_gemini(
      {call(R"({"name":"f","willContinue":true})"),
       call(
           R"({"partialArgs":[{"jsonPath":"$.a[4000000000]","stringValue":"x"}],"willContinue":true})")});
  CHECK(hostile.failure->code == "bad_upstream");
}

TEST_CASE("the gateway's own end is told once", "[dialect][stream]") {
  std::string out;
  StreamTranslator translator{candidate_for(Dialect::anthropic_messages), chat_options()};
  const Error drain = gateway_error(503, "draining", "the gateway is stopping");
  translator.fail(drain, out);
  translator.fail(drain, out);
  translator.heartbeat(out);
  translator.feed(claude_events({message_start}), out);
  translator.end({}, out);
  CHECK(sse_data(out).size() == 1);
  CHECK(read_chat_stream(out).error);
  CHECK(translator.failure()->code == "draining");
}

}  // namespace turnpike::dialect::test
