#include "dialect/response_translator.hpp"

#include <catch2/catch.hpp>

#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant{}; }
  [[nodiscard]] Monotonic monotonic() const override { return Monotonic{}; }
};

Result<TranslatedResponse> translated(Dialect provider, std::string body) {
  return translate_response(candidate_for(provider), chat_options(), std::move(body));
}

const std::string claude_body =
    R"({"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-5-5","content":[)"
    R"({"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"redacted_thinking","data":"cmVk"},)"
    R"({"type":"text","text":"Both:"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"n":1.10,"k":[1]}},)"
    R"({"type":"tool_use","id":"toolu_2","name":"g","input":{}}],"stop_reason":"tool_use",)"
    R"("usage":{"input_tokens":3,"cache_read_input_tokens":2,"output_tokens":9}})";

}  // namespace

TEST_CASE("a chat answer keeps its bytes and loses the blank lines before them",
          "[dialect][response]") {
  const std::string body =
      R"({"id":"x", "choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}, "novel":1.0})";
  const auto answer = translated(Dialect::openai_chat, "\n\n \r\n" + body);
  REQUIRE(answer.has_value());
  CHECK(answer->body == body);
  CHECK(answer->tally.finish == "stop");
  CHECK(answer->tally.usage.input_fresh == 3);
  CHECK(answer->tally.output_bytes == 2);
}

TEST_CASE("calls without ids are mended in whole answers, too", "[dialect][response]") {
  const std::string body =
      R"({"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[)"
      R"({"id":"","type":"function","function":{"name":"f","arguments":"{}"}},)"
      R"({ "type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"stop"}]})";
  const auto answer = translated(Dialect::openai_chat, body);
  REQUIRE(answer.has_value());
  CHECK(answer->body.find(R"("id":"call_)") != std::string::npos);
  CHECK(answer->body.find(R"("id":"",)") == std::string::npos);
  CHECK(answer->body.find(R"("finish_reason":"tool_calls")") != std::string::npos);
  CHECK(answer->tally.tool_calls == 2);
}

TEST_CASE("Claude's answer becomes a chat completion with its argument text untouched",
          "[dialect][response]") {
  const auto answer = translated(Dialect::anthropic_messages, claude_body);
  REQUIRE(answer.has_value());
  CHECK(
      answer->body ==
      R"({"id":"chatcmpl-test","object":"chat.completion","created":1764000000,"model":"auto","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":"Both:","reasoning_content":"Hm.","refusal":null,"tool_calls":[)"
      R"({"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"n\":1.10,\"k\":[1]}"}},)"
      R"({"id":"toolu_2","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,)"
      R"("finish_reason":"tool_calls"}],"usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":14,)"
      R"("prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":0},)"
      R"("completion_tokens_details":{"reasoning_tokens":0}}})");
  CHECK(answer->tally.response_id == "msg_1");
  CHECK(answer->tally.model_returned == "claude-opus-5-5");
}

TEST_CASE("several Gemini candidates stay apart", "[dialect][response]") {
  const auto answer = translated(
      Dialect::gemini_generate,
      R"({"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},"finishReason":"STOP"},)"
      R"({"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"}],"responseId":"r"})");
  REQUIRE(answer.has_value());
  CHECK(answer->body.find(R"("index":0,"message":{"role":"assistant","content":null)") !=
        std::string::npos);
  CHECK(answer->body.find(R"("index":1,"message":{"role":"assistant","content":"b")") !=
        std::string::npos);
  CHECK(answer->body.find(R"("finish_reason":"length")") != std::string::npos);
  CHECK(answer->tally.finish == "tool_calls");
}

TEST_CASE("what is no answer is an error that may be tried elsewhere", "[dialect][response]") {
  for (const Dialect dialect :
       {Dialect::openai_chat, Dialect::anthropic_messages, Dialect::gemini_generate}) {
    for (const std::string body :
         {"", "  \n", "<html>ok</html>", "{", "[]", "{}", "null", R"({"choices":[]})",
          R"({"candidates":[]})", R"({"content":null})"}) {
      INFO(to_string(dialect) << ": " << body);
      const auto answer = translated(dialect, body);
      REQUIRE_FALSE(answer.has_value());
      CHECK(answer.error().code == "bad_upstream");
      CHECK(answer.error().http_status == 502);
      CHECK(answer.error().retry == Retry::next_candidate);
    }
    const auto error = translated(
        dialect, R"({"type":"error","error":{"type":"overloaded_error","message":"busy"}})");
    REQUIRE_FALSE(error.has_value());
    CHECK(error.error().code == "overloaded");
  }
}

