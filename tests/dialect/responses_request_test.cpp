// Responses requests: what is refused at first sight, what becomes of every kind of item, tool and
// option.
#include <catch2/catch.hpp>

#include "dialect/issuer_tag.hpp"
#include "dialect/responses_request.hpp"
#include "responses_support.hpp"

namespace turnpike::dialect::test {
namespace {

Error refusal(std::string body) {
  auto view = read_view(Dialect::openai_responses, body);
  if (!view) return view.error();
  auto request = read_responses_request(body, *view);
  return request ? Error{.code = "accepted"} : request.error();
}

std::string told(const Error& error) { return error.code + " " + error.param; }

/// The blocks of a body, told in one line: "system[text:Be brief] user[text:Hi]".
std::string outline(std::string body, Losses* losses = nullptr) {
  const auto view = read_view(Dialect::openai_responses, body);
  if (!view) return told(view.error());
  const auto request = read_responses_request(body, *view);
  if (!request) return told(request.error());
  if (losses != nullptr) *losses = request->losses;
  std::string out;
  for (const auto& message : request->messages) {
    constexpr std::array roles = {"system", "user", "assistant", "tool"};
    out +=
        fmt::format("{}{}[", out.empty() ? "" : " ", roles[static_cast<std::size_t>(message.role)]);
    std::string blocks;
    const auto add = [&blocks](const std::string& text) {
      blocks += (blocks.empty() ? "" : " ") + text;
    };
    const auto tell_part = [&add](const auto& part) {
      if (const auto* text = std::get_if<ir::Text>(&part)) add("text:" + text->text);
      if (const auto* media = std::get_if<ir::Media>(&part))
        add("media:" + media->mime + media->url + media->filename);
    };
    for (const auto& block : message.blocks) {
      tell_part(block);
      if (const auto* reasoning = std::get_if<ir::Reasoning>(&block))
        add("reasoning:" + reasoning->text + "/" + reasoning->signature);
      if (const auto* call = std::get_if<ir::ToolCall>(&block))
        add("call:" + call->id + "=" + call->name + call->arguments);
      if (const auto* result = std::get_if<ir::ToolResult>(&block)) {
        add("result:" + result->id);
        for (const auto& part : result->parts) tell_part(part);
      }
    }
    out += blocks + "]";
  }
  return out;
}

std::vector<std::string> losses_of(const std::string& body) {
  Losses losses;
  INFO(outline(body, &losses));
  return losses.names();
}

const std::string hello = R"("Hello")";

std::string with_tools(const std::string& tools, const std::string& input = hello) {
  return with_input(input, R"("tools":)" + tools + ",");
}

TEST_CASE("a Responses body has its values and places noted", "[responses]") {
  std::string body = R"({"model":"auto","input":[{"role":"developer","content":"x"},)"
                     R"({"type":"reasoning","summary":[],"encrypted_content":"gAA"},)"
                     R"({"type":"function_call","call_id":"c","name":"f","arguments":"{}"}],)"
                     R"("stream":true,"max_output_tokens":64,"previous_response_id":"resp_1"})";
  const auto view = read_view(Dialect::openai_responses, body);
  REQUIRE(view);
  CHECK(view->model == "auto");
  CHECK(view->stream);
  CHECK(view->output_tokens_max == 64);
  CHECK(view->previous_response_id == "resp_1");
  CHECK(view->opaque_state);
  CHECK(view->developer_role);
  CHECK(view->calls_in_history);
  CHECK(body.substr(view->messages.begin, 2) == "[{");
  CHECK(body.substr(view->max_tokens->begin, 2) == "64");
  CHECK(view->object_end == body.size() - 1);
}

TEST_CASE("a Responses body that cannot be served is refused with the field at fault",
          "[responses]") {
  const auto first = [](const std::string& members) {
    return told(refusal(with_input(hello, members)));
  };
  CHECK(told(refusal(R"({"input":"x"})")) == "missing_field model");
  CHECK(told(refusal(R"({"model":"m"})")) == "missing_field input");
  CHECK(told(refusal(R"({"model":"m","input":null})")) == "missing_field input");
  CHECK(told(refusal(with_input("[]"))) == "invalid_value input");
  CHECK(told(refusal(with_input("7"))) == "wrong_type input");
  CHECK(told(refusal(with_input("[7]"))) == "wrong_type input[0]");
  CHECK(told(refusal(R"({"model":"m","Input":"x","input":"x"})")) == R"(ambiguous_key "Input")");
  CHECK(told(refusal(R"({"model":"m","input":"x","input":"y"})")) == "duplicate_key ");
  CHECK(first(R"("max_output_tokens":15,)") == "out_of_range max_output_tokens");
  CHECK(first(R"("max_output_tokens":16,)") == "accepted ");
  CHECK(first(R"("max_output_tokens":2147483648,)") == "out_of_range max_output_tokens");
  CHECK(first(R"("max_output_tokens":"64",)") == "wrong_type max_output_tokens");
  CHECK(first(R"("background":true,)") == "unsupported_parameter background");
  CHECK(first(R"("background":false,)") == "accepted ");
  CHECK(first(R"("conversation":"conv_1",)") == "unsupported_parameter conversation");
  CHECK(first(R"("conversation":null,)") == "accepted ");
  CHECK(first(R"("service_tier":"flex",)") == "unsupported_parameter service_tier");
  CHECK(first(R"("service_tier":"default",)") == "accepted ");
  CHECK(first(R"("base_url":"http://x",)") == R"(unsupported_parameter "base_url")");
  CHECK(first(R"("reasoning":{"effort":3},)") == "wrong_type reasoning.effort");
  CHECK(first(R"("text":{"format":"json"},)") == "wrong_type text.format");
  CHECK(first(R"("tools":[{"type":"namespace","name":"n","tools":[{"name":1}]}],)") ==
        "wrong_type tools[0].tools[0].name");
  CHECK(told(refusal(with_input(R"([{"role":"user","content":[{"text":"x"}]}])"))) ==
        "missing_field input[0].content[0].type");
  CHECK(told(refusal(with_input(R"([{"type":"function_call","call_id":"c"}])"))) ==
        "missing_field input[0].name");
  CHECK(told(refusal(with_input(R"([{"role":"user","content":"a","content":"b"}])"))) ==
        "duplicate_key input[0]");
}

TEST_CASE("a vendor's own items may have members of any type", "[responses]") {
  CHECK(
      told(refusal(with_input(
          R"([{"role":"user","content":"x"},{"type":"computer_call_output","call_id":"c","output":{"type":"computer_screenshot"}},)"
          R"({"type":"tool_search_call","arguments":{"query":"x"}}])"))) == "accepted ");
}

TEST_CASE("what only a provider's store can answer is left to another candidate", "[responses]") {
  const auto previous = refusal(with_input(hello, R"("previous_response_id":"resp_1",)"));
  CHECK(told(previous) == "unsupported_parameter previous_response_id");
  CHECK(previous.retry == Retry::next_candidate);
  CHECK(told(refusal(with_input(
            R"([{"role":"user","content":"x"},{"type":"item_reference","id":"msg_1"}])"))) ==
        "unsupported_parameter input[1]");
  CHECK(told(refusal(with_input(R"([{"id":"msg_1"}])"))) == "unsupported_parameter input[0]");
  CHECK(told(refusal(with_input(
            R"([{"role":"user","content":[{"type":"input_image","file_id":"file_1"}]}])"))) ==
        "unsupported_parameter input[0].content[0].file_id");
  CHECK(told(refusal(
            with_input(R"([{"role":"user","content":[{"type":"input_file","file_id":"f"}]}])"))) ==
        "unsupported_parameter input[0].content[0].file_id");
  CHECK(told(refusal(with_input(hello, R"("prompt":{"id":"pmpt_1"},)"))) ==
        "unsupported_parameter prompt");
  CHECK(told(refusal(with_input(R"([{"type":"compaction_trigger"}])"))) ==
        "unsupported_parameter input[0]");
}

TEST_CASE("instructions and developer messages are system messages in their place", "[responses]") {
  CHECK(outline(with_input(hello, R"("instructions":"Be brief.",)")) ==
        "system[text:Be brief.] user[text:Hello]");
  CHECK(
      outline(with_input(
          R"([{"role":"developer","content":"A"},{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]},{"role":"system","content":"B"}])")) ==
      "system[text:A] user[text:Hi] system[text:B]");
  CHECK(outline(with_input(R"([{"role":"critic","content":"x"}])")) ==
        "invalid_value input[0].role");
}

TEST_CASE("the assistant's items between two others are one message in their order",
          "[responses]") {
  const auto body = with_input(
      R"([{"role":"user","content":"Go"},)"
      R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm"},{"type":"summary_text","text":"So"}],"encrypted_content":"gAA"},)"
      R"({"type":"message","role":"assistant","id":"msg_1","phase":"commentary","content":[{"type":"output_text","text":"Looking.","annotations":[]}]},)"
      R"({"type":"function_call","call_id":"c1","name":"ls","arguments":"{}"},)"
      R"({"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Then"}]},)"
      R"({"type":"custom_tool_call","call_id":"c2","name":"exec","input":"a \"b\""},)"
      R"({"type":"function_call_output","call_id":"c1","output":"README"},)"
      R"({"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"done"},{"type":"input_image","image_url":"data:image/jpg;base64,AAAA"}]},)"
      R"({"role":"assistant","content":[{"type":"refusal","refusal":"No."}]}])");
  Losses losses;
  CHECK(outline(body, &losses) ==
        "user[text:Go] assistant[reasoning:Hm\n\nSo/gAA text:Looking. call:c1=ls{} reasoning:Then/ "
        "call:c2=exec{\"input\":\"a \\\"b\\\"\"}] tool[result:c1 text:README] "
        "tool[result:c2 text:done media:image/jpeg] assistant[text:No.]");
  CHECK(losses.names() == std::vector<std::string>{"custom_tools", "phase"});
}

