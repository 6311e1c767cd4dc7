// What is known of a Responses request before anything is decided.
#include <catch2/catch.hpp>

#include <functional>

#include "dialect/facts.hpp"
#include "responses_support.hpp"

namespace turnpike::dialect::test {
namespace {

Result<RequestFacts> read(std::string body, const RequestHead& head = {}) {
  body.reserve(body.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  return read_facts(Dialect::openai_responses, *document, head);
}

RequestFacts facts_of(const std::string& body) {
  auto facts = read(body);
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

const std::string shell =
    R"("tools":[{"type":"function","name":"shell","parameters":{"type":"object"}}],)";
const std::string ask =
    R"({"type":"message","role":"user","content":[{"type":"input_text","text":"Make the importer accept quoted newlines."}]})";

std::string call(const std::string& id, const std::string& command) {
  return fmt::format(
      R"({{"type":"function_call","call_id":"{}","name":"shell","arguments":"{{\"command\":\"{}\"}}"}})",
      id, command);
}
std::string output(const std::string& id, const std::string& text) {
  return fmt::format(R"({{"type":"function_call_output","call_id":"{}","output":"{}"}})", id, text);
}

TEST_CASE("a text as input is a person's question", "[responses][facts]") {
  const auto facts = facts_of(with_input(R"("Why is the sky blue?")", R"("stream":true,)"));
  CHECK(facts.dialect == Dialect::openai_responses);
  CHECK(facts.question == "Why is the sky blue?");
  CHECK(facts.step == StepKind::human_turn);
  CHECK(facts.messages == 1);
  CHECK(facts.stream);
  CHECK_FALSE(facts.needs.tools);
}

TEST_CASE("outputs at the end continue the loop", "[responses][facts]") {
  const auto facts = facts_of(
      with_input("[" + ask + "," + R"({"type":"reasoning","summary":[]},)" + call("a", "ls") + "," +
                     call("b", "make test") + "," + output("a", "README.md") + "," +
                     output("b", "Exit code: 2\\nOutput:\\n3 tests failed") + "]",
                 shell));
  CHECK(facts.step == StepKind::tool_continuation);
  CHECK(facts.in_tool_loop);
  CHECK(facts.question == "Make the importer accept quoted newlines.");
  CHECK(facts.tool_tail.ends_with("3 tests failed"));
  CHECK(facts.trace.tool_results == 2);
  CHECK(facts.trace.errors_recent == 1);
  CHECK(facts.trace.error_streak == 1);
  CHECK(facts.trace.assistant_turns == 1);
  CHECK(facts.trace.human_turns == 1);
  CHECK(facts.trace.test_runs == 1);
  CHECK(facts.messages == 6);
  CHECK(facts.needs.tools);
}

TEST_CASE("outputs may fail by status and come in parts", "[responses][facts]") {
  const auto facts = facts_of(with_input(
      "[" + ask + "," + call("a", "ls") +
          R"(,{"type":"function_call_output","call_id":"a","status":"incomplete","output":[{"type":"input_text","text":"half"},{"type":"input_image","image_url":"data:image/png;base64,AA"}]}])",
      shell));
  CHECK(facts.trace.errors_recent == 1);
  CHECK(facts.tool_tail == "half");
  CHECK(facts.needs.vision);
  CHECK(facts.images == 1);
}

TEST_CASE("calls repeat by name and arguments, free text and the vendor's shell included",
          "[responses][facts]") {
  const auto custom = [](const std::string& id) {
    return fmt::format(
        R"({{"type":"custom_tool_call","call_id":"{0}","name":"exec","input":"await ls"}},{{"type":"custom_tool_call_output","call_id":"{0}","output":"x"}})",
        id);
  };
  const auto local = [](const std::string& id) {
    return fmt::format(
        R"({{"type":"local_shell_call","call_id":"{0}","action":{{"type":"exec","command":["bash","-lc","npm test"]}}}},{{"type":"local_shell_call_output","id":"{0}","output":"ok"}})",
        id);
  };
  const auto facts = facts_of(with_input(
      "[" + ask + "," + custom("a") + "," + custom("b") + "," + local("c") + "," + local("d") + "]",
      shell));
  CHECK(facts.trace.repeats_exact == 2);
  CHECK(facts.trace.test_runs == 2);
  CHECK(facts.trace.tool_results == 4);
}

TEST_CASE("needs, limits and wishes are read", "[responses][facts]") {
  const auto facts = facts_of(with_input(
      R"([{"role":"user","content":[{"type":"input_text","text":"Read this"},{"type":"input_file","file_data":"AA"}]}])",
      R"("tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"a"},{"type":"function","name":"b"}]},{"type":"web_search"}],)"
      R"("parallel_tool_calls":true,"reasoning":{"effort":"high"},"max_output_tokens":700,"top_logprobs":2,"prompt_cache_key":"k",)"
      R"("text":{"format":{"type":"json_schema","name":"n","schema":{}}},"metadata":{"turnpike_step":"permission_check"},)"));
  CHECK(facts.tools == 2);
  CHECK(facts.needs.tools);
  CHECK(facts.needs.parallel_tools);
  CHECK(facts.needs.documents);
  CHECK(facts.needs.json_schema);
  CHECK(facts.needs.reasoning);
  CHECK(facts.needs.logprobs);
  CHECK(facts.effort == Effort::high);
  CHECK(facts.output_tokens_max == 700);
  CHECK(facts.step == StepKind::permission_check);
  const auto hosted = facts_of(with_input(R"("x")", R"("tools":[{"type":"web_search"}],)"));
  CHECK_FALSE(hosted.needs.tools);
}

