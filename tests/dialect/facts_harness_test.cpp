// What each harness sends, in small: tests/golden/facts holds a request per file and what is to be known of it. Then the same
// requests with things around them that must change nothing, and the recorded shapes of the real clients.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <map>
#include <set>

#include "dialect/facts.hpp"

namespace turnpike::dialect {
namespace {

using Json = nlohmann::ordered_json;

Json read_json(const std::filesystem::path& file) { return Json::parse(std::ifstream{file}); }

std::vector<std::filesystem::path> goldens() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{TURNPIKE_SOURCE_DIR "/tests/golden/facts"}) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() >= 20);
  return files;
}

RequestHead head_from(const Json& golden) {
  RequestHead head;
  head.path = golden["path"];
  for (const auto& [name, value] : golden["headers"].items()) head.headers.emplace_back(name, value.get<std::string>());
  return head;
}

RequestFacts facts_from(const Json& golden) {
  std::string body = golden["body"].dump();
  body.reserve(body.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  const auto dialect = parse_dialect(golden["dialect"].get<std::string>());
  REQUIRE(dialect);
  auto facts = read_facts(*dialect, *document, head_from(golden));
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

Json trace_of(const TraceCounters& trace) {
  return {{"tool_results", trace.tool_results},
          {"tool_results_since_human", trace.tool_results_since_human},
          {"errors_recent", trace.errors_recent},
          {"error_streak", trace.error_streak},
          {"repeats_exact", trace.repeats_exact},
          {"repeats_recent", trace.repeats_recent},
          {"repeats_near", trace.repeats_near},
          {"edits", trace.edits},
          {"test_runs", trace.test_runs},
          {"tests_passed_recent", trace.tests_passed_recent},
          {"tests_failed_recent", trace.tests_failed_recent},
          {"human_turns", trace.human_turns},
          {"steps_since_human", trace.steps_since_human}};
}

// ---- what must change nothing

Json named_tool(const std::string& dialect, const std::string& name) {
  const Json schema = {{"type", "object"}, {"properties", {{"path", {{"type", "string"}}}}}};
  const std::string about = "Fails with an error, an exception or a Traceback. Permission check. Summarize the conversation.";
  if (dialect == "openai-chat") return {{"type", "function"}, {"function", {{"name", name}, {"description", about}, {"parameters", schema}}}};
  if (dialect == "anthropic-messages") return {{"name", name}, {"description", about}, {"input_schema", schema}};
  if (dialect == "openai-responses") return {{"type", "function"}, {"name", name}, {"description", about}, {"parameters", schema}};
  return {{"functionDeclarations", {{{"name", name}, {"description", about}, {"parametersJsonSchema", schema}}}}};
}

void add_tools(Json& golden) {
  for (int i = 0; i < 200; ++i) golden["body"]["tools"].push_back(named_tool(golden["dialect"], "mcp__server__tool_" + std::to_string(i)));
}

void add_system(Json& golden) {
  std::string text;
  while (text.size() < 60'000) text += "When a test fails with an error, prove why, design a fix and explain the root cause. Exit code 1.\n";
  auto& body = golden["body"];
  const std::string dialect = golden["dialect"];
  if (dialect == "openai-chat") {
    auto& system = body["messages"][0]["content"];
    system = system.get<std::string>() + "\n" + text;
  } else if (dialect == "anthropic-messages") {
    if (body["system"].is_string()) body["system"] = Json::array({{{"type", "text"}, {"text", body["system"]}}});
    body["system"].push_back({{"type", "text"}, {"text", text}});
  } else if (dialect == "openai-responses") {
    body["instructions"] = body.value("instructions", "") + "\n" + text;
  } else {
    body["systemInstruction"]["parts"].push_back({{"text", text}});
  }
}

/// Blocks of all the harnesses at once, around what the person wrote.
void add_boilerplate(Json& golden) {
  const std::vector<std::string> blocks{
      "<system-reminder>\nTests fail with an error. Prove, design, debug.\n</system-reminder>",
      "<environment_details>\n# Visible files\nerror.log\n# Current Time\n11/22/2026\n</environment_details>",
      "<environment_context>\n<cwd>/w</cwd>\n</environment_context>",
      "<session_context>\nThis is the Gemini CLI. We are setting up the context for our chat.\n</session_context>",
      "# task_progress RECOMMENDED\n\nKeep a list of what is to be done.",
      "x-anthropic-billing-header: cc_version=2; cch=1",
      "This is the Qwen Code. We are setting up the context for our chat.\nHere is the folder structure:\n├───errors.log"};
  auto& body = golden["body"];
  const std::string dialect = golden["dialect"];
  auto& messages = dialect == "openai-responses" ? body["input"] : dialect == "gemini-generate" ? body["contents"] : body["messages"];
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    if (message->value("role", "") != "user") continue;
    auto& content = (*message)[dialect == "gemini-generate" ? "parts" : "content"];
    const char* type = dialect == "openai-responses" ? "input_text" : "text";
    if (content.is_string()) content = Json::array({{{"type", type}, {"text", content}}});
    const bool spoken = std::any_of(content.begin(), content.end(), [](const Json& part) { return part.contains("text"); });
    if (!spoken) continue;
    for (const auto& block : blocks) {
      const Json part = dialect == "gemini-generate" ? Json{{"text", block}} : Json{{"type", type}, {"text", block}};
      content.insert(content.begin(), part);
      content.push_back(part);
    }
    return;
  }
}

/// All that the classifier reads.
void check_same_to_the_classifier(const RequestFacts& got, const RequestFacts& wanted) {
  CHECK(got.step == wanted.step);
  CHECK(got.question == wanted.question);
  CHECK(got.question_bytes == wanted.question_bytes);
  CHECK(got.fenced_code_bytes == wanted.fenced_code_bytes);
  CHECK(got.tool_tail == wanted.tool_tail);
  CHECK(got.in_tool_loop == wanted.in_tool_loop);
  CHECK(got.effort == wanted.effort);
  CHECK(got.output_tokens_max == wanted.output_tokens_max);
  CHECK(got.images == wanted.images);
  CHECK(got.trace == wanted.trace);
}

// ---- the recorded shapes: roles, kinds of blocks and their sizes, without a word of text

std::string words(std::int64_t bytes) {
  std::string text;
  while (std::ssize(text) < bytes) text += "Rename the helper and run it. ";
  text.resize(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)), '.');
  return text;
}