TEST_CASE("files and images come as data or address", "[responses]") {
  CHECK(
      outline(with_input(
          R"([{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"},)"
          R"({"type":"input_file","file_url":"https://x/y.pdf"},{"type":"input_image","image_url":"https://x/y.png","detail":"high"}]}])")) ==
      "user[media:application/pdfa.pdf media:https://x/y.pdf media:https://x/y.png]");
  CHECK(
      losses_of(with_input(
          R"([{"role":"user","content":[{"type":"input_image","image_url":"https://x/y.png","detail":"high"}]}])")) ==
      std::vector<std::string>{"detail"});
  CHECK(
      told(refusal(with_input(
          R"([{"role":"user","content":[{"type":"input_image","image_url":"file:///etc/passwd"}]}])"))) ==
      "invalid_value input[0].content[0].image_url");
}

TEST_CASE("the vendor's own items are dropped in pairs and counted", "[responses]") {
  const auto body = with_input(
      R"([{"role":"user","content":"Go"},{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search"}},)"
      R"({"type":"local_shell_call","call_id":"c1","action":{"type":"exec","command":["ls"]}},)"
      R"({"type":"function_call_output","call_id":"c1","output":"README"},)"
      R"({"type":"shell_call","call_id":"c2","action":{}},{"type":"shell_call_output","call_id":"c2","output":[]},)"
      R"({"type":"compaction","encrypted_content":"gAA"},{"type":"from_the_future","call_id":"c3"},)"
      R"({"type":"function_call_output","call_id":"c3","output":"?"},)"
      R"({"role":"assistant","content":"Done"}])");
  Losses losses;
  CHECK(outline(body, &losses) == "user[text:Go] assistant[text:Done]");
  CHECK(losses.names() ==
        std::vector<std::string>{"context_management", "server_tools", "unknown_field"});
}

TEST_CASE("another agent's message is told as the user's", "[responses]") {
  CHECK(
      outline(with_input(
          R"([{"type":"agent_message","author":"/root/a","content":[{"type":"input_text","text":"Done."}]}])")) ==
      "user[text:Message from /root/a:\nDone.]");
}

ir::Request request_of(std::string& body) {
  const auto view = read_view(Dialect::openai_responses, body);
  REQUIRE(view);
  auto request = read_responses_request(body, *view);
  REQUIRE(request);
  return std::move(*request);
}

TEST_CASE("tools of all forms become one flat list", "[responses]") {
  auto body = with_tools(
      R"([{"type":"function","name":"ls","description":"Lists","parameters":{"type":"object"},"strict":true},)"
      R"({"type":"namespace","name":"mail","description":"Post.","tools":[{"type":"function","name":"send","parameters":null},{"type":"custom","name":"exec","description":"Runs","format":{"type":"grammar","syntax":"lark","definition":"start: X"}}]},)"
      R"({"type":"web_search"},{"type":"local_shell"},{"type":"mcp","server_label":"x"},{"type":"function","name":"mail__send"}])",
      R"([{"type":"additional_tools","role":"developer","tools":[{"type":"namespace","name":"clock","tools":[{"type":"function","name":"sleep"}]},{"type":"function","name":"ls"}]},)"
      R"({"role":"user","content":"Go"},{"type":"function_call","call_id":"c","namespace":"clock","name":"sleep","arguments":"{}"},)"
      R"({"type":"function_call","call_id":"d","name":"sleep","arguments":"{}"},{"type":"function_call","call_id":"e","namespace":"gone","name":"x.y","arguments":"{}"}])");
  const auto request = request_of(body);
  std::string names;
  for (const auto& tool : request.tools) {
    names += fmt::format("{}({}/{}{}) ", tool.name, tool.name_space, tool.client_name,
                         tool.takes_text ? " text" : "");
  }
  CHECK(names ==
        "ls(/) mail__send_3b0eb6f7(mail/send) mail__exec(mail/exec text) mail__send(/) "
        "clock__sleep(clock/sleep) ");
  CHECK(request.tools[0].parameters == R"({"type":"object"})");
  CHECK(request.tools[1].description == "Post.");
  CHECK(request.tools[2].description ==
        "Runs\n\nThe input is free text in this lark grammar:\nstart: X");
  CHECK(request.losses.names() ==
        std::vector<std::string>{"custom_tools", "mcp_servers", "server_tools", "strict"});
  const auto& calls = request.messages.back().blocks;
  CHECK(std::get<ir::ToolCall>(calls.at(0)).name == "clock__sleep");
  CHECK(std::get<ir::ToolCall>(calls.at(1)).name == "clock__sleep");
  CHECK(std::get<ir::ToolCall>(calls.at(2)).name.starts_with("gone__x_y_"));
  CHECK(told(refusal(with_tools(R"([{"type":"function"}])"))) == "missing_field tools[0].name");
}

TEST_CASE("a long namespaced name keeps within 64 bytes and stays the same", "[responses]") {
  const std::string name(60, 'n');
  auto body = with_tools(fmt::format(
      R"([{{"type":"namespace","name":"space","tools":[{{"type":"function","name":"{}"}}]}}])",
      name));
  auto again = body;
  const auto flat = request_of(body).tools[0].name;
  CHECK(flat.size() <= 64);
  CHECK(flat == request_of(again).tools[0].name);
}

TEST_CASE("tool choices are read in every form", "[responses]") {
  const std::string tools =
      R"("tools":[{"type":"function","name":"ls"},{"type":"namespace","name":"n","tools":[{"type":"custom","name":"exec"}]}],)";
  const auto choice = [&tools](const std::string& json) {
    auto body = with_input(hello, tools + R"("tool_choice":)" + json + ",");
    const auto request = request_of(body);
    constexpr std::array modes = {"unset", "auto", "none", "required", "named"};
    std::string out = modes[static_cast<std::size_t>(request.tool_choice.mode)];
    for (const auto& name : request.tool_choice.names) out += " " + name;
    return out + (request.losses.has(Loss::tool_choice) ? " lost" : "");
  };
  CHECK(choice(R"("auto")") == "auto");
  CHECK(choice(R"("none")") == "none");
  CHECK(choice(R"("required")") == "required");
  CHECK(choice(R"({"type":"function","name":"ls"})") == "named ls");
  CHECK(choice(R"({"type":"custom","name":"exec"})") == "named n__exec");
  CHECK(choice(R"({"type":"web_search"})") == "auto lost");
  CHECK(
      choice(
          R"({"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"ls"},{"type":"mcp","server_label":"x"}]})") ==
      "required ls lost");
}

