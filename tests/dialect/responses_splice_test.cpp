// Responses to Responses: the inventor's API gets the client's bytes, DeepSeek what it takes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>

#include "dialect/issuer_tag.hpp"
#include "responses_support.hpp"
#include "support/fake_clock.hpp"

namespace turnpike::dialect::test {
namespace {

/// What DeepSeek's Responses endpoint refuses (wire-formats specification §2; messages it was seen
/// to answer with).
std::string deepseek_responses_faults(const OrderedJson& body) {
  Faults faults;
  for (const auto& tool : body.value("tools", OrderedJson::array())) {
    const auto type = text_at(tool, "type");
    faults.check(type == "function" || type == "namespace" || type.starts_with("web_search") ||
                     (type == "custom" && text_at(tool, "name") == "apply_patch"),
                 "tool of type " + type);
    for (const auto& nested : tool.value("tools", OrderedJson::array()))
      faults.check(nested["type"] == "function", "custom tool in a namespace");
  }
  faults.check(!body.contains("tools") || !body["tools"].empty(), "tools is empty");
  faults.check(!body.contains("tool_choice") || body.contains("tools"), "choice without tools");
  if (!body["input"].is_array()) return faults.text();
  std::vector<std::string> open;
  bool reasoned = false;
  bool answering = false;
  for (const auto& item : body["input"]) {
    const auto type = item.contains("type") ? text_at(item, "type") : "message";
    const bool call = type == "function_call" || type == "custom_tool_call";
    const bool output = type == "function_call_output" || type == "custom_tool_call_output";
    faults.check(
        call || output || type == "message" || type == "reasoning" || type == "web_search_call",
        "item of type " + type);
    faults.check(!item.contains("encrypted_content") || item["encrypted_content"].is_null(),
                 "encrypted content");
    faults.check(open.empty() || output || (call && !answering), "no tool output found");
    if (call) {
      faults.check(reasoned, "reasoning_text must be passed back");
      open.push_back(text_at(item, "call_id"));
    }
    answering = output;
    if (output) {
      faults.check(item["output"].is_string(), "output is no string");
      faults.check(std::erase(open, text_at(item, "call_id")) == 1, "output without a call");
    }
    if (type == "reasoning") reasoned = true;
    const bool others = type == "message" && text_at(item, "role") != "assistant";
    if (output || others) reasoned = false;
  }
  faults.check(open.empty(), "the last calls have no output");
  return faults.text();
}

std::string input_after(const std::string& input, const TranslateOptions& options = {},
                        const std::string& members = "") {
  const auto body = body_of(with_input(input, members), deepseek_responses(), options);
  if (body.contains("failed")) return body.dump();
  CHECK(deepseek_responses_faults(body) == "");
  return body["input"].dump();
}

const std::string thought =
    R"({"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Hm"}]})";
const std::string no_thought =
    R"({"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":""}]})";

std::string call(const std::string& id, const std::string& name = "ls") {
  return fmt::format(R"({{"type":"function_call","call_id":"{}","name":"{}","arguments":"{{}}"}})",
                     id, name);
}
std::string output(const std::string& id, const std::string& text = "ok") {
  return fmt::format(R"({{"type":"function_call_output","call_id":"{}","output":"{}"}})", id, text);
}
std::string user(const std::string& text) {
  return fmt::format(R"({{"role":"user","content":"{}"}})", text);
}
std::string said(const std::string& text) {
  return fmt::format(R"({{"role":"assistant","content":"{}"}})", text);
}

template <typename... Items>
std::string list(const Items&... items) {
  std::string out = "[";
  ((out += (out.size() > 1 ? "," : "") + std::string{items}), ...);
  return out + "]";
}

std::vector<std::string> losses(const std::string& body,
                                const Candidate& candidate = deepseek_responses()) {
  const auto outgoing = translate_responses(body, candidate);
  return outgoing ? outgoing->losses : std::vector<std::string>{outgoing.error().code};
}

TEST_CASE("the inventor's API gets every byte but the model's name", "[responses]") {
  const std::string body =
      "{ \"model\" : \"auto\",\n \"input\" : [ {\"role\":\"user\",\"content\":\"\\u0041\"},"
      "{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"gAAAAAB\"},"
      "{\"type\":\"web_search_call\",\"id\":\"ws\"} ], \"future\": 1.50, \"store\":true }";
  const auto outgoing = translate_responses(body, openai_responses());
  REQUIRE(outgoing);
  auto expected = body;
  expected.replace(expected.find("\"auto\""), 6, "\"gpt-upstream\"");
  CHECK(outgoing->body == expected);
  CHECK(outgoing->path == "/responses");
  CHECK(outgoing->losses.empty());
  CHECK(outgoing->tools.empty());
  CHECK(outgoing->echo.empty());
}

TEST_CASE("recorded Responses requests pass byte for byte but the model's name",
          "[responses][recorded]") {
  auto requests = recorded_responses();
  for (const std::string scenario : {"codex-fallback-model", "codex-builtin-model",
                                     "opencode-responses", "qwen-code-responses"}) {
    for (auto& body : shaped_bodies(scenario)) requests.push_back({scenario, std::move(body)});
  }
  if (requests.empty()) return skipped("recorded Responses requests, same dialect");
  for (const auto& [name, body] : requests) {
    INFO(name);
    const auto outgoing = translate_responses(body, openai_responses());
    if (!outgoing) {
      CHECK(outgoing.error().param == "service_tier");  // a tier without a price
      continue;
    }
    auto expected = body;
    const auto model = OrderedJson::parse(body)["model"].dump();
    const auto at = expected.find("\"model\":" + model);
    expected.replace(at + 8, model.size(), "\"gpt-upstream\"");
    CHECK(outgoing->body == expected);
  }
  CHECK(requests.size() >= 8);
}

TEST_CASE("recorded and shaped requests are what DeepSeek's Responses take",
          "[responses][recorded]") {
  auto requests = recorded_responses();
  for (const std::string scenario : {"codex-fallback-model", "codex-builtin-model",
                                     "opencode-responses", "qwen-code-responses"}) {
    for (auto& body : shaped_bodies(scenario)) requests.push_back({scenario, std::move(body)});
  }
  if (requests.empty()) return skipped("Responses requests for DeepSeek");
  for (const auto& [name, body] : requests) {
    INFO(name);
    const auto outgoing = translate_responses(body, deepseek_responses());
    if (!outgoing) {
      CHECK(outgoing.error().param == "service_tier");
      continue;
    }
    CHECK(deepseek_responses_faults(OrderedJson::parse(outgoing->body)) == "");
  }
}

TEST_CASE("what DeepSeek itself has said passes byte for byte", "[responses]") {
  const std::string body =
      R"({"model":"auto", "tools":[ {"type":"function","name":"ls"},{"type":"web_search"},{"type":"namespace","name":"n","tools":[]},{"type":"custom","name":"apply_patch"} ],"input": [)" +
      user("Go") + ", " + thought + "," + call("a") + "," + call("b") + "," + output("b") + "," +
      output("a") +
      R"( , {"type":"web_search_call","id":"w"},{"role":"assistant","content":"x"}], "reasoning":{"effort":"high"},"include":["reasoning.encrypted_content"]})";
  const auto outgoing = translate_responses(body, deepseek_responses());
  REQUIRE(outgoing);
  auto expected = body;
  expected.replace(expected.find("\"auto\""), 6, "\"deepseek-flash\"");
  CHECK(outgoing->body == expected);
  CHECK(outgoing->losses.empty());
}

TEST_CASE("the answer's limit is lowered to what can be paid, or put in", "[responses]") {
  TranslateOptions options;
  options.output_tokens_cap = 500;
  const auto limit = [&](const std::string& members) {
    return body_of(with_input(R"("x")", members), openai_responses(), options)["max_output_tokens"];
  };
  CHECK(limit("") == 500);
  CHECK(limit(R"("max_output_tokens":100,)") == 100);
  CHECK(limit(R"("max_output_tokens":900,)") == 500);
  CHECK(limit(R"("max_output_tokens":null,)") == 500);
}

TEST_CASE("a stored answer is continued only where it was given", "[responses]") {
  const auto body = with_input(R"("x")", R"("previous_response_id":"resp_1",)");
  const auto refused = translate_responses(body, openai_responses());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "unsupported_parameter");
  CHECK(refused.error().param == "previous_response_id");
  CHECK(refused.error().retry == Retry::next_candidate);
  TranslateOptions options;
  options.continues_own_response = true;
  CHECK(body_of(body, openai_responses(), options)["previous_response_id"] == "resp_1");
  CHECK_FALSE(translate_responses(body, deepseek_responses(), options));
}

TEST_CASE("the gateway's token reaches nobody", "[responses]") {
  const auto tag = write_issuer_tag(claude());
  const auto tagged = fmt::format(
      R"({{"type":"reasoning","id":"rs_1","summary":[{{"type":"summary_text","text":"Hm"}}],"encrypted_content":"{}"}})",
      tag);
  const auto body = with_input(list(user("Go"), tagged, call("a"), output("a")));
  const auto openai = translate_responses(body, openai_responses());
  REQUIRE(openai);
  CHECK(openai->body.find(tag) == std::string::npos);
  CHECK(OrderedJson::parse(openai->body)["input"].dump() ==
        list(user("Go"), call("a"), output("a")));
  CHECK(openai->losses == std::vector<std::string>{"reasoning_history"});
  CHECK(input_after(list(user("Go"), tagged, call("a"), output("a"))) ==
        list(user("Go"), no_thought, call("a"), output("a")));
}

TEST_CASE("DeepSeek gets its own thinking back and nobody else's", "[responses]") {
  const auto own = fmt::format(
      R"({{"type":"reasoning","id":"rs_1","summary":[{{"type":"summary_text","text":"Hm"}}],"encrypted_content":"{}"}})",
      write_issuer_tag(deepseek_responses()));
  CHECK(input_after(list(user("Go"), own, call("a"), output("a"))) ==
        list(user("Go"), thought, call("a"), output("a")));
  const std::string openai =
      R"({"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"gAAAAA"})";
  CHECK(input_after(list(user("Go"), openai, said("x"), user("On"))) ==
        list(user("Go"), said("x"), user("On")));
  CHECK(losses(with_input(list(user("Go"), openai, said("x")))) ==
        std::vector<std::string>{"reasoning_history"});
}

