#include "dialect/write_chat.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

#include "dialect/issuer_tag.hpp"
#include "dialect/opaque_store.hpp"
#include "request_support.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::dialect::test {
namespace {

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant{}; }
  [[nodiscard]] Monotonic monotonic() const override { return Monotonic{}; }
};

Candidate local_server() {
  Candidate candidate;
  candidate.provider = "local";
  candidate.model = "qwen-coder";
  candidate.family = "qwen";
  candidate.dialect = Dialect::openai_chat;
  candidate.output_tokens_max = 8192;
  candidate.thinking = ThinkingStyle::none;
  return candidate;
}

Candidate openai() {
  auto candidate = local_server();
  candidate.provider = "openai";
  candidate.thinking = ThinkingStyle::openai_effort;
  candidate.efforts = {"none", "low", "medium", "high"};
  return candidate;
}

ir::Message user(std::string text) { return {ir::Role::user, {ir::Text{std::move(text)}}}; }
ir::Message system(std::string text) { return {ir::Role::system, {ir::Text{std::move(text)}}}; }

ir::ToolCall call(std::string id, std::string arguments = "{}", std::string name = "read") {
  ir::ToolCall made;
  made.id = std::move(id);
  made.name = std::move(name);
  made.arguments = std::move(arguments);
  return made;
}

ir::Message result(std::string id, std::vector<ir::ResultPart> parts, bool is_error = false) {
  ir::ToolResult made;
  made.id = std::move(id);
  made.parts = std::move(parts);
  made.is_error = is_error;
  return {ir::Role::tool, {std::move(made)}};
}

ir::Media image() {
  ir::Media media;
  media.mime = "image/png";
  media.data = "iVBORw0K";
  return media;
}

ir::Request request_of(std::vector<ir::Message> messages) {
  ir::Request request;
  request.messages = std::move(messages);
  return request;
}

Outgoing sent(ir::Request request, const Candidate& candidate = deepseek(),
              const TranslateOptions& options = {}) {
  auto outgoing = write_chat(std::move(request), candidate, options);
  REQUIRE(outgoing);
  return std::move(*outgoing);
}

OrderedJson body_of(ir::Request request, const Candidate& candidate = deepseek(),
                    const TranslateOptions& options = {}) {
  return OrderedJson::parse(sent(std::move(request), candidate, options).body);
}

bool lost(const Outgoing& outgoing, std::string_view name) {
  return std::ranges::find(outgoing.losses, name) != outgoing.losses.end();
}

// ---- messages

TEST_CASE("A conversation becomes chat messages in place") {
  const auto body = body_of(
      request_of({system("be brief"),
                  system("be kind"),
                  user("go"),
                  {ir::Role::assistant, {ir::Text{"loo"}, ir::Text{"king"}, call("call_1")}},
                  result("call_1", {ir::Text{"a"}, ir::Text{"b"}}),
                  system("new rules"),
                  user("on")}));
  CHECK(body["model"] == "deepseek-flash");
  CHECK(body["messages"] == OrderedJson::parse(R"([
    {"role":"system","content":"be brief\n\nbe kind"},
    {"role":"user","content":"go"},
    {"role":"assistant","content":"looking","reasoning_content":"","tool_calls":[
      {"id":"call_1","type":"function","function":{"name":"read","arguments":"{}"}}]},
    {"role":"tool","tool_call_id":"call_1","content":"a\nb"},
    {"role":"system","content":"new rules"},
    {"role":"user","content":"on"}])"));
}