TEST_CASE("options are read, and what has no counterpart is counted", "[responses]") {
  auto body = with_input(
      hello,
      R"("parallel_tool_calls":false,"max_output_tokens":100,"temperature":0.50,"top_p":1,"top_logprobs":3,)"
      R"("reasoning":{"effort":"xhigh","summary":"auto"},"user":"u","stream":true,)"
      R"("text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}},"verbosity":"low"},)");
  const auto request = request_of(body);
  CHECK_FALSE(request.parallel_calls);
  CHECK(request.output_tokens_max == 100);
  CHECK(request.sampling.temperature->raw == "0.50");
  CHECK(request.logprobs);
  CHECK(request.top_logprobs == 3);
  CHECK(request.effort == Effort::xhigh);
  CHECK(request.user == "u");
  CHECK(request.stream);
  CHECK(request.format.kind == ir::ResponseFormat::Kind::json_schema);
  CHECK(request.format.schema == R"({"type":"object"})");
  CHECK(request.losses.names() == std::vector<std::string>{"verbosity"});
  const auto lost = [](const std::string& member) {
    return losses_of(with_input(hello, member + ","));
  };
  using Names = std::vector<std::string>;
  CHECK(lost(R"("truncation":"auto")") == Names{"truncation"});
  CHECK(lost(R"("truncation":"disabled")").empty());
  CHECK(lost(R"("store":false)").empty());
  CHECK(lost(R"("store":true)") == Names{"store"});
  CHECK(lost(R"("metadata":{"a":"b"})") == Names{"metadata"});
  CHECK(lost(R"("prompt_cache_key":"k")") == Names{"prompt_cache"});
  CHECK(lost(R"("max_tool_calls":3)") == Names{"unknown_field"});
  CHECK(lost(R"("include":["reasoning.encrypted_content"])").empty());
  CHECK(lost(R"("include":["file_search_call.results"])") == Names{"include"});
  CHECK(told(refusal(with_input(hello, R"("reasoning":{"effort":"brutal"},)"))) ==
        "invalid_value reasoning.effort");
}