TEST_CASE("thinking that the client dropped comes back by the id of the call", "[responses]") {
  ::turnpike::test::FakeClock clock;
  OpaqueStore store{clock};
  const auto candidate = deepseek_responses();
  OpaqueState state;
  state.vendor = candidate.provider;
  state.family = candidate.family;
  state.kind = OpaqueKind::deepseek_reasoning;
  state.blocks.push_back({OpaqueBlock::Form::reasoning, "Hm", {}, 0, false});
  store.put("key", "b", state);
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "key";
  const auto input = list(user("Go"), call("b"), output("b"));
  CHECK(input_after(input, options) == list(user("Go"), thought, call("b"), output("b")));
  options.owner = "another key";
  CHECK(input_after(input, options) == list(user("Go"), no_thought, call("b"), output("b")));
  CHECK(
      body_of(with_input(input, R"("reasoning":{"effort":"none"},)"), candidate)["input"].dump() ==
      input);
}

TEST_CASE("text between the calls of a step moves in front of them", "[responses]") {
  CHECK(input_after(list(thought, said("one"), call("a"), said("two"), call("b"), output("a"),
                         output("b"), user("On"))) == list(thought, said("one"), said("two"),
                                                           call("a"), call("b"), output("a"),
                                                           output("b"), user("On")));
  CHECK(input_after(list(thought, call("a"), said("late"), output("a"))) ==
        list(thought, said("late"), call("a"), output("a")));
}