std::int64_t bytes_of(const Json& shape) { return shape.is_number() ? shape.get<std::int64_t>() : shape.value("bytes", 1); }

/// Text blocks of which the last is what a person wrote and the others are the harness's.
void add_texts(Json& blocks, const Json& shape, const char* type) {
  const std::int64_t count = shape.is_number() ? 1 : shape.value("n", 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    const auto text = last ? words(120) : "<system-reminder>" + words(bytes_of(shape) / count) + "</system-reminder>";
    blocks.push_back(*type == '\0' ? Json{{"text", text}} : Json{{"type", type}, {"text", text}});
  }
}

Json message_from(const Json& shape, const std::string& dialect) {
  Json message;
  const auto type = shape.value("type", "");
  if (shape["role"].is_null()) {  // an item of its own
    message = {{"type", type}, {"call_id", "c"}, {"name", "shell"}, {"arguments", "{}"}, {"output", "done"}, {"summary", Json::array()}};
    return message;
  }
  message["role"] = shape["role"];
  if (shape.contains("tool_calls")) {
    message["tool_calls"] = Json::array({{{"id", "c"}, {"type", "function"}, {"function", {{"name", "shell"}, {"arguments", "{}"}}}}});
  }
  Json blocks = Json::array();
  for (const auto& [kind, part] : shape.value("content", Json::object()).items()) {
    const bool gemini = dialect == "gemini-generate";
    if (kind == "text_string") {
      message["content"] = words(bytes_of(part));
    } else if (kind == "tool_use") {
      blocks.push_back({{"type", kind}, {"id", "c"}, {"name", "shell"}, {"input", Json::object()}});
    } else if (kind == "tool_result") {
      blocks.push_back({{"type", kind}, {"tool_use_id", "c"}, {"content", "done"}});
    } else if (kind == "thinking") {
      blocks.push_back({{"type", kind}, {"thinking", "t"}, {"signature", "s"}});
    } else if (kind == "functionCall") {
      blocks.push_back({{kind, {{"name", "shell"}, {"args", Json::object()}}}});
    } else if (kind == "functionResponse") {
      blocks.push_back({{kind, {{"name", "shell"}, {"response", {{"output", "done"}}}}}});
    } else {
      add_texts(blocks, part, gemini ? "" : kind.c_str());
    }
  }
  if (!blocks.empty() || !message.contains("content")) message[dialect == "gemini-generate" ? "parts" : "content"] = blocks;
  return message;
}

