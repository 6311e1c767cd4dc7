#include <catch2/catch.hpp>
#include <string>

#include "dialect/facts.hpp"
#include "gemini_support.hpp"

namespace turnpike::dialect::test {
namespace {

Result<RequestFacts> read(std::string body, const RequestHead& head = {}) {
  body.reserve(body.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  return read_facts(Dialect::gemini_generate, *document, head);
}

RequestFacts facts_of(const std::string& body, const RequestHead& head = {}) {
  auto facts = read(body, head);
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

/// As Gemini CLI begins: its own words about the workspace, then the person's.
const std::string session =
    R"({"text":"<session_context>\nThis is the Gemini CLI.\nToday's date is Sunday.\n</session_context>"},)";
const std::string ask = R"({"role":"user","parts":[)" + session +
                        R"({"text":"Make the importer accept quoted newlines."}]})";
const std::string agent_members =
    R"(,"systemInstruction":{"role":"user","parts":[{"text":"You are an agent."}]},)"
    R"("tools":[{"functionDeclarations":[{"name":"run_shell_command","parametersJsonSchema":{"type":"object"}},)"
    R"({"name":"read_file"}]}])";

std::string call(const std::string& command) {
  return R"(,{"role":"model","parts":[{"text":"I look."},{"functionCall":{"name":"run_shell_command","args":{"command":")" +
         command + R"("}},"thoughtSignature":"c2ln"}]})";
}
std::string result(const std::string& response) {
  return R"(,{"role":"user","parts":[{"functionResponse":{"id":"x","name":"run_shell_command","response":)" +
         response + "}}]}";
}

TEST_CASE("A person's request through Gemini CLI is a human turn without the CLI's own words") {
  const auto facts = facts_of(with_contents(ask, agent_members));
  CHECK(facts.dialect == Dialect::gemini_generate);
  CHECK(facts.step == StepKind::human_turn);
  CHECK(facts.question == "Make the importer accept quoted newlines.");
  CHECK(facts.messages == 1);
  CHECK(facts.tools == 2);
  CHECK(facts.needs.tools);
  CHECK_FALSE(facts.in_tool_loop);
  CHECK(facts.model.empty());
  CHECK_FALSE(facts.stream);
  CHECK(facts.text_bytes > 100);
}

TEST_CASE("Function responses continue the loop; calls and failures are counted") {
  const auto facts =
      facts_of(with_contents(ask + call("make test") + result(R"({"output":"3 passed"})") +
                                 call("make test") + result(R"({"error":"No such target"})"),
                             agent_members));
  CHECK(facts.step == StepKind::tool_continuation);
  CHECK(facts.in_tool_loop);
  CHECK(facts.tool_tail == "No such target");
  CHECK(facts.question == "Make the importer accept quoted newlines.");
  CHECK(facts.trace.tool_results == 2);
  CHECK(facts.trace.error_streak == 1);
  CHECK(facts.trace.repeats_exact == 1);
  CHECK(facts.trace.test_runs == 2);
  CHECK(facts.messages == 5);
}

TEST_CASE("Words of a person beside a function response end the loop") {
  const auto facts = facts_of(with_contents(
      ask + call("ls") +
          R"(,{"role":"user","parts":[{"functionResponse":{"name":"run_shell_command","response":{"files":["a"]}}},)"
          R"({"text":"Stop, use the other importer instead."}]})",
      agent_members));
  CHECK(facts.step == StepKind::human_turn);
  CHECK(facts.question == "Stop, use the other importer instead.");
  CHECK(facts.trace.tool_results == 1);
}

TEST_CASE("The CLI's classifier is a side call") {
  const auto facts = facts_of(with_contents(
      ask, R"(,"systemInstruction":{"parts":[{"text":"Rate the task."}]},"generationConfig":)"
           R"({"responseMimeType":"application/json","responseJsonSchema":{"type":"OBJECT"}})"));
  CHECK(facts.step == StepKind::title_or_summary);
  CHECK(facts.needs.json_schema);
}