TEST_CASE("calls and outputs are paired", "[responses]") {
  const auto missing = output("a", "The call was interrupted; there is no result.");
  CHECK(input_after(list(thought, call("a"), user("Stop"))) ==
        list(thought, call("a"), missing, user("Stop")));
  CHECK(input_after(list(thought, call("a"))) == list(thought, call("a"), missing));
  CHECK(input_after(list(thought, call("a"), user("Wait"), output("a"))) ==
        list(thought, call("a"), output("a"), user("Wait")));
  CHECK(
      input_after(list(user("Go"), output("gone", "lost"))) ==
      list(
          user("Go"),
          R"({"role":"user","content":[{"type":"input_text","text":"<tool_result>\nlost\n</tool_result>"}]})"));
  CHECK(input_after(list(thought, call("a"), R"({"type":"function_call_output","output":"ok"})")) ==
        list(thought, call("a"), R"({"type":"function_call_output","output":"ok","call_id":"a"})"));
}

TEST_CASE("outputs without an id answer what is left, in order", "[responses]") {
  const std::string nameless = R"({"type":"function_call_output","output":"ok"})";
  const auto given = [](const std::string& id) {
    return R"({"type":"function_call_output","output":"ok","call_id":")" + id + "\"}";
  };
  const std::string lost =
      R"({"role":"user","content":[{"type":"input_text","text":"<tool_result>\nok\n</tool_result>"}]})";
  CHECK(input_after(list(thought, call("a"), call("b"), call("c"), output("b"), nameless, nameless,
                         nameless)) ==
        list(thought, call("a"), call("b"), call("c"), output("b"), given("a"), given("c"), lost));
  CHECK(input_after(list(thought, call("a"), call("b"), nameless, output("a"), output("b"))) ==
        list(thought, call("a"), call("b"), given("a"), output("b"), lost));
  CHECK(input_after(list(thought, call("a"), output("a"), output("a"))) ==
        list(thought, call("a"), output("a"), lost));
}

