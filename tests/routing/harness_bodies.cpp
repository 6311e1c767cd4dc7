#include "harness_bodies.hpp"

#include <nlohmann/json.hpp>

namespace turnpike::routing_test {
namespace {

using Json = nlohmann::json;

/// Boilerplate with words that would count heavily, were they the question's.
std::string prose(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += "Rule " + std::to_string(i) +
            ": diagnose before you redesign; prove nothing twice; list, rename and show only what "
            "was asked. "
            "Never leave a deadlock or a race in concurrent code?\n";
  }
  return text;
}

Json text_block(const char* type, const std::string& text) {
  return {{"type", type}, {"text", text}};
}

Json schema() {
  return {{"type", "object"},
          {"properties", {{"command", {{"type", "string"}, {"description", prose(300)}}}}},
          {"required", Json::array({"command"})}};
}

std::string claude_code(const std::string& question) {
  Json body = {{"model", "claude-sonnet-4-5"}, {"max_tokens", 32000}, {"stream", true}};
  body["metadata"] = {{"user_id", "{\"device_id\":\"d\",\"session_id\":\"s\"}"}};
  body["system"] = Json::array(
      {text_block("text", "x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli;"),
       text_block("text", "You are a command-line agent."), text_block("text", prose(28000))});
  for (int i = 0; i < 13; ++i)
    body["tools"].push_back({{"name", "Tool" + std::to_string(i)},
                             {"description", prose(1500)},
                             {"input_schema", schema()}});
  Json content = Json::array();
  content.push_back(text_block("text", "<system-reminder>\nThese skills are at hand:\n" +
                                           prose(6000) + "</system-reminder>"));
  content.push_back(text_block(
      "text", "<system-reminder>\nAs you answer, this may help:\n# claudeMd\n" + prose(4000) +
                  "# currentDate\nToday is 2026-11-23.\n</system-reminder>\n"));
  content.push_back(text_block("text", question));
  body["messages"] = Json::array({{{"role", "user"}, {"content", content}}});
  return body.dump();
}

std::string codex(const std::string& question) {
  Json body = {{"model", "gpt-6.1"},
               {"stream", true},
               {"store", false},
               {"tool_choice", "auto"},
               {"parallel_tool_calls", false},
               {"include", Json::array({"reasoning.encrypted_content"})},
               {"prompt_cache_key", "0198-key"}};
  body["instructions"] = prose(14000);
  for (int i = 0; i < 9; ++i)
    body["tools"].push_back({{"type", "function"},
                             {"name", "tool_" + std::to_string(i)},
                             {"strict", false},
                             {"description", prose(900)},
                             {"parameters", schema()}});
  const auto message = [](const char* role, const std::string& text) {
    return Json{{"type", "message"},
                {"role", role},
                {"content", Json::array({text_block("input_text", text)})}};
  };
  body["input"] =
      Json::array({message("developer", "<permissions instructions>\n" + prose(3000) +
                                            "</permissions instructions>"),
                   message("user", "# AGENTS.md instructions for /home/dev/shop\n\n<INSTRUCTIONS>\n" +
                                       prose(2000) + "</INSTRUCTIONS>"),
                   message("user",
                           "<environment_context>\n  <cwd>/home/dev/shop</cwd>\n  <shell>bash</shell>\n"
                           "  <current_date>2026-11-23</current_date>\n</environment_context>"),
                   message("user", question)});
  return body.dump();
}

Json chat_body(std::size_t system_bytes, int tools) {
  Json body = {
      {"model", "deepseek-chat"}, {"stream", true}, {"stream_options", {{"include_usage", true}}}};
  body["messages"] = Json::array({{{"role", "system"}, {"content", prose(system_bytes)}}});
  for (int i = 0; i < tools; ++i) {
    body["tools"].push_back({{"type", "function"},
                             {"function",
                              {{"name", "tool_" + std::to_string(i)},
                               {"description", prose(800)},
                               {"parameters", schema()}}}});
  }
  return body;
}

std::string opencode(const std::string& question) {
  Json body = chat_body(9500, 10);
  body["max_tokens"] = 32000;
  body["tool_choice"] = "auto";
  body["messages"].push_back({{"role", "user"}, {"content", question}});
  return body.dump();
}

std::string gemini_cli(const std::string& question) {
  Json body;
  body["systemInstruction"] = {{"role", "user"},
                               {"parts", Json::array({{{"text", prose(30000)}}})}};
  Json declarations = Json::array();
  for (int i = 0; i < 15; ++i) {
    declarations.push_back({{"name", "tool_" + std::to_string(i)},
                            {"description", prose(900)},
                            {"parametersJsonSchema", schema()}});
  }
  body["tools"] = Json::array({{{"functionDeclarations", declarations}}});
  body["generationConfig"] = {{"temperature", 1}, {"topP", 0.95}, {"topK", 64}};
  const std::string context =
      "<session_context>\nThis is the Gemini CLI.\nToday's date is Monday.\nMy operating system "
      "is: "
      "linux\nThe folder holds:\n" +
      prose(400) + "</session_context>";
  body["contents"] = Json::array(
      {{{"role", "user"}, {"parts", Json::array({{{"text", context}}, {{"text", question}}})}}});
  return body.dump();
}

std::string qwen_code(const std::string& question) {
  Json body = chat_body(27000, 14);
  body["max_tokens"] = 8192;
  const std::string context =
      "<system-reminder>\nThis is the Qwen Code. Context of the session:\n" + prose(8000) +
      "</system-reminder>\n<system-reminder>\nSkills:\n" + prose(1000) + "</system-reminder>\n";
  body["messages"].push_back({{"role", "user"}, {"content", context + question}});
  return body.dump();
}

std::string cline(const std::string& question) {
  Json body = chat_body(4300, 25);
  body["tool_choice"] = "auto";
  body["messages"].push_back(
      {{"role", "user"}, {"content", "<user_input mode=\"act\">" + question + "</user_input>"}});
  return body.dump();
}

}  // namespace

std::string_view name_of(Harness harness) {
  constexpr std::array<std::string_view, all_harnesses.size()> names{
      "Claude Code", "Codex", "OpenCode", "Gemini CLI", "Qwen Code", "Cline"};
  return names[static_cast<std::size_t>(harness)];
}

Dialect dialect_of(Harness harness) {
  switch (harness) {
    case Harness::claude_code:
      return Dialect::anthropic_messages;
    case Harness::codex:
      return Dialect::openai_responses;
    case Harness::gemini_cli:
      return Dialect::gemini_generate;
    case Harness::opencode:
    case Harness::qwen_code:
    case Harness::cline:
      return Dialect::openai_chat;
  }
  return Dialect::openai_chat;
}

std::string first_turn(Harness harness, const std::string& question) {
  switch (harness) {
    case Harness::claude_code:
      return claude_code(question);
    case Harness::codex:
      return codex(question);
    case Harness::opencode:
      return opencode(question);
    case Harness::gemini_cli:
      return gemini_cli(question);
    case Harness::qwen_code:
      return qwen_code(question);
    case Harness::cline:
      return cline(question);
  }
  return {};
}

}  // namespace turnpike::routing_test
