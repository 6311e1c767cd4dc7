// Tools that run at the provider: which a request declares, and how often an answer says they were
// called.
#include <catch2/catch.hpp>

#include "dialect/facts.hpp"
#include "dialect/response_translator.hpp"
#include "stream_support.hpp"
#include "turnpike/server_tools.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect::test {
namespace {

using Calls = PerServerTool;
constexpr std::int64_t unbounded = RequestFacts::server_calls_unbounded;

RequestFacts facts_of(Dialect client, std::string body) {
  body.reserve(body.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  auto facts = read_facts(client, *document, RequestHead{});
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

Calls anthropic(const std::string& tools) {
  return facts_of(
             Dialect::anthropic_messages,
             R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[)" +
                 tools + "]}")
      .server_calls;
}

RequestFacts gemini(const std::string& tools) {
  return facts_of(Dialect::gemini_generate,
                  R"({"contents":[{"parts":[{"text":"hi"}]}],"tools":)" + tools + "}");
}

Tally streamed(Dialect dialect, const std::string& stream, StreamOptions options = chat_options()) {
  options.client = dialect;
  const auto candidate = candidate_for(dialect);
  const auto whole = run_whole(candidate, options, stream);
  const auto bytewise = run_bytes(candidate, options, stream);
  CHECK(whole.tally.usage == bytewise.tally.usage);
  return whole.tally;
}

Tally answered(const Candidate& candidate, const std::string& body) {
  auto options = chat_options();
  options.client = candidate.dialect;
  const auto answer = translate_response(candidate, options, body);
  if (!answer) FAIL(answer.error().message);
  return answer->tally;
}

const std::string message_start =
    R"({"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"c","content":[],)"
    R"("usage":{"input_tokens":10,"output_tokens":1}}})";
const std::string search_block =
    R"({"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s1","name":"web_search","input":{}}})";
const std::string block_stop = R"({"type":"content_block_stop","index":0})";
const std::string text_block =
    R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":"Found."}})";
const std::string text_stop = R"({"type":"content_block_stop","index":1})";

std::string message_delta(const std::string& usage) {
  return R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":)" + usage + "}";
}
const std::string message_stop = R"({"type":"message_stop"})";

}  // namespace

TEST_CASE("a Messages request declares its vendor's tools by their types, with its own bounds",
          "[dialect][server-tools]") {
  CHECK(anthropic(R"({"name":"web_search","input_schema":{"type":"object"}})") == Calls{});
  CHECK(
      anthropic(
          R"({"type":"bash_20250124","name":"bash"},{"type":"tool_search_tool_bm25","name":"t"})") ==
      Calls{});
  CHECK(anthropic(R"({"type":"web_search_20260209","name":"web_search"})") == Calls{unbounded});
  CHECK(anthropic(R"({"type":"web_search_20250305","name":"web_search","max_uses":5},)"
                  R"({"type":"web_fetch_20250910","name":"web_fetch","max_uses":2})") ==
        Calls{5, 2});
  CHECK(anthropic(R"({"type":"code_execution_20250825","name":"code_execution"})") ==
        Calls{0, 0, unbounded});
  CHECK(anthropic(R"({"type":"web_search_20250305","max_uses":0})") == Calls{unbounded});
  CHECK(
      anthropic(R"({"type":"web_search_20250305","max_uses":5},{"type":"web_search_20260209"})") ==
      Calls{unbounded});
  CHECK(anthropic(R"({"type":"web_search_20250305","max_uses":9223372036854775807},)"
                  R"({"type":"web_search_20250305","max_uses":9})") == Calls{unbounded});
  const auto advised = facts_of(
      Dialect::anthropic_messages,
      R"({"model":"m","max_tokens":9,"messages":[],"tools":[{"type":"advisor_20260301","name":"a"}]})");
  CHECK(advised.unpriced_tool == "advisor");
}

TEST_CASE("the other dialects declare them in their words", "[dialect][server-tools]") {
  CHECK(facts_of(
            Dialect::openai_responses,
            R"({"model":"m","input":"hi","tools":[{"type":"web_search"},{"type":"file_search"}]})")
            .server_calls == Calls{unbounded, 0, 0, unbounded});
  CHECK(facts_of(Dialect::openai_responses,
                 R"({"model":"m","input":"hi","tools":[{"type":"image_generation"}]})")
            .unpriced_tool == "image_generation");
  CHECK(facts_of(Dialect::openai_responses,
                 R"({"model":"m","input":"hi","tools":[{"type":"function","name":"web_search"}]})")
            .server_calls == Calls{});
  const std::string chat = R"({"model":"m","messages":[{"role":"user","content":"hi"}])";
  CHECK(facts_of(Dialect::openai_chat, chat + R"(,"web_search_options":{}})").server_calls ==
        Calls{unbounded});
  CHECK(facts_of(Dialect::openai_chat, chat + R"(,"web_search_options":null})").server_calls ==
        Calls{});
  CHECK(gemini(R"([{"googleSearch":{}},{"url_context":{}},{"codeExecution":{}}])").server_calls ==
        Calls{unbounded, unbounded, unbounded});
  CHECK(gemini(R"({"google_search_retrieval":{}})").server_calls == Calls{unbounded});
  CHECK(gemini(R"([{"fileSearch":{}}])").server_calls == Calls{0, 0, 0, unbounded});
  CHECK(gemini(R"([{"functionDeclarations":[{"name":"googleSearch"}]}])").server_calls == Calls{});
  CHECK(gemini(R"([{"google_maps":{}}])").unpriced_tool == "googleMaps");
}

TEST_CASE(
    "what a reservation holds for calls: the client's bound or the model's, in its own dialect "
    "only",
    "[dialect][server-tools]") {
  RequestFacts facts;
  facts.dialect = Dialect::anthropic_messages;
  facts.server_calls = {5, unbounded, unbounded};
  auto candidate = candidate_for(Dialect::anthropic_messages);
  candidate.server_tools_once = 1U << static_cast<unsigned>(ServerTool::code_execution);
  CHECK(server_calls_bound(facts, candidate) == Calls{5, 16, 1});
  candidate.server_calls_max = 3;
  facts.choices = 2;
  CHECK(server_calls_bound(facts, candidate) == Calls{10, 6, 2});
  CHECK(server_calls_bound(facts, candidate_for(Dialect::openai_chat)) == Calls{});
  // DeepSeek's Responses are given searches of the web only.
  facts.dialect = Dialect::openai_responses;
  facts.choices = 1;
  auto deepseek = candidate_for(Dialect::openai_responses);
  CHECK(server_calls_bound(facts, deepseek) == Calls{5, 16, 16});
  deepseek.thinking = ThinkingStyle::deepseek_effort;
  CHECK(server_calls_bound(facts, deepseek) == Calls{5});
  deepseek.context_tokens = 1000;
  CHECK(billed_tokens_bound(facts, deepseek) == 6000);
  facts.server_calls = {INT64_MAX - 1};
  CHECK(billed_tokens_bound(facts, deepseek) == INT64_MAX);
  facts.server_calls = {};
  CHECK(billed_tokens_bound(facts, deepseek) == 1000);
}

TEST_CASE("Messages tells calls in its usage; a report that comes again replaces the first",
          "[dialect][server-tools]") {
  const auto tally = streamed(
      Dialect::anthropic_messages,
      claude_events(
          {message_start, search_block, block_stop, text_block, text_stop,
           message_delta(R"({"output_tokens":20,"server_tool_use":{"web_search_requests":2}})"),
           message_delta(
               R"({"output_tokens":20,"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1}})"),
           message_stop}));
  CHECK(tally.usage.items == Calls{2, 1});
  CHECK(tally.usage.output() == 20);
  CHECK(tally.usage_plausible);
  const auto whole = answered(
      candidate_for(Dialect::anthropic_messages),
      R"({"id":"m1","type":"message","role":"assistant","model":"c","stop_reason":"end_turn","content":[)"
      R"({"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"text","text":"x"}],)"
      R"("usage":{"input_tokens":1,"output_tokens":1,"server_tool_use":{"web_search_requests":3,"code_execution_requests":1}}})");
  CHECK(whole.usage.items == Calls{3, 0, 1});
  const auto odd = streamed(
      Dialect::anthropic_messages,
      claude_events(
          {message_start, text_block, text_stop,
           message_delta(R"({"output_tokens":2,"server_tool_use":{"web_search_requests":-1}})"),
           message_stop}));
  CHECK_FALSE(odd.usage_plausible);
}

