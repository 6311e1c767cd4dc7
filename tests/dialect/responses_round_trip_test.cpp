// A Responses client and its upstream, there and back: what the encoder writes the decoder reads,
// what the client sends back is what the model said, and no damaged stream looks whole.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include "dialect/issuer_tag.hpp"
#include "dialect/request_rules.hpp"
#include "dialect/translate.hpp"
#include "responses_stream_checker.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

StreamOptions responses_options() {
  StreamOptions options = chat_options();
  options.client = Dialect::openai_responses;
  options.id = "resp_test";
  return options;
}

std::string golden(const std::string& name) {
  std::ifstream file{
      std::string{TURNPIKE_SOURCE_DIR} + "/tests/golden/streams/tools-thinking." + name,
      std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

Result<Outgoing> request_for(const std::string& body, const Candidate& candidate) {
  std::string padded = body;
  padded.reserve(body.size() + 64);
  const auto view = read_view(Dialect::openai_responses, padded);
  if (!view) return std::unexpected{view.error()};
  return translate(Dialect::openai_responses, padded, *view, candidate, {});
}

const std::string exec_request =
    R"({"model":"auto","stream":true,"store":false,"tools":[{"type":"custom","name":"exec","description":"Runs it.","format":{"type":"text"}}],"input":[)"
    R"({"type":"message","role":"user","content":[{"type":"input_text","text":"List the files."}]})";

/// A Chat upstream that calls the tool with these arguments, in two pieces.
std::string chat_call(const std::string& name, const std::string& arguments) {
  const std::size_t half = arguments.size() / 2;
  const auto chunk = [&](const std::string& call) {
    return R"({"id":"u1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[)" + call +
           "]}}]}";
  };
  return chat_events(
      {chunk(R"({"index":0,"id":"call_1","type":"function","function":{"name":)" +
             Json(name).dump() + R"(,"arguments":)" + Json(arguments.substr(0, half)).dump() +
             "}}"),
       chunk(R"({"index":0,"function":{"arguments":)" + Json(arguments.substr(half)).dump() + "}}"),
       R"({"id":"u1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}})",
       "[DONE]"});
}

/// Flips, drops, doubles and moves bytes.
std::string mutated(std::string stream, std::mt19937& random) {
  static constexpr std::string_view spice = "\"{}[]:,\\\n\r0-9eunl\xF0\x9F data";
  for (std::size_t count = 1 + random() % 4; count > 0; --count) {
    const std::size_t at = random() % stream.size();
    const std::size_t length = random() % std::min<std::size_t>(stream.size() - at, 200);
    switch (random() % 4) {
      case 0:
        stream[at] = static_cast<char>(random());
        break;
      case 1:
        stream.erase(at, length);
        break;
      case 2:
        stream.insert(random() % stream.size(), stream.substr(at, length));
        break;
      default:
        stream.insert(at, 1, spice[random() % spice.size()]);
    }
  }
  return stream;
}

std::mt19937 seeded() {
  const char* given = std::getenv("TURNPIKE_FUZZ_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                                         : std::random_device{}();
  std::cerr << "TURNPIKE_FUZZ_SEED=" << seed << "\n";
  return std::mt19937{seed};
}

}  // namespace

TEST_CASE("what is written for a Responses client is read from a Responses upstream",
          "[dialect][responses][stream]") {
  for (const std::string name : {"anthropic-messages", "openai-chat", "gemini-generate"}) {
    INFO(name);
    const std::string stream = golden(name + ".to-responses.sse");
    const Candidate candidate = candidate_for(Dialect::openai_responses);
    const StreamRun run = run_whole(candidate, chat_options(), stream);
    CHECK(run.complete);
    const Reading expected = read_responses_stream(stream);
    const Reading got = read_chat_stream(run.out);
    CHECK(got.text == expected.text);
    CHECK(got.reasoning == expected.reasoning);
    CHECK(got.finish == "tool_calls");
    CHECK(got.input == expected.input);
    CHECK(got.output == expected.output);
    REQUIRE(got.calls.size() == expected.calls.size());
    for (std::size_t i = 0; i < got.calls.size(); ++i) {
      CHECK(got.calls[i].id == expected.calls[i].id);
      CHECK(got.calls[i].arguments == expected.calls[i].arguments);
    }
    CHECK(run_bytes(candidate, chat_options(), stream).out == run.out);
  }
}

