// What is remembered of an answer for a later request: whose state, in which form, at which place.
#include <catch2/catch.hpp>

#include "answer_reading.hpp"
#include "dialect/opaque_store.hpp"
#include "dialect/response_translator.hpp"
#include "dialect/tool_ids.hpp"
#include "stream_support.hpp"
#include "support/fake_clock.hpp"

namespace turnpike::dialect::test {
namespace {

using Form = OpaqueBlock::Form;

/// A store and what one answer leaves in it.
class Memory {
 public:
  void see(const Candidate& candidate, const std::string& stream,
           Dialect client = Dialect::openai_chat) {
    StreamOptions options = chat_options();
    options.client = client;
    options.opaque = &store_;
    run_ = run_whole(candidate, options, stream);
    CHECK(run_.complete);
  }
  [[nodiscard]] std::optional<OpaqueState> find(const std::string& key) const {
    return store_.find("key-1", key);
  }
  [[nodiscard]] std::size_t entries() const { return store_.figures().entries; }
  [[nodiscard]] const Tally& tally() const { return run_.tally; }

 private:
  turnpike::test::FakeClock clock_;
  OpaqueStore store_{clock_};
  StreamRun run_;
};

std::string block(int index, const std::string& content, const std::vector<std::string>& deltas) {
  const std::string number = std::to_string(index);
  std::vector<std::string> events = {R"({"type":"content_block_start","index":)" + number +
                                     R"(,"content_block":)" + content + "}"};
  for (const std::string& delta : deltas) {
    events.push_back(R"({"type":"content_block_delta","index":)" + number + R"(,"delta":)" + delta +
                     "}");
  }
  events.push_back(R"({"type":"content_block_stop","index":)" + number + "}");
  return claude_events(events);
}

std::string thinking(int index, const std::string& text, const std::string& signature) {
  return block(index, R"({"type":"thinking","thinking":"","signature":""})",
               {R"({"type":"thinking_delta","thinking":")" + text + "\"}",
                R"({"type":"signature_delta","signature":")" + signature + "\"}"});
}

std::string text(int index, const std::string& words) {
  return block(index, R"({"type":"text","text":""})",
               {R"({"type":"text_delta","text":")" + words + "\"}"});
}

std::string call(int index, const std::string& id) {
  return block(index, R"({"type":"tool_use","id":")" + id + R"(","name":"now","input":{}})",
               {R"({"type":"input_json_delta","partial_json":"{}"})"});
}

std::string claude(const std::string& blocks, const std::string& reason) {
  return claude_events({R"({"type":"message_start","message":{"id":"msg_1","model":"m"}})"}) +
         blocks +
         claude_events({R"({"type":"message_delta","delta":{"stop_reason":")" + reason + "\"}}",
                        R"({"type":"message_stop"})"});
}

OpaqueBlock thought(const std::string& words, const std::string& signature, int calls_before,
                    bool after_text) {
  return {Form::thinking, words, signature, calls_before, after_text};
}

std::string deepseek_calls(const std::string& reasoning) {
  return chat_events({R"({"id":"c","choices":[{"index":0,"delta":{"reasoning_content":)" +
                          reasoning + "}}]}",
                      R"({"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,)"
                      R"("id":"call_1","function":{"name":"now","arguments":"{}"}}]}}]})",
                      R"({"id":"c","choices":[{"index":0,"delta":{},"finish_reason":)"
                      R"("tool_calls"}]})"}) +
         "data: [DONE]\n\n";
}

}  // namespace

