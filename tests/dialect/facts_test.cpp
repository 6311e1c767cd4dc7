#include "dialect/facts.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <random>
#include <string>

#include "dialect/call_signs.hpp"
#include "dialect/facts_line.hpp"
#include "dialect/facts_text.hpp"
#include "dialect/facts_trace.hpp"
#include "dialect/result_signs.hpp"

namespace turnpike::dialect {
namespace {

Result<RequestFacts> read(std::string body, const RequestHead& head = {}) {
  body.reserve(body.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  return read_facts(Dialect::openai_chat, *document, head);
}

RequestFacts facts_of(const std::string& body, const RequestHead& head = {}) {
  auto facts = read(body, head);
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

RequestHead with_headers(HeaderList headers) {
  RequestHead head;
  head.headers = std::move(headers);
  return head;
}

const std::string shell_tool =
    R"({"type":"function","function":{"name":"run_shell","description":"Fails with error and Traceback","parameters":{"type":"object","properties":{"command":{"type":"string"}}}}})";

/// A chat body with one tool on offer; `messages` are the array's elements.
std::string agent_body(const std::string& messages, const std::string& members = "") {
  return R"({"model":"auto",)" + members + R"("tools":[)" + shell_tool + R"(],"messages":[)" +
         messages + "]}";
}

std::string call(const std::string& id, const std::string& command,
                 const std::string& name = "run_shell") {
  return fmt::format(
      R"({{"role":"assistant","content":null,"tool_calls":[{{"id":"{}","type":"function","function":{{"name":"{}","arguments":"{{\"command\": \"{}\"}}"}}}}]}})",
      id, name, command);
}

std::string result(const std::string& id, const std::string& text) {
  return fmt::format(R"({{"role":"tool","tool_call_id":"{}","content":"{}"}})", id, text);
}

const std::string ask = R"({"role":"user","content":"Make the importer accept quoted newlines."})";

}  // namespace

TEST_CASE("a person's request with tools is a human turn", "[dialect][facts]") {
  const auto facts = facts_of(
      agent_body(R"({"role":"system","content":"Be brief."},)" + ask, R"("stream":true,)"));
  CHECK(facts.step == StepKind::human_turn);
  CHECK_FALSE(facts.in_tool_loop);
  CHECK(facts.model == "auto");
  CHECK(facts.stream);
  CHECK(facts.messages == 2);
  CHECK(facts.tools == 1);
  CHECK(facts.needs.tools);
  CHECK(facts.question == "Make the importer accept quoted newlines.");
  CHECK(facts.question_bytes == 41);
  CHECK(facts.tool_tail.empty());
  CHECK(facts.trace.human_turns == 1);
}

TEST_CASE("tool results at the end continue the loop, also behind reminders", "[dialect][facts]") {
  const std::string loop = ask + "," + call("c1", "make") + "," + result("c1", "built");
  const auto plain = facts_of(agent_body(loop));
  CHECK(plain.step == StepKind::tool_continuation);
  CHECK(plain.in_tool_loop);
  CHECK(plain.tool_tail == "built");
  CHECK(plain.question == "Make the importer accept quoted newlines.");
  CHECK(plain.trace.tool_results_since_human == 1);

  const auto reminded = facts_of(agent_body(
      loop +
      R"(,{"role":"user","content":"<system-reminder>\nkeep to the plan\n</system-reminder>"})"));
  CHECK(reminded.step == StepKind::tool_continuation);
  CHECK(reminded.question == plain.question);

  const auto answered =
      facts_of(agent_body(loop + R"(,{"role":"user","content":"And now rename it."})"));
  CHECK(answered.step == StepKind::human_turn);
  CHECK(answered.question == "And now rename it.");
  CHECK(answered.trace.tool_results == 1);
  CHECK(answered.trace.tool_results_since_human == 0);
}

TEST_CASE("side calls are told by having no tools, being small and by their shape",
          "[dialect][facts]") {
  const std::string title =
      R"("messages":[{"role":"system","content":"You write titles."},{"role":"user","content":"hi there"}])";
  const std::string schema =
      R"("response_format":{"type":"json_schema","json_schema":{"name":"t","schema":{"type":"object"}}},)";
  CHECK(facts_of(R"({"model":"m",)" + schema + title + "}").step == StepKind::title_or_summary);
  CHECK(facts_of(R"({"model":"m","max_tokens":16,)" + title + "}").step ==
        StepKind::title_or_summary);
  // A harness (it sends a session header) always has tools when it works.
  CHECK(facts_of(R"({"model":"m","max_tokens":32000,)" + title + "}",
                 with_headers({{"x-session-id", "s1"}}))
            .step == StepKind::title_or_summary);
  // A person who chats without tools is no side call, and neither is a large structured request.
  CHECK(facts_of(R"({"model":"m",)" + title + "}").step == StepKind::human_turn);
  const std::string large = R"("messages":[{"role":"system","content":")" + std::string(6000, 'x') +
                            R"("},{"role":"user","content":"hi there"}])";
  CHECK(facts_of(R"({"model":"m",)" + schema + large + "}").step == StepKind::human_turn);
}