TEST_CASE("a custom tool's call and its input survive the way to a Chat upstream and back",
          "[dialect][responses][translate]") {
  const Candidate candidate = candidate_for(Dialect::openai_chat);
  const auto first = request_for(exec_request + "]}", candidate);
  REQUIRE(first.has_value());
  REQUIRE(first->tools.size() == 1);
  CHECK(first->tools[0].takes_text);
  StreamOptions options = responses_options();
  options.tools = first->tools;
  options.echo = first->echo;
  const std::string script = "for (const f of files) {\n  print(\"\\u00e9\");\n}";
  const std::string wrapped = Json{{"input", script}}.dump();
  const StreamRun run = run_whole(candidate, options, chat_call(first->tools[0].upstream, wrapped));
  const ResponsesStreamChecker checker{run.out};
  CHECK(checker.problems() == std::vector<std::string>{});
  REQUIRE(checker.done_items().size() == 1);
  const Json call = checker.done_items()[0];
  CHECK(text_at(call, "type") == "custom_tool_call");
  CHECK(text_at(call, "name") == "exec");
  CHECK(text_at(call, "input") == script);

  const auto second = request_for(
      exec_request + "," + call.dump() +
          R"(,{"type":"custom_tool_call_output","call_id":"call_1","output":"a.txt"}]})",
      candidate);
  REQUIRE(second.has_value());
  const Json body = Json::parse(second->body);
  const Json assistant = body.at("messages").at(body.at("messages").size() - 2);
  const Json function = assistant.at("tool_calls").at(0).at("function");
  CHECK(text_at(function, "name") == first->tools[0].upstream);
  CHECK(Json::parse(text_at(function, "arguments")) == Json::parse(wrapped));
  CHECK(text_at(body.at("messages").back(), "content") == "a.txt");
}

TEST_CASE("the reasoning that a client sends back goes to no vendor as its own",
          "[dialect][responses][translate]") {
  const StreamRun run = run_whole(candidate_for(Dialect::anthropic_messages), responses_options(),
                                  golden("anthropic-messages.sse"));
  const ResponsesStreamChecker checker{run.out};
  std::string input;
  for (const Json& item : checker.done_items()) input += item.dump() + ",";
  const auto token = read_issuer_tag(text_at(checker.done_items().front(), "encrypted_content"));
  REQUIRE(token.has_value());
  CHECK(token->provider == "anthropic");
  for (const Dialect dialect :
       {Dialect::openai_chat, Dialect::anthropic_messages, Dialect::gemini_generate}) {
    const auto next = request_for(
        R"({"model":"auto","input":[{"type":"message","role":"user","content":"Weather?"},)" +
            input + R"({"type":"function_call_output","call_id":")" +
            text_at(checker.done_items().back(), "call_id") + R"(","output":"ok"}]})",
        candidate_for(dialect));
    REQUIRE(next.has_value());
    CHECK(next->body.find(text_at(checker.done_items().front(), "encrypted_content")) ==
          std::string::npos);
  }
}

TEST_CASE("damaged streams reach Responses clients in order, and whole only if they are",
          "[dialect][responses][fuzz]") {
  std::mt19937 random = seeded();
  for (const std::string name : {"anthropic-messages", "openai-chat", "gemini-generate"}) {
    const std::string stream = golden(name + ".sse");
    const Candidate candidate = candidate_for(*parse_dialect(name));
    for (int round = 0; round < 400; ++round) {
      const std::string damaged = mutated(stream, random);
      CAPTURE(damaged);
      const StreamRun run = run_whole(candidate, responses_options(), damaged);
      REQUIRE(run.complete != run.failure.has_value());
      const ResponsesStreamChecker checker{run.out};
      REQUIRE(checker.problems() == std::vector<std::string>{});
      if (run.failure) REQUIRE(checker.terminal() == (run.started ? "response.failed" : ""));
      const std::size_t cut = random() % (damaged.size() + 1);
      const std::string_view text{damaged};
      REQUIRE(
          run_pieces(candidate, responses_options(), {text.substr(0, cut), text.substr(cut)}).out ==
          run.out);
    }
  }
}

TEST_CASE("a damaged Responses stream never ends as if it were whole",
          "[dialect][responses][fuzz]") {
  std::mt19937 random = seeded();
  const Candidate candidate = candidate_for(Dialect::openai_responses);
  const std::string stream = golden("anthropic-messages.to-responses.sse");
  for (int round = 0; round < 800; ++round) {
    const std::string damaged = mutated(stream, random);
    CAPTURE(damaged);
    const StreamRun run = run_whole(candidate, chat_options(), damaged);
    REQUIRE(run.complete != run.failure.has_value());
    const Reading got = read_chat_stream(run.out);
    REQUIRE(got.terminated == run.complete);
    REQUIRE(got.error == (run.failure.has_value() && run.started));
    const std::size_t cut = random() % (damaged.size() + 1);
    const std::string_view text{damaged};
    REQUIRE(run_pieces(candidate, chat_options(), {text.substr(0, cut), text.substr(cut)}).out ==
            run.out);
  }
  for (std::size_t length = 0; length < stream.find("event: response.completed"); ++length) {
    const StreamRun run =
        run_whole(candidate, chat_options(), std::string_view{stream}.substr(0, length));
    REQUIRE(run.failure.has_value());
    REQUIRE_FALSE(read_chat_stream(run.out).terminated);
  }
}

}  // namespace turnpike::dialect::test