TEST_CASE("many calls and outputs are paired in no time to speak of", "[responses]") {
  constexpr int count = 30'000;
  const bool with_ids = GENERATE(true, false);
  std::vector<std::string> outputs;
  std::string input = "[" + thought;
  for (int i = 0; i < count; ++i) {
    const auto id = fmt::format("call_of_a_step_{}", i);
    input += "," + call(id);
    outputs.push_back(with_ids ? output(id)
                               : R"({"type":"function_call_output","call_id":"","output":"ok"})");
  }
  std::ranges::reverse(outputs);
  for (const auto& one : outputs) input += "," + one;
  const auto begin = std::chrono::steady_clock::now();
  const auto body = body_of(with_input(input + "]"), deepseek_responses());
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{5});
  REQUIRE(body["input"].size() == 2 * count + 1);
  CHECK(body["input"].back()["call_id"] ==
        fmt::format("call_of_a_step_{}", with_ids ? 0 : count - 1));
}

TEST_CASE("an output in parts becomes text, its images the user's", "[responses]") {
  const std::string parts =
      R"({"type":"function_call_output","call_id":"a","output":[{"type":"input_text","text":"one"},{"type":"input_text","text":"two"},{"type":"input_image","image_url":"data:image/png;base64,AA"}]})";
  CHECK(
      input_after(list(thought, call("a"), parts)) ==
      list(
          thought, call("a"), output("a", "one\\ntwo"),
          R"({"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AA"}]})"));
}

TEST_CASE("effort words are DeepSeek's own", "[responses]") {
  const auto effort = [](const std::string& word) {
    return text_at(
        body_of(with_input(R"("x")",
                           fmt::format(R"("reasoning":{{"effort":"{}","summary":"auto"}},)", word)),
                deepseek_responses())["reasoning"],
        "effort");
  };
  CHECK(effort("minimal") == "low");
  CHECK(effort("low") == "low");
  CHECK(effort("medium") == "high");
  CHECK(effort("xhigh") == "high");
  CHECK(effort("max") == "max");
  CHECK(effort("ultra") == "max");
  CHECK(effort("none") == "none");
  CHECK(effort("unheard-of") == "unheard-of");
}

TEST_CASE("other vendors' tools and items are left out, with the choice of them", "[responses]") {
  const auto body = with_input(
      list(user("Go"), R"({"type":"image_generation_call","id":"i","result":"AA"})",
           R"({"type":"local_shell_call","call_id":"s","action":{"command":["ls"]}})", output("s"),
           R"({"type":"compaction","encrypted_content":"gA"})"),
      R"("tools":[{"type":"image_generation"},{"type":"function","name":"ls"},{"type":"mcp","server_label":"x"}],"tool_choice":{"type":"image_generation"},)");
  const auto out = body_of(body, deepseek_responses());
  CHECK(out["input"].dump() == list(user("Go")));
  CHECK(out["tools"].dump() == R"([{"type":"function","name":"ls"}])");
  CHECK(out["tool_choice"] == "auto");
  CHECK(losses(body) == std::vector<std::string>{"context_management", "mcp_servers",
                                                 "server_tools", "tool_choice"});
  const auto bare = translate_responses(
      R"({"tools":[{"type":"tool_search"}],"tool_choice":"auto","model":"m","input":"x"})",
      deepseek_responses());
  REQUIRE(bare);
  CHECK(bare->body == R"({"model":"deepseek-flash","input":"x"})");
}