TEST_CASE("state that chat clients cannot carry goes into the store",
          "[dialect][response][opaque]") {
  const StoppedClock clock;
  OpaqueStore store{clock};
  StreamOptions options = chat_options();
  options.opaque = &store;

  REQUIRE(translate_response(candidate_for(Dialect::anthropic_messages), options, claude_body));
  for (const std::string call : {"toolu_1", "toolu_2"}) {
    const auto state = store.find("key-1", call);
    REQUIRE(state.has_value());
    CHECK(state->vendor == "anthropic");
    CHECK(state->family == "claude-5.5");
    CHECK(state->kind == OpaqueKind::claude_thinking);
    CHECK(state->blocks == std::vector<OpaqueBlock>{{OpaqueBlock::Form::thinking, "Hm.", "c2ln"},
                                                    {OpaqueBlock::Form::redacted, "", "cmVk"}});
  }
  CHECK_FALSE(store.find("key-2", "toolu_1").has_value());

  const std::string gemini_calls =
      R"({"candidates":[{"content":{"parts":[{"functionCall":{"id":"a1","name":"f","args":{}},"thoughtSignature":"c2ln"},)"
      R"({"functionCall":{"id":"a2","name":"g","args":{}}}]},"finishReason":"STOP"}],"responseId":"r"})";
  REQUIRE(translate_response(candidate_for(Dialect::gemini_generate), options, gemini_calls));
  REQUIRE(store.find("key-1", "a1").has_value());
  CHECK(store.find("key-1", "a1")->blocks ==
        std::vector<OpaqueBlock>{{OpaqueBlock::Form::signature, "", "c2ln"}});
  CHECK_FALSE(store.find("key-1", "a2").has_value());

  const std::string gemini_text =
      R"({"candidates":[{"content":{"parts":[{"text":"An"},{"text":"swer"},{"text":"","thoughtSignature":"dGV4dA=="}]},)"
      R"("finishReason":"STOP"}],"responseId":"r"})";
  REQUIRE(translate_response(candidate_for(Dialect::gemini_generate), options, gemini_text));
  REQUIRE(store.find("key-1", turn_key("Answer")).has_value());

  const std::string deepseek =
      R"({"id":"d","choices":[{"index":0,"message":{"role":"assistant","content":"","reasoning_content":"Because.",)"
      R"("tool_calls":[{"id":"call_00_x","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})";
  REQUIRE(translate_response(candidate_for(Dialect::openai_chat), options, deepseek));
  REQUIRE(store.find("key-1", "call_00_x").has_value());
  CHECK(store.find("key-1", "call_00_x")->blocks ==
        std::vector<OpaqueBlock>{{OpaqueBlock::Form::reasoning, "Because.", ""}});
}

TEST_CASE("a stream leaves the same state in the store as a whole answer",
          "[dialect][stream][opaque]") {
  const StoppedClock clock;
  OpaqueStore store{clock};
  StreamOptions options = chat_options();
  options.opaque = &store;
  const std::string stream = claude_events(
      {R"({"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}})",
       R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"."}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2"}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"ln"}})",
       R"({"type":"content_block_stop","index":0})",
       R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":"Answer."}})",
       R"({"type":"message_delta","delta":{"stop_reason":"end_turn"}})",
       R"({"type":"message_stop"})"});
  REQUIRE(run_bytes(candidate_for(Dialect::anthropic_messages), options, stream).complete);
  const auto state = store.find("key-1", turn_key("Answer."));
  REQUIRE(state.has_value());
  CHECK(state->blocks == std::vector<OpaqueBlock>{{OpaqueBlock::Form::thinking, "Hm.", "c2ln"}});
}

}  // namespace turnpike::dialect::test