TEST_CASE("the echo repeats the client's values on one line and the API's defaults",
          "[responses]") {
  auto body = with_input(hello,
                         "\"temperature\": 0.20,\n\"instructions\":\"Say \\\"a b\\\"\",\n"
                         "\"text\": { \"verbosity\" :\n \"low\" }, \"store\":true, \"tools\":[],");
  const auto echo = request_of(body).echo;
  CHECK(
      echo ==
      R"("background":false,"instructions":"Say \"a b\"","max_output_tokens":null,"max_tool_calls":null,)"
      R"("metadata":{},"parallel_tool_calls":true,"prompt_cache_key":null,"safety_identifier":null,)"
      R"("temperature":0.20,"tool_choice":"auto","top_logprobs":0,"top_p":1.0,"truncation":"disabled",)"
      R"("user":null,"previous_response_id":null,"reasoning":{"effort":null},"service_tier":"default",)"
      R"("store":false,"text":{"format":{"type":"text"},"verbosity":"low"},"tools":[])");
  CHECK(OrderedJson::parse("{" + echo + "}").is_object());
  CHECK(translate_responses(body, claude())->echo == echo);
}

// ---- recorded and shaped traffic

std::vector<Candidate> foreign_targets() {
  return {claude(), claude(ThinkingStyle::claude_budget), claude(ThinkingStyle::claude_always),
          gemini(), gemini(ThinkingStyle::gemini_budget), deepseek()};
}