TEST_CASE(
    "a Messages server that does not count calls is counted by its blocks, broken streams too",
    "[dialect][server-tools]") {
  const auto uncounted =
      streamed(Dialect::anthropic_messages,
               claude_events({message_start, search_block, block_stop, text_block, text_stop,
                              message_delta(R"({"output_tokens":20})"), message_stop}));
  CHECK(uncounted.usage.items == Calls{1});
  const auto broken =
      streamed(Dialect::anthropic_messages,
               claude_events({message_start, search_block, block_stop, text_block}));
  CHECK(broken.usage.items == Calls{1});
  CHECK_FALSE(broken.usage_reported);
}

TEST_CASE("Responses tells calls as items: each once, streamed, repeated at the end or whole",
          "[dialect][server-tools]") {
  const auto item = [](int index, const std::string& action,
                       const std::string& status = "completed") {
    return R"({"type":"response.output_item.done","output_index":)" + std::to_string(index) +
           R"(,"item":{"type":"web_search_call","id":"w)" + std::to_string(index) +
           R"(","status":")" + status + R"(","action":{"type":")" + action + R"("}}})";
  };
  const std::string message =
      R"({"type":"message","id":"t","role":"assistant","content":[{"type":"output_text","text":"Found."}]})";
  const auto output =
      R"([{"type":"web_search_call","id":"w0","status":"completed","action":{"type":"search"}},)"
      R"({"type":"web_search_call","id":"w1","status":"completed","action":{"type":"open_page"}},)"
      R"({"type":"web_search_call","id":"w2","status":"completed","action":{"type":"find_in_page"}},)"
      R"({"type":"web_search_call","id":"w3","status":"failed","action":{"type":"search"}},)" +
      message + "]";
  const std::string usage = R"(,"usage":{"input_tokens":5,"output_tokens":2})";
  const auto tally = streamed(
      Dialect::openai_responses,
      claude_events(
          {R"({"type":"response.created","response":{"id":"r1","model":"m","status":"in_progress"}})",
           R"({"type":"response.output_item.added","output_index":0,"item":{"type":"web_search_call","id":"w0"}})",
           item(0, "search"), item(0, "search"), item(1, "open_page"), item(2, "find_in_page"),
           item(3, "search", "failed"),
           R"({"type":"response.output_item.done","output_index":4,"item":)" + message + "}",
           R"({"type":"response.completed","response":{"id":"r1","model":"m","status":"completed","output":)" +
               output + usage + "}}"}));
  CHECK(tally.usage.items == Calls{1, 1});
  CHECK(tally.usage.input() == 5);
  const auto body = R"({"id":"r1","object":"response","model":"m","status":"completed","output":)" +
                    output + usage + "}";
  CHECK(answered(candidate_for(Dialect::openai_responses), body).usage.items == Calls{1, 1});
  const auto broken = streamed(
      Dialect::openai_responses,
      claude_events(
          {R"({"type":"response.created","response":{"id":"r1","model":"m"}})", item(0, "search"),
           R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"F"})"}));
  CHECK(broken.usage.items == Calls{1});
  CHECK_FALSE(broken.usage_reported);
}