TEST_CASE("a loop's history without its tools is a compaction", "[dialect][facts]") {
  const std::string history = ask + "," + call("c1", "make") + "," +
                              result("c1", std::string(6000, 'x')) +
                              R"(,{"role":"user","content":"Sum up what has happened."})";
  CHECK(facts_of(R"({"model":"m","messages":[)" + history + "]}").step == StepKind::compaction);
  CHECK(facts_of(agent_body(history)).step == StepKind::human_turn);
}

TEST_CASE("subagents, permission checks and token counts are declared, never guessed",
          "[dialect][facts]") {
  CHECK(facts_of(agent_body(ask), with_headers({{"x-claude-code-agent-id", "a1"}})).step ==
        StepKind::subagent);
  CHECK(facts_of(agent_body(ask), with_headers({{"x-turnpike-step", "permission_check"}})).step ==
        StepKind::permission_check);
  CHECK(facts_of(agent_body(ask, R"("metadata":{"turnpike_step":"permission_check"},)")).step ==
        StepKind::permission_check);
  CHECK(facts_of(
            agent_body(
                R"({"role":"user","content":"Is this permission check a subagent? Compact it."})"))
            .step == StepKind::human_turn);
  RequestHead head;
  head.path = "/v1/messages/count_tokens";
  CHECK(facts_of(agent_body(ask), head).step == StepKind::token_count);
}