TEST_CASE("recorded Responses requests become valid requests of every other dialect",
          "[responses][recorded]") {
  const auto requests = recorded_responses();
  if (requests.empty()) return skipped("recorded Responses requests to other dialects");
  for (const auto& [name, body] : requests) {
    for (const auto& candidate : foreign_targets()) {
      INFO(name << " -> " << candidate.target());
      const auto outgoing = translate_responses(body, candidate);
      if (!outgoing) {
        // The recording asks for a tier that has no price.
        CHECK(name.starts_with("openai-responses/streaming-usage"));
        CHECK(told(outgoing.error()) == "unsupported_parameter service_tier");
        continue;
      }
      CHECK(faults_of(*outgoing, candidate) == "");
    }
  }
  CHECK(requests.size() >= 20);
}

TEST_CASE("requests in the shapes of Codex, OpenCode and Qwen become valid requests elsewhere",
          "[responses][recorded]") {
  std::size_t translated = 0;
  for (const std::string scenario : {"codex-fallback-model", "codex-builtin-model",
                                     "opencode-responses", "qwen-code-responses"}) {
    for (const auto& body : shaped_bodies(scenario)) {
      for (const auto& candidate : foreign_targets()) {
        INFO(scenario << " -> " << candidate.target());
        const auto outgoing = translate_responses(body, candidate);
        REQUIRE(outgoing);
        CHECK(faults_of(*outgoing, candidate) == "");
        ++translated;
      }
    }
  }
  if (translated == 0) return skipped("client shapes");
  CHECK(translated >= 50);
}

