#include <catch2/catch.hpp>

#include "anthropic_support.hpp"
#include "dialect/facts.hpp"

namespace turnpike::dialect::test {
namespace {

RequestFacts facts_of(std::string body, const RequestHead& head = {}) {
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  auto facts = read_facts(Dialect::anthropic_messages, *document, head);
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

RequestHead head_of(HeaderList headers, std::string path = "/v1/messages") {
  RequestHead head;
  head.path = std::move(path);
  head.headers = std::move(headers);
  return head;
}

const std::string tools =
    R"("tools":[{"name":"Bash","input_schema":{"type":"object"}},{"name":"Edit","input_schema":{}}],)";
const std::string ask =
    R"({"role":"user","content":[{"type":"text","text":"<system-reminder>\nBe)"
    R"( careful.\n</system-reminder>"},{"type":"text","text":"Fix the parser."}]})";

std::string call(const std::string& id, const std::string& input) {
  return R"({"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"sig"},)"
         R"({"type":"tool_use","id":")" +
         id + R"(","name":"Bash","input":)" + input + "}]}";
}

std::string result(const std::string& id, const std::string& text, const std::string& more = {}) {
  return R"({"role":"user","content":[{"type":"tool_result","tool_use_id":")" + id +
         R"(","content":")" + text + R"("})" + more + "]}";
}

TEST_CASE("a person's words to a Messages model are told from what the harness adds",
          "[dialect][facts][anthropic]") {
  const auto facts = facts_of(messages_body(ask, tools + R"("stream":true,"system":"You code.",)"));
  CHECK(facts.dialect == Dialect::anthropic_messages);
  CHECK(facts.model == "client-model");
  CHECK(facts.stream);
  CHECK(facts.step == StepKind::human_turn);
  CHECK_FALSE(facts.in_tool_loop);
  CHECK(facts.question == "Fix the parser.");
  CHECK(facts.messages == 2);
  CHECK(facts.tools == 2);
  CHECK(facts.needs.tools);
  CHECK(facts.output_tokens_max == 4096);
  CHECK(facts.trace.human_turns == 1);
}

TEST_CASE("results continue the loop, reminders beside them do not end it",
          "[dialect][facts][anthropic]") {
  const auto history = ask + "," + call("t1", R"({"command":"make"})") + ",";
  const auto plain = facts_of(messages_body(history + result("t1", "error: no rule"), tools));
  CHECK(plain.step == StepKind::tool_continuation);
  CHECK(plain.in_tool_loop);
  CHECK(plain.question == "Fix the parser.");
  CHECK(plain.tool_tail == "error: no rule");
  CHECK(plain.trace.tool_results == 1);
  CHECK(plain.trace.tool_results_since_human == 1);

  const auto reminded = facts_of(messages_body(
      history + result("t1", "ok",
                       R"(,{"type":"text","text":"<system-reminder>\nx\n</system-reminder>"})"),
      tools));
  CHECK(reminded.in_tool_loop);
  CHECK(reminded.question == "Fix the parser.");

  const auto interrupted = facts_of(messages_body(
      history + result("t1", "ok", R"(,{"type":"text","text":"Stop, rename it first."})"), tools));
  CHECK_FALSE(interrupted.in_tool_loop);
  CHECK(interrupted.step == StepKind::human_turn);
  CHECK(interrupted.question == "Stop, rename it first.");
  CHECK(interrupted.trace.tool_results == 1);

  const auto noted = facts_of(messages_body(
      history + result("t1", "ok") + R"(,{"role":"system","content":"The date has changed."})",
      tools));
  CHECK(noted.in_tool_loop);
}

TEST_CASE("parallel results, failures and repeated calls are counted",
          "[dialect][facts][anthropic]") {
  const auto facts = facts_of(messages_body(
      ask + R"(,{"role":"assistant","content":[)" +
          R"({"type":"tool_use","id":"a","name":"Bash","input":{"command":"ls","n":1}},)" +
          R"({"type":"tool_use","id":"b","name":"Bash","input":{"n":1,"command":"ls"}}]},)" +
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"a","is_error":true,)" +
          R"("content":[{"type":"text","text":"gone"}]},)" +
          R"({"type":"tool_result","tool_use_id":"b","content":"fine"}]})",
      tools));
  CHECK(facts.trace.tool_results == 2);
  CHECK(facts.trace.errors_recent == 1);
  CHECK(facts.trace.error_streak == 0);
  CHECK(facts.trace.repeats_exact == 1);
  CHECK(facts.trace.assistant_turns == 1);
  CHECK(facts.tool_tail == "fine");
}

TEST_CASE("effort is read from words, budgets and kinds of thinking",
          "[dialect][facts][anthropic]") {
  const auto effort = [](const std::string& more) {
    return facts_of(messages_body(ask, more)).effort;
  };
  CHECK(effort("") == Effort::unset);
  CHECK(effort(R"("thinking":{"type":"adaptive"},)") == Effort::high);
  CHECK(effort(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"low"},)") ==
        Effort::low);
  CHECK(effort(R"("output_config":{"effort":"xhigh"},)") == Effort::xhigh);
  CHECK(effort(R"("thinking":{"type":"enabled","budget_tokens":1024},)") == Effort::low);
  CHECK(effort(R"("thinking":{"type":"enabled","budget_tokens":31999},)") == Effort::high);
  CHECK(effort(R"("output_config":{"effort":"max"},"thinking":{"type":"disabled"},)") ==
        Effort::none);
  CHECK(facts_of(messages_body(ask, R"("thinking":{"type":"adaptive"},)")).needs.reasoning);
}