TEST_CASE("conversations are known by session header, cache key or their first words",
          "[dialect][facts]") {
  const std::string first = R"({"role":"system","content":"sys"},)" + ask;
  const std::string later = first + "," + call("c1", "make") + "," + result("c1", "built");
  const auto plain = facts_of(agent_body(first)).conversation;
  CHECK(plain.size() == 16);
  CHECK(plain.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(facts_of(agent_body(later)).conversation == plain);
  CHECK(
      facts_of(agent_body(R"({"role":"system","content":"sys"},{"role":"user","content":"else"})"))
          .conversation != plain);
  const auto keyed = facts_of(agent_body(first, R"("prompt_cache_key":"k1",)")).conversation;
  CHECK(keyed != plain);
  for (const auto* const name :
       {"x-claude-code-session-id", "session-id", "x-session-id", "x-session-affinity"}) {
    const auto head = with_headers({{name, "s1"}});
    const auto known =
        facts_of(agent_body(first, R"("prompt_cache_key":"k1",)"), head).conversation;
    CHECK(known != keyed);
    CHECK(facts_of(agent_body(R"({"role":"user","content":"other words"})"), head).conversation ==
          known);
  }
  const auto agent =
      with_headers({{"x-claude-code-session-id", "s1"}, {"x-claude-code-agent-id", "a1"}});
  CHECK(
      facts_of(agent_body(first), agent).conversation !=
      facts_of(agent_body(first), with_headers({{"x-claude-code-session-id", "s1"}})).conversation);
}

TEST_CASE("effort is read in every spelling", "[dialect][facts]") {
  const auto effort = [](const std::string& member) {
    return facts_of(agent_body(ask, member)).effort;
  };
  CHECK(effort("") == Effort::unset);
  CHECK(effort(R"("reasoning_effort":"high",)") == Effort::high);
  CHECK(effort(R"("reasoning":{"effort":"minimal"},)") == Effort::minimal);
  CHECK(effort(R"("output_config":{"effort":"max"},)") == Effort::max);
  CHECK(effort(R"("thinking":{"type":"disabled"},)") == Effort::none);
  CHECK(effort(R"("thinking":{"type":"enabled","budget_tokens":31999},)") == Effort::high);
  CHECK(
      effort(R"("thinking":{"type":"enabled","budget_tokens":2000},"reasoning_effort":"xhigh",)") ==
      Effort::xhigh);
  CHECK(effort(R"("reasoning_effort":"from-the-future",)") == Effort::unset);
  CHECK(facts_of(agent_body(ask, R"("reasoning_effort":"low",)")).needs.reasoning);
  CHECK_FALSE(facts_of(agent_body(ask, R"("reasoning_effort":"none",)")).needs.reasoning);
}

TEST_CASE("needs and limits are read from the body", "[dialect][facts]") {
  const auto facts =
      facts_of(R"({"model":"m","n":3,"logprobs":true,"max_tokens":100,"max_completion_tokens":400,
    "response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{}}},
    "messages":[{"role":"user","content":[{"type":"text","text":"Look at"},{"type":"text","text":"these two."},
      {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
      {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
      {"type":"file","file":{"file_id":"f1"}}]}]})");
  CHECK(facts.choices == 3);
  CHECK(facts.needs.many_choices);
  CHECK(facts.needs.logprobs);
  CHECK(facts.needs.json_schema);
  CHECK(facts.needs.vision);
  CHECK(facts.needs.audio);
  CHECK(facts.needs.documents);
  CHECK_FALSE(facts.needs.tools);
  CHECK(facts.images == 1);
  CHECK(facts.output_tokens_max == 400);
  CHECK(facts.question == "Look at\nthese two.");
}

TEST_CASE("text bytes bound the texts, calls and schemas from above", "[dialect][facts]") {
  const auto bare = facts_of(R"({"model":"m","messages":[{"role":"user","content":"caf\u00e9"}]})");
  CHECK(bare.text_bytes == 5);  // UTF-8, decoded
  CHECK(bare.prompt_tokens_bound() == 5 + 1024 + 16);
  const auto one = facts_of(agent_body(ask));
  CHECK(one.text_bytes >= static_cast<std::int64_t>(shell_tool.size() + 41));
  const auto loop =
      facts_of(agent_body(ask + "," + call("c1", "make") + "," + result("c1", "built")));
  CHECK(loop.text_bytes >= one.text_bytes + 9 + 19 + 5);
}

TEST_CASE("null is absence everywhere", "[dialect][facts]") {
  const auto facts = facts_of(
      R"({"model":"m","stream":null,"tools":null,"n":null,"max_tokens":null,"thinking":null,
    "metadata":null,"reasoning":null,"response_format":null,"prompt_cache_key":null,
    "messages":[{"role":"user","content":"hello there world"},{"role":"assistant","content":null,"tool_calls":null,
    "refusal":null,"reasoning_content":null},{"role":"tool","tool_call_id":"x","content":null}]})");
  CHECK(facts.step == StepKind::tool_continuation);
  CHECK(facts.choices == 1);
  CHECK_FALSE(facts.output_tokens_max);
}

TEST_CASE("a wrong type is refused with its path", "[dialect][facts]") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"model":7,"messages":[]})", "model"},
      {R"({"messages":{}})", "messages"},
      {R"({"messages":[{"role":"user","content":"a"},{"role":"user","content":5}]})",
       "messages[1].content"},
      {R"({"messages":[{"role":1}]})", "messages[0].role"},
      {R"({"messages":[4]})", "messages[0]"},
      {R"({"messages":[],"stream":"yes"})", "stream"},
      {R"({"messages":[],"tools":{}})", "tools"},
      {R"({"messages":[],"max_tokens":1.5})", "max_tokens"},
      {R"({"messages":[],"n":"2"})", "n"},
  };
  for (const auto& [body, path] : cases) {
    const auto facts = read(body);
    REQUIRE_FALSE(facts);
    CHECK(facts.error().http_status == 400);
    CHECK(facts.error().origin == Origin::client);
    CHECK(facts.error().code == "wrong_type");
    CHECK(facts.error().param == path);
  }
}

TEST_CASE("harness blocks are dropped by shape and wrappers taken off", "[dialect][facts]") {
  const auto question = [](std::string_view text) { return facts_of_text(text).question; };
  CHECK(question("<system-reminder>\nThe date is today.\n</system-reminder>\nFix the importer.") ==
        "Fix the importer.");
  CHECK(question("Fix it now, please.<system-reminder>x</system-reminder>") ==
        "Fix it now, please.");
  CHECK(question("<task>\nFix the importer.\n</task>\n<environment_details>\ncwd: "
                 "/x\n</environment_details>") == "Fix the importer.");
  CHECK(question("x-anthropic-billing-header: cc_version=1\nFix the importer.") ==
        "Fix the importer.");
  CHECK(question("Why does a < b and <div> fail here?") == "Why does a < b and <div> fail here?");
  CHECK(question("<system-reminder> is never closed, why?") ==
        "<system-reminder> is never closed, why?");
  CHECK(question("<system-reminder>only this</system-reminder>").empty());
}