TEST_CASE("Codex's tools reach another dialect and find back to their namespaces",
          "[responses][recorded]") {
  const auto lite = shaped_bodies("codex-builtin-model");
  if (lite.empty()) return skipped("Codex's tools");
  const auto outgoing = translate_responses(lite.front(), claude());
  REQUIRE(outgoing);
  const auto body = OrderedJson::parse(outgoing->body);
  CHECK(body["tools"].size() == 11);
  const auto exec = std::ranges::find(outgoing->tools, "functions__exec", &ToolAlias::upstream);
  REQUIRE(exec != outgoing->tools.end());
  CHECK(*exec == ToolAlias{"functions__exec", "exec", "functions", true});
  CHECK(outgoing->tools.size() == 11);
}

/// Turn after turn of a loop: each body is the one before with more items.
std::vector<std::string> growing_loop() {
  const std::string tools =
      R"("instructions":"Be brief.","tools":[{"type":"function","name":"ls","parameters":{"type":"object"}},{"type":"namespace","name":"n","tools":[{"type":"custom","name":"exec"}]}],)";
  std::string items =
      R"([{"role":"developer","content":"Rules"},{"role":"user","content":[{"type":"input_text","text":"Go"}]})";
  std::vector<std::string> bodies = {with_input(items + "]", tools)};
  for (int turn = 0; turn < 6; ++turn) {
    items += fmt::format(
        R"(,{{"type":"reasoning","summary":[{{"type":"summary_text","text":"Step {0}"}}],"encrypted_content":"{1}"}},)"
        R"({{"role":"assistant","content":"Text {0}"}},{{"type":"function_call","call_id":"a{0}","name":"ls","arguments":"{{}}"}},)"
        R"({{"type":"custom_tool_call","call_id":"b{0}","namespace":"n","name":"exec","input":"x"}},)"
        R"({{"type":"custom_tool_call_output","call_id":"b{0}","output":"B"}},{{"type":"function_call_output","call_id":"a{0}","output":"A"}})",
        turn, turn % 2 == 0 ? write_issuer_tag(claude()) : "gAAAAA");
    if (turn % 3 == 2) items += R"(,{"role":"user","content":"More"})";
    bodies.push_back(with_input(items + "]", tools));
  }
  return bodies;
}

/// The turns of a translated body. Gemini's stand-in signatures go: they belong to the current loop
/// only.
std::vector<std::string> turns_of(OrderedJson body) {
  auto& turns = body[body.contains("contents") ? "contents" : "messages"];
  std::vector<std::string> out;
  for (auto& turn : turns) {
    if (turn.contains("parts")) {
      for (auto& part : turn["parts"]) part.erase("thoughtSignature");
    }
    out.push_back(turn.dump());
  }
  return out;
}

TEST_CASE("each turn's translation begins with the one before", "[responses]") {
  TranslateOptions options;
  options.cache_hints = false;
  for (const auto& candidate : foreign_targets()) {
    INFO(candidate.target());
    OrderedJson before;
    for (const auto& body : growing_loop()) {
      const auto now = body_of(body, candidate, options);
      CHECK(now == body_of(body, candidate, options));
      const auto turns = turns_of(now);
      REQUIRE_FALSE(turns.empty());
      if (!before.is_null()) {
        const auto earlier = turns_of(before);
        REQUIRE(earlier.size() <= turns.size());
        CHECK(std::equal(earlier.begin(), earlier.end(), turns.begin()));
        for (const auto* const head : {"system", "systemInstruction", "tools"}) {
          CHECK(before.value(head, OrderedJson{}).dump() == now.value(head, OrderedJson{}).dump());
        }
      }
      before = now;
    }
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