/// A golden in the form of the others, made from the shape of a recorded request.
Json golden_from(const Json& request) {
  const std::string url = request["url"];
  Json golden;
  golden["path"] = url.substr(0, url.find('?'));
  golden["dialect"] = url.find("/v1beta") == 0 ? "gemini-generate" : url.find("messages") != std::string::npos ? "anthropic-messages" : url.find("responses") != std::string::npos ? "openai-responses" : "openai-chat";
  golden["headers"] = Json::object();
  for (const auto& header : request["headers"]) {
    const std::string line = header;
    const auto colon = line.find(": ");
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    golden["headers"][name] = colon == std::string::npos ? "recorded" : line.substr(colon + 2);
  }
  golden["headers"].erase("content-length");
  auto& body = golden["body"];
  for (const auto& [name, value] : request["fields"].items()) {
    const bool told_as_length = value.is_string() && name != "model" && name != "reasoning_effort";
    if (!told_as_length) body[name] = value;
  }
  const std::string dialect = golden["dialect"];
  if (request.contains("system") && request["system"].is_object()) {
    const auto text = words(request["system"].value("bytes", 1));
    if (dialect == "anthropic-messages") body["system"] = text;
    if (dialect == "gemini-generate") body["systemInstruction"] = {{"parts", {{{"text", text}}}}};
    if (dialect == "openai-responses") body["instructions"] = text;
  }
  Json messages = Json::array();
  for (const auto& shape : request["messages"]["each"]) messages.push_back(message_from(shape, dialect));
  body[dialect == "openai-responses" ? "input" : dialect == "gemini-generate" ? "contents" : "messages"] = messages;
  const auto tools = request.contains("tools") ? request["tools"].value("count", 0) : 0;
  for (int i = 0; i < tools; ++i) body["tools"].push_back(named_tool(dialect, "tool_" + std::to_string(i)));
  return golden;
}

bool ends_with_results(const Json& request) {
  const auto& last = request["messages"]["each"].back();
  const auto content = last.value("content", Json::object());
  return last["role"] == "tool" || last.value("type", "") == "function_call_output" || content.contains("tool_result") || content.contains("functionResponse");
}

}  // namespace

TEST_CASE("of each harness's requests it is known what they are", "[dialect][facts][harness]") {
  for (const auto& file : goldens()) {
    INFO(file.filename().string());
    const auto golden = read_json(file);
    const auto facts = facts_from(golden);
    const auto& expect = golden["expect"];
    CHECK(std::string{to_string(facts.step)} == expect["step"].get<std::string>());
    if (expect.contains("question")) CHECK(facts.question == expect["question"].get<std::string>());
    if (expect.contains("in_tool_loop")) CHECK(facts.in_tool_loop == expect["in_tool_loop"].get<bool>());
    if (expect.contains("tool_tail")) CHECK(facts.tool_tail == expect["tool_tail"].get<std::string>());
    if (expect.contains("context_bytes_min")) CHECK(facts.context_bytes >= expect["context_bytes_min"].get<std::int64_t>());
    const auto trace = trace_of(facts.trace);
    for (const auto& [name, value] : expect.value("trace", Json::object()).items()) {
      INFO(name);
      CHECK(trace.at(name) == value);
    }
  }
}

TEST_CASE("200 tools, a system prompt of 60 KB and other harnesses' blocks change nothing that is judged", "[dialect][facts][harness]") {
  for (const auto& file : goldens()) {
    INFO(file.filename().string());
    const auto golden = read_json(file);
    const auto plain = facts_from(golden);
    // A side call is known by being small and without tools.
    const bool by_size = plain.step == StepKind::title_or_summary;
    const bool protected_step = plain.step == StepKind::permission_check;
    for (const auto change : {&add_tools, &add_system, &add_boilerplate}) {
      if (by_size || (protected_step && change == &add_system)) continue;
      auto changed = golden;
      change(changed);
      check_same_to_the_classifier(facts_from(changed), plain);
    }
  }
}