TEST_CASE("interleaved thinking is kept with its place in the turn", "[dialect][recorder]") {
  Memory memory;
  const std::string redacted = block(5, R"({"type":"redacted_thinking","data":"RED"})", {});
  memory.see(
      candidate_for(Dialect::anthropic_messages),
      claude(thinking(0, "one", "SIG1") + text(1, "I look.") + thinking(2, "two", "SIG2") +
                 call(3, "toolu_1") + thinking(4, "three", "SIG3") + redacted + call(6, "toolu_2"),
             "tool_use"));
  const std::vector<OpaqueBlock> expected = {thought("one", "SIG1", 0, false),
                                             thought("two", "SIG2", 0, true),
                                             thought("three", "SIG3", 1, false),
                                             {Form::redacted, "", "RED", 1, false}};
  for (const std::string id : {"toolu_1", "toolu_2"}) {
    const auto state = memory.find(id);
    REQUIRE(state.has_value());
    CHECK(state->kind == OpaqueKind::claude_thinking);
    CHECK(state->family == "claude-5.5");
    CHECK(state->blocks == expected);
  }
  CHECK(memory.entries() == 2);
}

TEST_CASE("that a turn with calls had no thinking is remembered, of a turn without calls it is not",
          "[dialect][recorder]") {
  Memory memory;
  memory.see(candidate_for(Dialect::anthropic_messages),
             claude(text(0, "So.") + call(1, "toolu_1"), "tool_use"));
  REQUIRE(memory.find("toolu_1").has_value());
  CHECK(memory.find("toolu_1")->blocks.empty());
  memory.see(candidate_for(Dialect::anthropic_messages), claude(text(0, "Hello."), "end_turn"));
  CHECK(memory.entries() == 1);
  memory.see(candidate_for(Dialect::openai_chat), deepseek_calls("null"));
  REQUIRE(memory.find("call_1").has_value());
  CHECK(memory.find("call_1")->blocks.empty());
}

TEST_CASE("thinking of a turn without calls is found by its text", "[dialect][recorder]") {
  Memory memory;
  memory.see(candidate_for(Dialect::anthropic_messages),
             claude(thinking(0, "hm", "SIG") + text(1, "Hel") + text(2, "lo."), "end_turn"));
  REQUIRE(memory.find(turn_key("Hello.")).has_value());
  CHECK(memory.find(turn_key("Hello."))->blocks ==
        std::vector<OpaqueBlock>{thought("hm", "SIG", 0, false)});
}

TEST_CASE("clients that carry the state themselves may lose it: it is kept for them, too",
          "[dialect][recorder]") {
  Memory memory;
  memory.see(candidate_for(Dialect::anthropic_messages),
             claude(thinking(0, "hm", "SIG") + call(1, "toolu_1"), "tool_use"),
             Dialect::anthropic_messages);
  CHECK(memory.find("toolu_1").has_value());
}

TEST_CASE("DeepSeek's reasoning is kept whichever endpoint has answered", "[dialect][recorder]") {
  const std::vector<OpaqueBlock> expected = {{Form::reasoning, "hm", ""}};
  const auto check = [&](Dialect dialect, const std::string& stream, Dialect client) {
    Candidate candidate = candidate_for(Dialect::openai_chat);
    candidate.dialect = dialect;
    Memory memory;
    memory.see(candidate, stream, client);
    const auto state = memory.find("call_1");
    REQUIRE(state.has_value());
    CHECK(state->kind == OpaqueKind::deepseek_reasoning);
    CHECK(state->vendor == "deepseek");
    CHECK(state->blocks == expected);
  };
  check(Dialect::openai_chat, deepseek_calls(R"("hm")"), Dialect::openai_chat);
  check(Dialect::anthropic_messages,
        claude(thinking(0, "hm", "uuid") + call(1, "call_1"), "tool_use"),
        Dialect::anthropic_messages);
  const auto event = [](const std::string& type, const std::string& members) {
    return "event: " + type + "\ndata: {\"type\":\"" + type + "\"," + members + "}\n\n";
  };
  const std::string reasoning =
      R"({"type":"reasoning","id":"r","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]})";
  const std::string function =
      R"({"type":"function_call","id":"f","call_id":"call_1","name":"now","arguments":"{}"})";
  check(Dialect::openai_responses,
        event("response.created", R"("response":{"id":"resp_1","model":"m"})") +
            event("response.output_item.added",
                  R"("output_index":0,"item":{"type":"reasoning","id":"r","summary":[]})") +
            event("response.reasoning_text.delta",
                  R"("output_index":0,"content_index":0,"item_id":"r","delta":"hm")") +
            event("response.output_item.done", R"("output_index":0,"item":)" + reasoning) +
            event("response.output_item.added", R"("output_index":1,"item":)" + function) +
            event("response.output_item.done", R"("output_index":1,"item":)" + function) +
            event("response.completed",
                  R"("response":{"id":"resp_1","status":"completed","output":[)" + reasoning + "," +
                      function + "]}"),
        Dialect::openai_responses);
}