TEST_CASE("what was pasted is context, unless nothing else is there", "[dialect][facts]") {
  const auto fenced =
      facts_of_text("Why does this loop forever?\n\n```python\nwhile True: pass\n```\n");
  CHECK(fenced.question == "Why does this loop forever?");
  CHECK(fenced.fenced_code_bytes > 20);
  CHECK(fenced.context_bytes == fenced.fenced_code_bytes);

  const auto log = facts_of_text(
      "What went wrong in this run?\n2026-11-22 10:00:01 start\n2026-11-22 10:00:02 "
      "work\n\n2026-11-22 10:00:03 stop\nThanks");
  CHECK(log.question == "What went wrong in this run?\nThanks");
  CHECK(log.context_bytes > 60);

  const auto document = facts_of_text("Is this letter polite enough?\n<letter>\n" +
                                      std::string(300, 'a') + "\n</letter>");
  CHECK(document.question == "Is this letter polite enough?");

  const auto quoted = facts_of_text("Do you agree with him?\n> all is well\n> and ends well");
  CHECK(quoted.question == "Do you agree with him?");

  const auto alone = facts_of_text("```\ndef f(x): return x + 1\n```");
  CHECK(alone.question.find("def f(x)") != std::string::npos);
}

TEST_CASE("a long question keeps head and tail, cut between characters", "[dialect][facts]") {
  std::string text = "BEGIN ";
  while (text.size() < 200000) text += "größer ";
  text += "END";
  const auto facts = facts_of_text(text);
  CHECK(facts.question.size() <= question_bytes_max);
  CHECK(facts.question.starts_with("BEGIN"));
  CHECK(facts.question.ends_with("END"));
  CHECK(facts.question.find("\xC3\n") == std::string::npos);
  CHECK(head_of("aé", 2) == "a");
  CHECK(tail_of("éa", 2) == "a");
  CHECK(head_of("ab", 5) == "ab");
}

TEST_CASE("tool results fail by exit code first, then by what only failures print",
          "[dialect][facts]") {
  const auto failed = [](std::string_view text) { return read_tool_result(text).failed; };
  CHECK(failed("all fine\nexit code 1"));
  CHECK(failed("Process exited with code 127"));
  CHECK(failed("exit status: 2"));
  CHECK_FALSE(failed("2 errors were fixed, 0 failed\nexit code 0"));
  CHECK(failed("FAILED importer: 7 of 31 tests failed"));
  CHECK(failed("Traceback (most recent call last):\n  x\nKeyError: 'a'"));
  CHECK(failed("core dumped\n  frame #0"));
  CHECK(failed("src/a.c:3:5: error: expected ';'"));
  CHECK(failed("Error: ENOENT: no such file"));
  CHECK(failed("java.lang.NullPointerException: x"));
  CHECK(failed("bash: frob: command not found"));
  CHECK_FALSE(failed("31 tests passed in 2.4s, 0 failed"));
  CHECK_FALSE(failed("no errors"));
  CHECK_FALSE(failed("README.md\nsrc\ntests\nerrors.md\n"));
  CHECK_FALSE(failed("ok, 12 lines"));
  CHECK_FALSE(failed(""));
  CHECK(read_tool_result("error error failed").error_words == 3);
  CHECK(failed(std::string(100000, 'x') + "\nexit code 3"));
}

TEST_CASE("the trace counts failures, repeats, edits and test runs", "[dialect][facts]") {
  std::string messages = ask;
  for (int i = 0; i < 8; ++i) {
    messages += "," + call(fmt::format("c{}", i),
                           i % 2 == 0 ? "make test" : fmt::format("sed -i s/a/{}/ f", i));
    messages += "," + result(fmt::format("c{}", i), i % 2 == 0 ? "1 failed\\nexit code 1" : "done");
  }
  const auto trace = facts_of(agent_body(messages)).trace;
  CHECK(trace.tool_results == 8);
  CHECK(trace.tool_results_since_human == 8);
  CHECK(trace.errors_recent == 3);
  CHECK(trace.error_streak == 0);
  CHECK(trace.error_words_recent == 3);
  CHECK(trace.repeats_exact == 3);
  CHECK(trace.repeats_recent == 3);
  CHECK(trace.edits == 4);
  CHECK(trace.test_runs == 4);
  CHECK(trace.assistant_turns == 8);

  messages +=
      "," + call("d1", "x") + "," + result("d1", "exit code 1") + "," + result("d2", "exit code 2");
  CHECK(facts_of(agent_body(messages)).trace.error_streak == 2);
}