TEST_CASE(
    "Results of parallel calls are tool messages in the order of the calls, images after them") {
  const auto body = body_of(request_of({user("go"),
                                        {ir::Role::assistant, {call("call_1"), call("call_2", "")}},
                                        result("call_2", {image()}),
                                        result("call_1", {ir::Text{"no such file"}}, true),
                                        user("and?")}));
  const auto& messages = body["messages"];
  REQUIRE(messages.size() == 6);
  CHECK(messages[1]["content"].is_null());
  CHECK(messages[1]["tool_calls"][1]["function"]["arguments"] == "{}");
  CHECK(messages[2]["tool_call_id"] == "call_1");
  CHECK(messages[2]["content"] == "Error: no such file");
  CHECK(messages[3]["tool_call_id"] == "call_2");
  CHECK(messages[3]["content"] == "The result follows in the next user message.");
  CHECK(messages[4]["role"] == "user");
  CHECK(messages[4]["content"][0]["text"] == "Attached to the result of read (call_2):");
  CHECK(messages[4]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0K");
  CHECK(messages[5] == OrderedJson::parse(R"({"role":"user","content":"and?"})"));
}

TEST_CASE(
    "Arguments that are no JSON object are wrapped, so that servers that parse history do not "
    "fail") {
  const auto body = body_of(request_of(
      {user("go"), {ir::Role::assistant, {call("call_1", "{\"pa")}}, result("call_1", {})}));
  CHECK(body["messages"][1]["tool_calls"][0]["function"]["arguments"] == R"({"_raw":"{\"pa"})");
  CHECK(body["messages"][2]["content"] == "");
}

TEST_CASE("A call that was never answered gets an answer, and ids fit in 64 bytes on both sides") {
  const std::string id(200, 'x');
  const auto body = body_of(request_of({user("go"),
                                        {ir::Role::assistant, {call(id), call("call_2")}},
                                        result(id, {ir::Text{"ok"}})}));
  const auto& messages = body["messages"];
  const auto wire_id = messages[1]["tool_calls"][0]["id"].get<std::string>();
  CHECK(wire_id.size() <= 64);
  CHECK(messages[2]["tool_call_id"] == wire_id);
  CHECK(messages[3]["tool_call_id"] == "call_2");
  CHECK(messages[3]["content"].get<std::string>().starts_with("Error: "));
}

TEST_CASE("Media are parts beside the text; what the target has no part for is refused") {
  ir::Media page;
  page.kind = ir::Media::Kind::document;
  page.mime = "application/pdf";
  page.data = "JVBERi0=";
  ir::Media tone;
  tone.kind = ir::Media::Kind::audio;
  tone.mime = "audio/mpeg";
  tone.data = "SUQz";
  const auto ask = [](ir::Media media) {
    return request_of({{ir::Role::user, {ir::Text{"what is it?"}, std::move(media)}}});
  };
  CHECK(body_of(ask(image()))["messages"][0]["content"] == OrderedJson::parse(R"([
    {"type":"text","text":"what is it?"},
    {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0K"}}])"));
  CHECK(
      body_of(ask(page), openai())["messages"][0]["content"][1] ==
      OrderedJson::parse(
          R"({"type":"file","file":{"filename":"document","file_data":"data:application/pdf;base64,JVBERi0="}})"));
  CHECK(
      body_of(ask(tone), openai())["messages"][0]["content"][1] ==
      OrderedJson::parse(R"({"type":"input_audio","input_audio":{"data":"SUQz","format":"mp3"}})"));
  for (const auto& media : {page, tone}) {
    const auto refused = write_chat(ask(media), deepseek(), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "unsupported_parameter");
    CHECK(refused.error().retry == Retry::next_candidate);
  }
  tone.mime = "audio/flac";
  CHECK_FALSE(write_chat(ask(tone), openai(), {}));
}

// ---- reasoning of earlier turns

ir::Request thinking_loop(std::string signature) {
  ir::Reasoning thought;
  thought.text = "hm";
  thought.signature = std::move(signature);
  return request_of({user("go"),
                     {ir::Role::assistant, {thought, call("call_1")}},
                     result("call_1", {ir::Text{"ok"}})});
}

TEST_CASE(
    "A tool-calling turn takes its reasoning back to the provider that made it, and to no other") {
  const auto reasoning_of = [](const std::string& signature) {
    return body_of(thinking_loop(signature))["messages"][1]["reasoning_content"];
  };
  CHECK(reasoning_of(write_issuer_tag(IssuerTag{"deepseek", "deepseek-v4", ""})) == "hm");
  CHECK(reasoning_of(write_issuer_tag(IssuerTag{"anthropic", "claude-4.6", ""})) == "");
  CHECK(reasoning_of("EqoBCkYIAxgCIkD") == "");
  CHECK(reasoning_of("") == "");
  CHECK(lost(sent(thinking_loop("EqoBCkYIAxgCIkD")), "reasoning_history"));
  CHECK_FALSE(lost(sent(thinking_loop(write_issuer_tag(IssuerTag{"deepseek", "", ""}))),
                   "reasoning_history"));
  CHECK_FALSE(body_of(thinking_loop(""), openai())["messages"][1].contains("reasoning_content"));
}

TEST_CASE("What the gateway has kept wins over what the client brings") {
  const StoppedClock clock;
  OpaqueStore store{clock};
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "key";
  const auto own = write_issuer_tag(IssuerTag{"deepseek", "deepseek-v4", ""});
  store.put("key", "call_1",
            {"deepseek",
             "deepseek-v4",
             OpaqueKind::deepseek_reasoning,
             {{OpaqueBlock::Form::reasoning, "kept", {}}}});
  CHECK(body_of(thinking_loop(""), deepseek(), options)["messages"][1]["reasoning_content"] ==
        "kept");
  store.put("key", "call_1", {"gemini", "gemini-3", OpaqueKind::gemini_signature, {}});
  CHECK(body_of(thinking_loop(own), deepseek(), options)["messages"][1]["reasoning_content"] == "");
  options.owner = "another key";
  CHECK(body_of(thinking_loop(own), deepseek(), options)["messages"][1]["reasoning_content"] ==
        "hm");
}

TEST_CASE("The reasoning of turns without calls stays out") {
  const auto body = body_of(request_of(
      {user("hi"),
       {ir::Role::assistant,
        {ir::Reasoning{"hm", write_issuer_tag(IssuerTag{"deepseek", "", ""})}, ir::Text{"hello"}}},
       user("go")}));
  CHECK(body["messages"][1] == OrderedJson::parse(R"({"role":"assistant","content":"hello"})"));
}

// ---- tools

TEST_CASE("Tools keep their schemas as they came, and long names come back under the client's") {
  auto request = request_of({user("go")});
  ir::Tool plain;
  plain.name = "plain";
  plain.description = "Does it.";
  plain.parameters = R"({"type":"object","x":1.50})";
  ir::Tool text;
  text.name = "exec";
  text.takes_text = true;
  ir::Tool longer;
  longer.name = "mcp__" + std::string(90, 's') + "__find";
  request.tools = {plain, text, longer};
  request.tool_choice = {ir::ToolChoice::Mode::named, {longer.name}};
  request.parallel_calls = false;
  const auto outgoing = sent(std::move(request), openai());
  CHECK(outgoing.body.find(R"("parameters":{"type":"object","x":1.50})") != std::string::npos);
  const auto body = OrderedJson::parse(outgoing.body);
  CHECK(body["tools"][0]["function"]["description"] == "Does it.");
  CHECK(body["tools"][1]["function"]["parameters"]["required"][0] == "input");
  const auto name = body["tools"][2]["function"]["name"].get<std::string>();
  CHECK(name.size() <= 64);
  CHECK(body["tools"][2]["function"]["parameters"]["type"] == "object");
  CHECK(body["tool_choice"]["function"]["name"] == name);
  CHECK(body["parallel_tool_calls"] == false);
  REQUIRE(outgoing.tools.size() == 2);
  CHECK(outgoing.tools[0] == ToolAlias{"exec", "exec", "", true});
  CHECK(outgoing.tools[1] == ToolAlias{name, longer.name, "", false});
}

TEST_CASE("A schema that does not say its type is an object's") {
  const auto parameters = [](std::string_view schema) {
    auto request = request_of({user("go")});
    request.tools.emplace_back().name = "f";
    request.tools.back().parameters = schema;
    return body_of(std::move(request))["tools"][0]["function"]["parameters"].dump();
  };
  CHECK(parameters("{}") == R"({"type":"object","properties":{}})");
  CHECK(parameters(R"({"properties":{"a":{}}})") == R"({"type":"object","properties":{"a":{}}})");
}

TEST_CASE("A tool choice is said in chat's words; without tools it is not said at all") {
  using Mode = ir::ToolChoice::Mode;
  const auto chosen = [](Mode mode, std::vector<std::string> names = {}, bool tools = true) {
    auto request = request_of({user("go")});
    if (tools) request.tools.emplace_back().name = "f";
    request.tool_choice = {mode, std::move(names)};
    const auto body = body_of(std::move(request));
    return body.contains("tool_choice") ? body["tool_choice"] : OrderedJson{};
  };
  CHECK(chosen(Mode::unset).is_null());
  CHECK(chosen(Mode::automatic) == "auto");
  CHECK(chosen(Mode::none) == "none");
  CHECK(chosen(Mode::required) == "required");
  CHECK(chosen(Mode::required, {"f"})["function"]["name"] == "f");
  CHECK(chosen(Mode::required, {"f", "g"}) == "required");
  CHECK(chosen(Mode::automatic, {}, false).is_null());
}

// ---- limits, thinking, format, sampling

TEST_CASE(
    "The limit is the least of the client's, the gateway's and the model's, under the target's "
    "name") {
  auto request = request_of({user("go")});
  request.output_tokens_max = 900'000;
  CHECK(body_of(request)["max_tokens"] == 384'000);
  CHECK(body_of(request, openai())["max_completion_tokens"] == 8192);
  TranslateOptions capped;
  capped.output_tokens_cap = 100;
  CHECK(body_of(request, deepseek(), capped)["max_tokens"] == 100);
  request.output_tokens_max.reset();
  CHECK(body_of(request, deepseek(), capped)["max_tokens"] == 100);
  CHECK_FALSE(body_of(request).contains("max_tokens"));
}

TEST_CASE("Effort and budgets become the target's words") {
  const auto asked = [](Effort effort, const Candidate& candidate = deepseek()) {
    auto request = request_of({user("go")});
    request.effort = effort;
    return body_of(std::move(request), candidate);
  };
  CHECK(asked(Effort::none)["thinking"]["type"] == "disabled");
  CHECK_FALSE(asked(Effort::none).contains("reasoning_effort"));
  CHECK(asked(Effort::low)["thinking"]["type"] == "enabled");
  const std::vector<std::pair<Effort, const char*>> deepseek_words = {
      {Effort::minimal, "low"}, {Effort::low, "low"},    {Effort::medium, "high"},
      {Effort::high, "high"},   {Effort::xhigh, "high"}, {Effort::max, "max"}};
  for (const auto& [effort, word] : deepseek_words)
    CHECK(asked(effort)["reasoning_effort"] == word);
  CHECK_FALSE(asked(Effort::unset).contains("thinking"));
  CHECK(asked(Effort::none, openai())["reasoning_effort"] == "none");
  CHECK(asked(Effort::max, openai())["reasoning_effort"] == "high");
  CHECK_FALSE(asked(Effort::high, local_server()).contains("reasoning_effort"));

  auto request = request_of({user("go")});
  request.thinking_budget = 31'999;
  request.output_tokens_max = 32'000;
  CHECK(body_of(request)["reasoning_effort"] == "high");
  request.thinking_budget = 1024;
  CHECK(body_of(request)["reasoning_effort"] == "low");
}

TEST_CASE("JSON answers are asked for natively or by instruction, always with the word JSON") {
  auto request = request_of({system("be brief"), user("go")});
  request.format = {ir::ResponseFormat::Kind::json_schema, R"({"type":"object"})"};
  const auto native = body_of(request, openai());
  CHECK(native["response_format"]["json_schema"]["schema"]["type"] == "object");
  CHECK(native["messages"][0]["content"] == "be brief");
  const auto instructed = sent(request);
  const auto body = OrderedJson::parse(instructed.body);
  CHECK(body["response_format"] == OrderedJson::parse(R"({"type":"json_object"})"));
  CHECK(
      body["messages"][0]["content"].get<std::string>().ends_with("else:\n{\"type\":\"object\"}"));
  CHECK(lost(instructed, "response_format"));
  request.format = {ir::ResponseFormat::Kind::json_object, {}};
  CHECK(body_of(request)["messages"][0]["content"].get<std::string>().find("JSON") !=
        std::string::npos);
}

TEST_CASE("Sampling keeps the client's digits; what chat has no word for is reported") {
  auto request = request_of({user("go")});
  request.sampling.temperature = ir::Number{"0.70", 0.7};
  request.sampling.top_p = ir::Number{"1e-1", 0.1};
  request.sampling.top_k = ir::Number{"40", 40};
  request.sampling.seed = ir::Number{"12345678901234567890", 1.2e19};
  request.stop = {"a", "b", "c", "d", "e"};
  request.choices = 2;
  request.logprobs = true;
  request.top_logprobs = 3;
  const auto outgoing = sent(request, openai());
  CHECK(outgoing.body.find(R"("temperature":0.70,"top_p":1e-1)") != std::string::npos);
  CHECK(outgoing.body.find(R"("seed":12345678901234567890)") != std::string::npos);
  const auto body = OrderedJson::parse(outgoing.body);
  CHECK(body["stop"].size() == 4);
  CHECK(body["n"] == 2);
  CHECK(body["top_logprobs"] == 3);
  CHECK(outgoing.losses == std::vector<std::string>{"sampling", "stop"});
  auto strict = openai();
  strict.quirks.sampling_rejected = true;
  CHECK_FALSE(body_of(request, strict).contains("temperature"));
}

TEST_CASE("A stream asks for its usage; a user's name that is too long is hashed") {
  auto request = request_of({user("go")});
  request.stream = true;
  request.user = "ann";
  const auto body = body_of(request);
  CHECK(body["stream"] == true);
  CHECK(body["stream_options"]["include_usage"] == true);
  CHECK(body["user"] == "ann");
  request.user = std::string(150, 'u');
  CHECK(body_of(request)["user"].get<std::string>().size() == 64);
}

TEST_CASE("Turn by turn the chat messages only grow") {
  std::vector<ir::Message> history{system("rules"), user("go")};
  const auto messages_of = [](const std::vector<ir::Message>& messages) {
    const auto body = sent(request_of(messages)).body;
    const auto begin = body.find(R"("messages":[)");
    return body.substr(begin, body.rfind(']') - begin);
  };
  auto before = messages_of(history);
  for (int turn = 0; turn < 6; ++turn) {
    const auto id = "call_" + std::to_string(turn);
    history.push_back({ir::Role::assistant, {ir::Text{"step"}, call(id)}});
    history.push_back(turn % 2 == 0 ? result(id, {ir::Text{"ok"}, image()})
                                    : result(id, {ir::Text{"bad"}}, true));
    const auto after = messages_of(history);
    CHECK(after.starts_with(before));
    CHECK(after == messages_of(history));
    before = after;
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