TEST_CASE("Gemini tells its searches as queries, which later chunks may repeat",
          "[dialect][server-tools]") {
  const auto chunk = [](const std::string& text, const std::string& more,
                        const std::string& usage = "5") {
    return R"({"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":")" + text +
           R"("}]})" + more + R"(}],"usageMetadata":{"promptTokenCount":)" + usage +
           R"(,"candidatesTokenCount":2,"totalTokenCount":7},"responseId":"g"})";
  };
  const auto stream = gemini_events(
      {chunk("a", ""), chunk("b", R"(,"groundingMetadata":{"webSearchQueries":["one","two",""]})"),
       chunk("c", R"(,"groundingMetadata":{"webSearchQueries":["one","two","three"]},)"
                  R"("urlContextMetadata":{"urlMetadata":[{"retrievedUrl":"https://x.example"}]})"),
       chunk("d", R"(,"finishReason":"STOP")")});
  CHECK(streamed(Dialect::gemini_generate, stream).usage.items == Calls{3, 1});
  auto by_prompt = candidate_for(Dialect::gemini_generate);
  by_prompt.server_tools_once = 1U << static_cast<unsigned>(ServerTool::web_search);
  const auto body = chunk(
      "x", R"(,"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["one","two"]})");
  CHECK(answered(by_prompt, body).usage.items == Calls{1});
  CHECK(answered(candidate_for(Dialect::gemini_generate), body).usage.items == Calls{2});
  const auto code = answered(
      candidate_for(Dialect::gemini_generate),
      R"({"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"1"}},)"
      R"({"codeExecutionResult":{"outcome":"OUTCOME_OK"}},{"text":"1"}]},"finishReason":"STOP"}],)"
      R"("usageMetadata":{"promptTokenCount":1,"totalTokenCount":2}})");
  CHECK(code.usage.items == Calls{0, 0, 1});
}

TEST_CASE("queries that come behind the last usage still count", "[dialect][server-tools]") {
  const auto stream = gemini_events(
      {R"({"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":4}})",
       R"({"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["q"]}}]})"});
  const auto tally = streamed(Dialect::gemini_generate, stream);
  CHECK(tally.usage.items == Calls{1});
  CHECK(tally.usage.input() == 3);
  CHECK(tally.usage_reported);
}

TEST_CASE("Chat servers that count calls say so in their usage", "[dialect][server-tools]") {
  const std::string usage =
      R"("usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"server_tool_use":{"web_search_requests":2}}})";
  const auto body =
      R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],)" +
      usage;
  CHECK(answered(candidate_for(Dialect::openai_chat), body).usage.items == Calls{2});
  const std::string head =
      R"({"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":)";
  const auto stream =
      chat_events({head + R"({"role":"assistant","content":"hi"},"finish_reason":null}],)" + usage,
                   head + R"({},"finish_reason":"stop"}],)" + usage, "[DONE]"});
  CHECK(streamed(Dialect::openai_chat, stream).usage.items == Calls{2});
}

}  // namespace turnpike::dialect::test