TEST_CASE("calls are equal up to member order and blanks", "[dialect][facts]") {
  const auto same = [](std::string_view a, std::string_view b) {
    return hash_call({"edit", a}) == hash_call({"edit", b});
  };
  CHECK(same(R"({"a":1,"b":"x y"})", R"({ "b": "x y", "a": 1 })"));
  CHECK_FALSE(same(R"({"a":1,"b":"x y"})", R"({"a":1,"b":"xy"})"));
  CHECK_FALSE(same(R"({"a":1})", R"({"a":2})"));
  CHECK(hash_call({"edit", "{}"}) != hash_call({"read", "{}"}));
  CHECK_FALSE(same(std::string(3000, 'a'), std::string(3001, 'a')));
  const auto edits = [](const Call& call) { return looks_like_edit(call, signs_of_tool(call.name)); };
  const auto tests = [](const Call& call) { return looks_like_test_run(call, signs_of_tool(call.name)); };
  CHECK_FALSE(edits({"todowrite", "{}"}));
  CHECK(edits({"str_replace_editor", "{}"}));
  CHECK(tests({"bash", R"({"command":"cargo test"})"}));
  CHECK_FALSE(tests({"bash", R"({"command":"cat tests/a.py"})"}));
  CHECK_FALSE(tests({"read_file", R"({"path":"the test"})"}));
}

TEST_CASE("rows of evaluation sets and whole bodies are read from lines", "[dialect][facts]") {
  std::string text = R"({"id":"a1","text":"Why?"})";
  std::string row = R"({"id":"a2","text":"x","request":)" + agent_body(ask) + "}";
  std::string shape = R"({"id":"a3","body":)" + agent_body(ask) + "}";
  std::string body = agent_body(ask);
  CHECK(read_facts_line(text).value().id == "a1");
  CHECK(read_facts_line(row).value().facts.tools == 1);
  CHECK(read_facts_line(shape).value().id == "a3");
  CHECK(read_facts_line(body).value().facts.tools == 1);
  std::string learn = R"({"id":"a","text":"x","learn":{"weak":0,"strong":1}})";
  const auto taught = read_facts_line(learn).value();
  REQUIRE(taught.learn);
  CHECK(taught.learn->weak == 0);
  CHECK(taught.learn->strong == 1.0F);
  CHECK(taught.facts.question == "x");
  std::string lone = R"({"id":"a","text":"x","learn":{"weak":0.25,"strong":null}})";
  CHECK_FALSE(read_facts_line(lone).value().learn->strong);
  for (std::string bad : {R"({"text":"x","learn":{"strong":1}})", R"({"text":"x","learn":{"weak":2}})", R"({"text":"x","learn":{"weak":"0"}})",
                          R"({"text":"x","learn":1})"})
    CHECK(read_facts_line(bad).error().code == "bad_row");
  std::string nothing = R"({"id":"a"})";
  CHECK(read_facts_line(nothing).error().code == "bad_row");
  std::string broken = R"({"id":)";
  CHECK_FALSE(read_facts_line(broken));
}

TEST_CASE("no text makes the question longer than its window or breaks UTF-8 cuts",
          "[dialect][facts][fuzz]") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  const std::vector<std::string> pieces{"<system-reminder>",
                                        "</system-reminder>",
                                        "<a_b-c>",
                                        "</a_b-c>",
                                        "<task>",
                                        "```\n",
                                        "> x\n",
                                        "2026-01-01 10:10:10 y\n",
                                        "\n",
                                        "word ",
                                        "é",
                                        "漢",
                                        "<",
                                        "</",
                                        ">",
                                        "exit code ",
                                        "1 ",
                                        "0 failed ",
                                        "Error: ",
                                        "@@ ",
                                        std::string(500, 'z')};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const auto count = random() % 60;
    for (std::uint64_t i = 0; i < count; ++i) text += pieces[random() % pieces.size()];
    const auto facts = facts_of_text(text);
    REQUIRE(facts.question.size() <= question_bytes_max);
    REQUIRE(facts.question_bytes >= static_cast<std::int64_t>(facts.question.size()) - 1);
    REQUIRE(facts.context_bytes >= 0);
    const auto signs = read_tool_result(text);
    REQUIRE(signs.error_words >= 0);
    REQUIRE(facts_of_text(text).question == facts.question);
  }
}

}  // namespace turnpike::dialect