TEST_CASE("a conversation is known by its cache key", "[responses][facts]") {
  const auto one = facts_of(with_input(R"("x")", R"("prompt_cache_key":"k",)"));
  const auto two = facts_of(with_input("[" + ask + "]", R"("prompt_cache_key":"k",)"));
  const auto other = facts_of(with_input(R"("x")", R"("prompt_cache_key":"j",)"));
  CHECK(one.conversation == two.conversation);
  CHECK(one.conversation != other.conversation);
}

TEST_CASE("instructions count first, wherever they stand", "[responses][facts]") {
  const auto behind =
      facts_of(R"({"model":"m","input":"Hello there, gateway","instructions":"A"})");
  const auto before =
      facts_of(R"({"model":"m","instructions":"A","input":"Hello there, gateway"})");
  CHECK(behind.conversation == before.conversation);
  CHECK(behind.text_bytes == before.text_bytes);
}

TEST_CASE("what Codex puts before the question is not the question", "[responses][facts]") {
  const std::string boilerplate =
      R"({"type":"message","role":"developer","content":[{"type":"input_text","text":"<permissions instructions>\nSandboxed.\n</permissions instructions>"}]},)"
      R"({"type":"message","role":"user","content":[{"type":"input_text","text":"# AGENTS.md instructions for /srv/app\n\n<INSTRUCTIONS>\nPrefer small commits.\n</INSTRUCTIONS>"},)"
      R"({"type":"input_text","text":"<environment_context>\n  <cwd>/srv/app</cwd>\n</environment_context>"}]})";
  const auto asked = facts_of(with_input("[" + boilerplate + "," + ask + "]", shell));
  CHECK(asked.question == "Make the importer accept quoted newlines.");
  const auto older = facts_of(with_input(
      R"([{"role":"user","content":"<user_instructions>\nPrefer small commits.\n</user_instructions>"},)" +
          ask +
          R"(,{"role":"user","content":"<environment_context>\n  <current_date>2026-11-22</current_date>\n</environment_context>"},)"
          R"({"role":"user","content":"<turn_aborted>\ninterrupted\n</turn_aborted>"}])",
      shell));
  CHECK(older.question == "Make the importer accept quoted newlines.");
  // A person's own block of that name, without the heading, is a question.
  const auto own = facts_of(with_input(
      R"([{"role":"user","content":"<INSTRUCTIONS>Sort the list in place.</INSTRUCTIONS>"}])"));
  CHECK(own.question == "<INSTRUCTIONS>Sort the list in place.</INSTRUCTIONS>");
}

TEST_CASE("requests in Codex's shape are human turns first and a loop then",
          "[responses][facts][recorded]") {
  const auto bodies = shaped_bodies("codex-fallback-model");
  if (bodies.empty()) return skipped("Codex's facts");
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    INFO(i);
    const auto facts = facts_of(bodies[i]);
    CHECK(facts.step == (i == 0 ? StepKind::human_turn : StepKind::tool_continuation));
    CHECK(facts.trace.tool_results == static_cast<int>(i));
    CHECK(facts.tools == 12);
    CHECK(facts.conversation == facts_of(bodies[0]).conversation);
    CHECK(facts.question.starts_with("Text 3"));
  }
}

TEST_CASE("text bytes bound the body's texts from above", "[responses][facts]") {
  for (const auto& [name, body] : recorded_responses()) {
    INFO(name);
    const auto facts = facts_of(body);
    std::size_t texts = 0;
    const std::function<void(const OrderedJson&)> add = [&](const OrderedJson& json) {
      for (const auto& [key, value] : json.items()) {
        if (value.is_structured()) add(value);
        if (value.is_string() && (key == "text" || key == "arguments" || key == "output" ||
                                  key == "input" || key == "content" || key == "encrypted_content"))
          texts += value.get<std::string>().size();
      }
    };
    add(OrderedJson::parse(body));
    CHECK(facts.text_bytes >= static_cast<std::int64_t>(texts));
  }
}

TEST_CASE("a wrong type has its path", "[responses][facts]") {
  const auto fault = [](const std::string& body) {
    const auto facts = read(body);
    return facts ? "" : facts.error().param;
  };
  CHECK(fault(with_input("7")) == "input");
  CHECK(fault(with_input(R"([{"role":"user","content":7}])")) == "input[0].content");
  CHECK(fault(with_input(R"("x")", R"("tools":7,)")) == "tools");
  CHECK(fault(with_input(R"("x")", R"("text":{"format":7},)")) == "text.format");
}

}  // namespace
}  // namespace turnpike::dialect::test