TEST_CASE("subagents and side calls are conversations of their own within their session", "[dialect][facts][harness]") {
  const auto conversation = [](const std::string& name) {
    return facts_from(read_json(TURNPIKE_SOURCE_DIR "/tests/golden/facts/" + name + ".json")).conversation;
  };
  CHECK(conversation("claude-code-first") == conversation("claude-code-loop"));
  CHECK(conversation("claude-code-first") != conversation("claude-code-subagent"));
  CHECK(conversation("claude-code-first") != conversation("claude-code-title"));
  CHECK(conversation("codex-first") == conversation("codex-loop"));
  CHECK(conversation("codex-first") != conversation("codex-subagent"));
  CHECK(conversation("codex-subagent") != conversation("codex-guardian"));
  CHECK(conversation("opencode-first") == conversation("opencode-loop"));
  CHECK(conversation("opencode-first") != conversation("opencode-title"));
  CHECK(conversation("gemini-cli-first") == conversation("gemini-cli-loop"));
  CHECK(conversation("cline-first") == conversation("cline-loop"));
}

TEST_CASE("a declared step does not take the protection off safety checks", "[dialect][facts][harness]") {
  auto golden = read_json(TURNPIKE_SOURCE_DIR "/tests/golden/facts/responses-safety-check.json");
  REQUIRE(golden["headers"]["x-turnpike-step"] == "human_turn");
  CHECK(facts_from(golden).step == StepKind::permission_check);
  for (auto& item : golden["body"]["input"]) {
    item.erase("pending_safety_checks");
    if (item.contains("acknowledged_safety_checks")) item["acknowledged_safety_checks"] = Json::array();
  }
  CHECK(facts_from(golden).step == StepKind::human_turn);
}

TEST_CASE("recorded shapes of the real clients are read as the steps they were", "[dialect][facts][harness][recorded]") {
  const char* named = std::getenv("TURNPIKE_SHARED");
  const std::filesystem::path clients = std::filesystem::path{named != nullptr ? named : TURNPIKE_SOURCE_DIR "/../shared"} / "data/clients";
  if (!std::filesystem::is_directory(clients)) {
    WARN("SKIPPED: no recorded traffic (TURNPIKE_SHARED): shapes of the real clients");
    return;
  }
  std::map<std::string, int> seen;
  for (const auto& entry : std::filesystem::directory_iterator{clients}) {
    if (entry.path().extension() != ".json") continue;
    const auto recorded = read_json(entry.path());
    if (!recorded.contains("requests")) continue;
    std::set<std::string> conversations;
    for (const auto& request : recorded["requests"]) {
      if (!request.contains("messages") || request["messages"]["each"].empty()) continue;
      const auto golden = golden_from(request);
      INFO(entry.path().filename().string() << " " << golden["path"]);
      const auto facts = facts_from(golden);
      const std::string step{to_string(facts.step)};
      ++seen[step];
      const bool subagent = golden["headers"].contains("x-claude-code-agent-id");
      const bool side = request.value("role", Json{}) == "side";
      const bool tools = request.contains("tools") && request["tools"].value("count", 0) > 0;
      if (golden["path"].get<std::string>().ends_with("count_tokens")) {
        CHECK(step == "token_count");
        continue;
      }
      if (side && tools) continue;  // Codex's own models: its tools travel in the input
      if (side) {
        CHECK(step == "title_or_summary");
        continue;
      }
      CHECK(facts.in_tool_loop == ends_with_results(request));
      CHECK(step == (subagent ? "subagent" : ends_with_results(request) ? "tool_continuation" : "human_turn"));
      CHECK(facts.question.find("system-reminder") == std::string::npos);
      conversations.insert(facts.conversation + (subagent ? " subagent" : ""));
    }
    INFO(entry.path().filename().string());
    CHECK(conversations.size() <= 2);  // the agent's own, and its subagent's
  }
  CHECK(seen["human_turn"] > 10);
  CHECK(seen["tool_continuation"] > 30);
  CHECK(seen["subagent"] > 1);
  CHECK(seen["title_or_summary"] > 2);
  CHECK(seen["token_count"] > 10);
}

}  // namespace turnpike::dialect