TEST_CASE("The path of a token count tells its step, wrapped or not") {
  RequestHead head;
  head.path = "/v1beta/models/auto:countTokens";
  const auto plain = facts_of(with_contents(ask, agent_members), head);
  CHECK(plain.step == StepKind::token_count);
  const auto wrapped =
      facts_of(R"({"generateContentRequest":)" + with_contents(ask, agent_members) + "}", head);
  CHECK(wrapped.question == plain.question);
  CHECK(wrapped.text_bytes == plain.text_bytes);
  CHECK(wrapped.conversation == plain.conversation);
}

TEST_CASE("Needs and limits are read in either spelling") {
  const auto with_config = [](const std::string& config) {
    return facts_of(with_contents(gemini_hello, R"(,"generation_config":{)" + config + "}"));
  };
  const auto facts = with_config(
      R"("max_output_tokens":77,"candidate_count":3,"response_logprobs":true,"thinking_config":{"thinking_level":"high"})");
  CHECK(facts.output_tokens_max == 77);
  CHECK(facts.choices == 3);
  CHECK(facts.needs.many_choices);
  CHECK(facts.needs.logprobs);
  CHECK(facts.effort == Effort::high);
  CHECK(facts.needs.reasoning);
  CHECK(with_config(R"("thinkingConfig":{"thinkingBudget":0})").effort == Effort::none);
  CHECK(with_config(R"("thinkingConfig":{"thinkingBudget":-1})").effort == Effort::unset);
  CHECK(with_config(R"("thinkingConfig":{"thinkingBudget":8192})").effort == Effort::medium);
  CHECK(with_config(R"("responseModalities":["AUDIO"])").needs.audio);
  const auto media = facts_of(with_contents(
      R"({"parts":[{"inline_data":{"mime_type":"image/png","data":"A"}},{"fileData":{"fileUri":"https://x/a.pdf"}},)"
      R"({"inlineData":{"mimeType":"audio/wav","data":"A"}},{"text":"What is it?"}]})"));
  CHECK(media.images == 1);
  CHECK(media.needs.vision);
  CHECK(media.needs.documents);
  CHECK(media.needs.audio);
}

TEST_CASE("A conversation keeps its name while it grows, and another has another") {
  const auto first = facts_of(with_contents(ask, agent_members)).conversation;
  CHECK(first.size() == 16);
  CHECK(facts_of(with_contents(ask + call("ls") + result("{}"), agent_members)).conversation ==
        first);
  CHECK(facts_of(with_contents(gemini_hello, agent_members)).conversation != first);
}

TEST_CASE("The bound of the prompt's tokens covers thoughts, arguments, schemas and code") {
  const std::string long_text(4000, 'x');
  const auto bytes = [](const std::string& contents, const std::string& members = "") {
    return facts_of(with_contents(contents, members)).text_bytes;
  };
  CHECK(bytes(R"({"role":"model","parts":[{"text":")" + long_text + R"(","thought":true}]})") >=
        4000);
  CHECK(bytes(R"({"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":")" + long_text +
              R"("}}}]})") >= 4000);
  CHECK(bytes(R"({"role":"model","parts":[{"executableCode":{"code":")" + long_text + R"("}}]})") >=
        4000);
  CHECK(bytes(R"({"parts":[{"functionResponse":{"name":"f","response":{"a":{"b":")" + long_text +
              R"("}}}}]})") >= 4000);
  CHECK(bytes(gemini_hello, R"(,"tools":[{"functionDeclarations":[{"name":"f","description":")" +
                                long_text + R"("}]}])") >= 4000);
  CHECK(bytes(gemini_hello, R"(,"system_instruction":")" + long_text + "\"") >= 4000);
}

TEST_CASE("A wrong type is told with its path, null is absent") {
  CHECK(read(R"({"contents":7})").error().param == "contents");
  CHECK(read(R"({"contents":[7]})").error().param == "contents[0]");
  CHECK(read(with_contents(gemini_hello, R"(,"tools":7)")).error().param == "tools");
  CHECK(read(R"([])").error().code == "wrong_type");
  CHECK(
      facts_of(R"({"contents":[{"role":null,"parts":null}],"tools":null,"generationConfig":null})")
          .messages == 1);
}

}  // namespace
}  // namespace turnpike::dialect::test