TEST_CASE("media and schemas are needs", "[dialect][facts][anthropic]") {
  const auto facts = facts_of(messages_body(
      R"({"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},)"
      R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}},)"
      R"({"type":"text","text":"What is this?"}]})",
      R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},)"));
  CHECK(facts.needs.vision);
  CHECK(facts.needs.documents);
  CHECK(facts.needs.json_schema);
  CHECK(facts.images == 1);
  const auto text = facts_of(messages_body(
      R"({"role":"user","content":[{"type":"document","source":{"type":"text","data":"plain"}}]})"));
  CHECK_FALSE(text.needs.documents);
  const auto in_result = facts_of(messages_body(
      ask + "," + call("t", "{}") +
      R"(,{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[)"
      R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]})"));
  CHECK(in_result.images == 1);
}

TEST_CASE("a Messages conversation is known by its session, however it is named",
          "[dialect][facts][anthropic]") {
  const auto id = [](const std::string& user_id, const std::string& question,
                     const RequestHead& head = {}) {
    return facts_of(messages_body(R"({"role":"user","content":")" + question + R"("})",
                                  R"("metadata":{"user_id":")" + user_id + R"("},)"),
                    head)
        .conversation;
  };
  const std::string one = R"({\"device_id\":\"d\",\"session_id\":\"1\"})";
  const std::string two = R"({\"device_id\":\"d\",\"session_id\":\"2\"})";
  CHECK(id(one, "a") == id(one, "b"));
  CHECK(id(one, "a") != id(two, "a"));
  CHECK(id("user_1_session_2", "a") == id("user_1_session_2", "b"));
  CHECK(id("somebody", "a") != id("somebody", "b"));
  const auto head = head_of({{"x-claude-code-session-id", "s"}});
  CHECK(id(one, "a", head) == id(two, "b", head));

  const auto billed = [](const std::string& hash) {
    return facts_of(
               messages_body(
                   ask, R"("system":[{"type":"text","text":"x-anthropic-billing-header: cch=)" +
                            hash + R"(;"},{"type":"text","text":"You code."}],)"))
        .conversation;
  };
  CHECK(billed("11111") == billed("22222"));
}

TEST_CASE("Claude Code's steps are told apart by their shape", "[dialect][facts][anthropic]") {
  const auto session = head_of({{"x-claude-code-session-id", "s"}});
  const auto title = facts_of(
      messages_body(
          R"({"role":"user","content":[{"type":"text","text":"<session>\nFix it\n</session>"}]})",
          R"("system":"Write a title.","tools":[],"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object"}}},)"),
      session);
  CHECK(title.step == StepKind::title_or_summary);
  CHECK(facts_of(messages_body(ask, tools),
                 head_of({{"x-claude-code-session-id", "s"}, {"x-claude-code-agent-id", "a"}}))
            .step == StepKind::subagent);
  CHECK(facts_of(messages_body(ask), head_of({}, "/v1/messages/count_tokens")).step ==
        StepKind::token_count);
}

TEST_CASE("recorded Messages requests are read as the steps they were",
          "[dialect][facts][anthropic][recorded]") {
  for (const auto& recorded : recorded_messages()) {
    INFO(recorded.name);
    const auto facts = facts_of(
        recorded.body, head_of(recorded.headers,
                               recorded.count_only ? "/v1/messages/count_tokens" : "/v1/messages"));
    CHECK(facts.text_bytes > 0);
    const auto body = OrderedJson::parse(recorded.body);
    const auto& last = body["messages"].back();
    const bool results = last["role"] == "user" && last["content"].is_array() &&
                         last["content"].back()["type"] == "tool_result";
    CHECK(facts.in_tool_loop == results);
    if (recorded.count_only) {
      CHECK(facts.step == StepKind::token_count);
    } else if (results) {
      CHECK(facts.step == StepKind::tool_continuation);
      CHECK(facts.trace.tool_results > 0);
    }
  }
}

TEST_CASE("a Messages body of wrong types is refused with its path",
          "[dialect][facts][anthropic]") {
  const auto path = [](std::string body) {
    const auto document = wire::JsonDocument::parse(body);
    REQUIRE(document);
    const auto facts = read_facts(Dialect::anthropic_messages, *document, {});
    return facts ? std::string{"none"} : facts.error().param;
  };
  CHECK(path(R"({"messages":{}})") == "messages");
  CHECK(path(R"({"messages":[1]})") == "messages[0]");
  CHECK(path(R"({"messages":[{"role":"user","content":1}]})") == "messages[0].content");
  CHECK(path(R"({"system":1,"messages":[]})") == "system");
  CHECK(path(R"({"messages":[],"tools":null,"stream":null})") == "none");
}

}  // namespace
}  // namespace turnpike::dialect::test
