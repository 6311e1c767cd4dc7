// How Chat answers may end: what the fuzzers have found, said as rules.
#include <catch2/catch.hpp>

#include "answer_reading.hpp"
#include "dialect/response_translator.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

StreamOptions options_of(Dialect client) {
  StreamOptions options = chat_options();
  options.client = client;
  return options;
}

/// A Claude stream with one call whose arguments come in these pieces.
std::string claude_call(const std::vector<std::string>& pieces, const std::string& stop_reason) {
  std::vector<std::string> events{
      R"({"type":"message_start","message":{"id":"m","model":"c","content":[],"usage":{"input_tokens":1,"output_tokens":1}}})",
      R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}})"};
  for (const std::string& piece : pieces) {
    events.push_back(
        R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":)" +
        Json(piece).dump() + "}}");
  }
  events.emplace_back(R"({"type":"content_block_stop","index":0})");
  events.push_back(R"({"type":"message_delta","delta":{"stop_reason":")" + stop_reason + R"("}})");
  events.emplace_back(R"({"type":"message_stop"})");
  return claude_events(events);
}

constexpr auto all_dialects = {Dialect::openai_chat, Dialect::openai_responses,
                               Dialect::anthropic_messages, Dialect::gemini_generate};

}  // namespace

TEST_CASE("a Chat client gets no finish reason for a call with broken arguments",
          "[dialect][stream]") {
  const Candidate claude = candidate_for(Dialect::anthropic_messages);
  for (const std::string broken : {"{\"a\"", "[1]", "\"x\"", "{\"a\":1}{}"}) {
    INFO(broken);
    const StreamRun run = run_whole(claude, chat_options(), claude_call({broken}, "tool_use"));
    REQUIRE(run.failure.has_value());
    CHECK(run.failure->code == "bad_upstream_output");
    const Reading got = read_chat_stream(run.out);
    CHECK(got.error);
    CHECK(got.finish.empty());
    CHECK_FALSE(got.terminated);
  }
  const StreamRun cut = run_whole(claude, chat_options(), claude_call({"{\"a\""}, "max_tokens"));
  CHECK(cut.complete);
  CHECK(read_chat_stream(cut.out).finish == "length");
  const StreamRun whole =
      run_whole(claude, chat_options(), claude_call({"{\"a\"", ":1}"}, "tool_use"));
  CHECK(whole.complete);
  CHECK(read_chat_stream(whole.out).finish == "tool_calls");
}

TEST_CASE("the mark [DONE] alone is a failure for the clients of every dialect",
          "[dialect][stream]") {
  const Candidate chat = candidate_for(Dialect::openai_chat);
  const std::string role =
      R"({"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})";
  for (const Dialect client : all_dialects) {
    for (const std::string& stream : {chat_events({"[DONE]"}), chat_events({role, "[DONE]"})}) {
      const StreamRun run = run_whole(chat, options_of(client), stream);
      REQUIRE(run.failure.has_value());
      CHECK(run.failure->code == "bad_upstream");
      CHECK(run.failure->retry == Retry::next_candidate);
      CHECK(run.out.empty());
    }
  }
}

TEST_CASE("[DONE] finishes what has content and no finish reason", "[dialect][stream]") {
  const Candidate chat = candidate_for(Dialect::openai_chat);
  const auto call = [](const std::string& arguments) {
    return chat_events(
        {R"({"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":)" +
             Json(arguments).dump() + "}}]}}]}",
         "[DONE]"});
  };
  const StreamRun gemini = run_whole(chat, options_of(Dialect::gemini_generate), call("{\"n\":1}"));
  CHECK(gemini.complete);
  CHECK(gemini.out.find(R"("args":{"n":1})") != std::string::npos);
  for (const Dialect client :
       {Dialect::openai_responses, Dialect::anthropic_messages, Dialect::gemini_generate}) {
    CHECK(run_whole(chat, options_of(client), call("{\"n\":1}")).complete);
    CHECK(run_whole(chat, options_of(client), call("{\"n\"")).failure.has_value());
  }
}

TEST_CASE("a call behind the finish reason reaches clients whole or not at all",
          "[dialect][stream]") {
  const Candidate chat = candidate_for(Dialect::openai_chat);
  const auto stream = [](const std::string& arguments) {
    return chat_events(
        {R"({"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]})",
         R"({"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":)" +
             Json(arguments).dump() + "}}]}}]}",
         "[DONE]"});
  };
  const auto run = [&](Dialect client, const std::string& arguments) {
    return run_whole(chat, options_of(client), stream(arguments));
  };
  const StreamRun gemini = run(Dialect::gemini_generate, "{\"n\":1}");
  CHECK(gemini.complete);
  CHECK(gemini.out.find(R"("args":{"n":1})") != std::string::npos);
  const StreamRun responses = run(Dialect::openai_responses, "{\"n\":1}");
  CHECK(responses.complete);
  CHECK(responses.out.find("response.function_call_arguments.done") != std::string::npos);
  CHECK(run(Dialect::anthropic_messages, "{\"n\":1}").complete);
  for (const Dialect client :
       {Dialect::openai_responses, Dialect::anthropic_messages, Dialect::gemini_generate}) {
    CHECK(run(client, "{\"n\"").failure.has_value());
  }
}

}  // namespace turnpike::dialect::test