TEST_CASE("tools among the items are declared with the others", "[responses]") {
  const auto out = body_of(
      with_input(
          list(
              R"({"type":"additional_tools","role":"developer","tools":[{"type":"function","name":"a"},{"type":"function","name":"b"}]})",
              user("Go")),
          R"("tools":[{"type":"function","name":"a","strict":true}],)"),
      deepseek_responses());
  CHECK(out["tools"].dump() ==
        R"([{"type":"function","name":"a","strict":true},{"type":"function","name":"b"}])");
  CHECK(out["input"].dump() == list(user("Go")));
}

TEST_CASE("free-text tools that DeepSeek refuses become functions, and are named", "[responses]") {
  const auto body = with_input(
      list(
          user("Go"), thought,
          R"({"type":"custom_tool_call","id":"ctc","call_id":"a","namespace":"fn","name":"exec","input":"1+1"})",
          R"({"type":"custom_tool_call_output","call_id":"a","output":"2"})"),
      R"("tools":[{"type":"namespace","name":"fn","tools":[{"type":"custom","name":"exec"},{"type":"function","name":"wait","parameters":{"type":"object"}}]},{"type":"web_search"}],"tool_choice":{"type":"custom","name":"exec"},)");
  const auto outgoing = translate_responses(body, deepseek_responses());
  REQUIRE(outgoing);
  const auto out = OrderedJson::parse(outgoing->body);
  CHECK(deepseek_responses_faults(out) == "");
  CHECK(
      out["tools"].dump() ==
      R"([{"type":"function","name":"fn__exec","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}},)"
      R"({"type":"function","name":"fn__wait","parameters":{"type":"object"}},{"type":"web_search"}])");
  CHECK(out["tool_choice"].dump() == R"({"type":"function","name":"fn__exec"})");
  CHECK(
      out["input"][2].dump() ==
      R"({"type":"function_call","id":"ctc","call_id":"a","name":"fn__exec","arguments":"{\"input\":\"1+1\"}"})");
  CHECK(out["input"][3].dump() == R"({"type":"function_call_output","call_id":"a","output":"2"})");
  CHECK(outgoing->tools ==
        ToolAliases{{"fn__exec", "exec", "fn", true}, {"fn__wait", "wait", "fn", false}});
  CHECK_FALSE(outgoing->echo.empty());
  CHECK(outgoing->losses == std::vector<std::string>{"custom_tools"});
}

TEST_CASE("references and compactions are not asked of DeepSeek", "[responses]") {
  for (const std::string item :
       {R"({"type":"item_reference","id":"msg_1"})", R"({"type":"compaction_trigger"})"}) {
    const auto outgoing =
        translate_responses(with_input(list(user("Go"), item)), deepseek_responses());
    REQUIRE_FALSE(outgoing);
    CHECK(outgoing.error().param == "input[1]");
    CHECK(outgoing.error().retry == Retry::next_candidate);
  }
}

TEST_CASE("each turn's repaired input begins with the one before", "[responses]") {
  std::string items = user("Go");
  std::string before;
  for (int turn = 0; turn < 8; ++turn) {
    const auto id = std::to_string(turn);
    items += "," + said("a" + id) + "," + call("x" + id) + "," + said("b" + id) + "," +
             call("y" + id) + "," + output("y" + id);
    if (turn % 2 == 0) items += "," + output("x" + id);
    if (turn % 3 == 0) items += "," + user("more");
    auto now = input_after("[" + items + "]");
    if (!before.empty()) CHECK(now.starts_with(before.substr(0, before.size() - 1)));
    before = std::move(now);
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