TEST_CASE("a call with an id that some clients cannot bear is found by both of its ids",
          "[dialect][recorder]") {
  Memory memory;
  std::string stream = deepseek_calls(R"("hm")");
  stream.replace(stream.find("call_1"), 6, "functions.now:0");
  memory.see(candidate_for(Dialect::openai_chat), stream);
  CHECK(memory.find("functions.now:0").has_value());
  CHECK(memory.find(wire_tool_id("functions.now:0")).has_value());
}

TEST_CASE("a call cut by the limit leaves nothing behind", "[dialect][recorder]") {
  Memory memory;
  memory.see(candidate_for(Dialect::anthropic_messages),
             claude(thinking(0, "hm", "SIG") + call(1, "toolu_1"), "max_tokens"));
  CHECK(memory.entries() == 0);
}

TEST_CASE("too much to keep is not kept in part, and no fault of the model",
          "[dialect][recorder]") {
  Memory memory;
  const std::string piece(1U << 20U, 'x');
  std::vector<std::string> pieces = {R"({"type":"input_json_delta","partial_json":"{\"a\":\""})"};
  for (int i = 0; i < 9; ++i) {
    pieces.push_back(R"({"type":"input_json_delta","partial_json":")" + piece + "\"}");
  }
  pieces.push_back(R"({"type":"input_json_delta","partial_json":"\"}"})");
  memory.see(
      candidate_for(Dialect::anthropic_messages),
      claude(thinking(0, "hm", "SIG") +
                 block(1, R"({"type":"tool_use","id":"toolu_1","name":"w","input":{}})", pieces),
             "tool_use"));
  CHECK(memory.entries() == 0);
  CHECK_FALSE(memory.tally().invalid_tool_json);
}

TEST_CASE("without a store nothing is kept and all is counted", "[dialect][recorder]") {
  const StreamRun run =
      run_whole(candidate_for(Dialect::anthropic_messages), chat_options(),
                claude(thinking(0, "hm", "SIG") + call(1, "toolu_1"), "tool_use"));
  CHECK(run.tally.tool_calls == 1);
  CHECK(run.tally.output_bytes == 4);
}

TEST_CASE("chat blocks end where another kind begins", "[dialect][recorder]") {
  const auto piece = [](const std::string& delta) {
    return R"({"id":"c","choices":[{"index":0,"delta":)" + delta + "}]}";
  };
  const std::string stream =
      chat_events(
          {piece(R"({"reasoning_content":"a"})"), piece(R"({"content":"b"})"),
           piece(R"({"reasoning_content":"c"})"),
           piece(R"({"tool_calls":[{"index":0,"id":"call_1","function":{"name":"now",)"
                 R"("arguments":"{}"}}]})"),
           R"({"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})"}) +
      "data: [DONE]\n\n";
  Memory memory;
  memory.see(candidate_for(Dialect::openai_chat), stream);
  CHECK(memory.find("call_1")->blocks ==
        std::vector<OpaqueBlock>{{Form::reasoning, "a", "", 0, false},
                                 {Form::reasoning, "c", "", 0, false}});
}

}  // namespace turnpike::dialect::test
