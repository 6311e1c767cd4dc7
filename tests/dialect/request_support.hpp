// Candidates, a one-call translation and a strict reading of what the providers accept: an
// independent second opinion on every translated body, written from the providers' rules and not
// from the emitters.
#pragma once

#include <optional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "dialect/request_rules.hpp"
#include "dialect/translate.hpp"

namespace turnpike::dialect::test {

using OrderedJson = nlohmann::ordered_json;

inline Candidate claude(ThinkingStyle style = ThinkingStyle::claude_adaptive) {
  Candidate candidate;
  candidate.provider = "anthropic";
  candidate.model = "claude-sonnet-4-6";
  candidate.family = "claude-4.6";
  candidate.dialect = Dialect::anthropic_messages;
  candidate.context_tokens = 1'000'000;
  candidate.output_tokens_max = 64'000;
  candidate.thinking = style;
  candidate.efforts = {"low", "medium", "high", "max"};
  candidate.thinking_budget_min = 1024;
  if (style == ThinkingStyle::claude_always) {
    candidate.model = "claude-opus-5-5";
    candidate.family = "claude-5.5";
    candidate.quirks.sampling_rejected = true;
    candidate.quirks.forced_tool_rejected = true;
    candidate.quirks.prefill_rejected = true;
    candidate.quirks.mid_system_accepted = true;
  }
  if (style == ThinkingStyle::claude_budget) {
    candidate.model = "claude-haiku-4-5";
    candidate.family = "claude-4.5";
    candidate.quirks.one_sampling_param = true;
  }
  return candidate;
}

inline Candidate gemini(ThinkingStyle style = ThinkingStyle::gemini_level) {
  Candidate candidate;
  candidate.provider = "gemini";
  candidate.model = "gemini-3.1-pro-preview";
  candidate.family = "gemini-3";
  candidate.dialect = Dialect::gemini_generate;
  candidate.output_tokens_max = 65'536;
  candidate.thinking = style;
  candidate.efforts = {"low", "medium", "high"};
  candidate.quirks.signatures_required = true;
  if (style == ThinkingStyle::gemini_budget) {
    candidate.model = "gemini-2.5-pro";
    candidate.family = "gemini-2.5";
    candidate.efforts.clear();
    candidate.thinking_budget_min = 128;
    candidate.thinking_budget_max = 32'768;
    candidate.quirks.signatures_required = false;
  }
  return candidate;
}

inline Candidate deepseek() {
  Candidate candidate;
  candidate.provider = "deepseek";
  candidate.model = "deepseek-flash";
  candidate.family = "deepseek-v4";
  candidate.dialect = Dialect::openai_chat;
  candidate.output_tokens_max = 384'000;
  candidate.thinking = ThinkingStyle::deepseek_effort;
  candidate.efforts = {"low", "high", "max"};
  candidate.quirks.reasoning_history = true;
  candidate.quirks.json_schema_native = false;
  return candidate;
}

inline Result<Outgoing> try_translate(std::string body, const Candidate& candidate,
                                      const TranslateOptions& options = {}) {
  const auto view = read_view(Dialect::openai_chat, body);
  if (!view) return std::unexpected{view.error()};
  return translate(Dialect::openai_chat, body, *view, candidate, options);
}

/// The rules that `body` breaks; empty if a provider would take it.
class Faults {
 public:
  void check(bool holds, std::string what) {
    if (!holds) found_.push_back(std::move(what));
  }
  [[nodiscard]] std::string text() const {
    std::string joined;
    for (const auto& fault : found_) joined += fault + "; ";
    return joined;
  }

 private:
  std::vector<std::string> found_;
};

inline bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}
inline std::string text_at(const OrderedJson& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>()
                                                         : std::string{};
}

inline std::size_t count_marks(const OrderedJson& json) {
  std::size_t marks = 0;
  if (json.is_object()) marks += json.contains("cache_control") ? 1 : 0;
  if (json.is_structured()) {
    for (const auto& child : json) marks += count_marks(child);
  }
  return marks;
}

inline void check_claude_turn(const OrderedJson& content, bool assistant,
                              std::set<std::string>& ids, Faults& faults) {
  static const std::regex id_form{"^[a-zA-Z0-9_-]+$"};
  static const std::regex name_form{"^[a-zA-Z0-9_-]{1,128}$"};
  for (const auto& block : content) {
    const auto type = text_at(block, "type");
    if (type == "text") faults.check(!is_blank(text_at(block, "text")), "empty text block");
    if (type == "thinking")
      faults.check(!text_at(block, "signature").empty(), "thinking without signature");
    if (type == "thinking" || type == "redacted_thinking") {
      faults.check(assistant, "thinking outside the assistant's turn");
      faults.check(!block.contains("cache_control"), "marked thinking");
    }
    if (type == "image" || type == "document") {
      faults.check(!assistant, "media in the assistant's turn");
      faults.check(block["source"]["type"] == "url" || !text_at(block["source"], "data").empty(),
                   "media without data");
    }
    if (type == "tool_use") {
      faults.check(assistant, "call outside the assistant's turn");
      faults.check(std::regex_match(text_at(block, "id"), id_form), "id of a call");
      faults.check(ids.insert(text_at(block, "id")).second, "id used twice");
      faults.check(std::regex_match(text_at(block, "name"), name_form), "name of a call");
      faults.check(block["input"].is_object(), "input is no object");
    }
  }
}

inline std::vector<std::string> ids_of(const OrderedJson& content, const char* type,
                                       const char* key) {
  std::vector<std::string> ids;
  for (const auto& block : content) {
    if (text_at(block, "type") == type) ids.push_back(text_at(block, key));
  }
  return ids;
}

inline void check_claude_results(const OrderedJson& messages, Faults& faults) {
  std::vector<std::string> open;
  for (const auto& message : messages) {
    const auto& content = message["content"];
    const auto results = ids_of(content, "tool_result", "tool_use_id");
    faults.check(results == open, "the results are not exactly those of the calls before");
    bool past_results = false;
    for (const auto& block : content) {
      const bool result = text_at(block, "type") == "tool_result";
      faults.check(!(result && past_results), "a result after other blocks");
      past_results |= !result;
    }
    open = ids_of(content, "tool_use", "id");
  }
  faults.check(open.empty(), "the last calls have no results");
}

/// wire-formats specification, "Structural 400s to prevent" and the request's field rules.
inline std::string claude_faults(const OrderedJson& body, const Candidate& candidate) {
  Faults faults;
  const auto max_tokens = body.value("max_tokens", std::int64_t{0});
  faults.check(max_tokens >= 1 && max_tokens <= candidate.output_tokens_max, "max_tokens");
  faults.check(!body["messages"].empty(), "no messages");
  std::string before;
  std::set<std::string> ids;
  for (const auto& message : body["messages"]) {
    const auto role = text_at(message, "role");
    faults.check(!before.empty() || role == "user", "does not begin with the user");
    faults.check(role != before, "two turns of one role");
    faults.check(role != "system" || candidate.quirks.mid_system_accepted,
                 "system inside messages");
    faults.check(message["content"].is_array() && !message["content"].empty(), "empty turn");
    check_claude_turn(message["content"], role == "assistant", ids, faults);
    before = role;
  }
  faults.check(before != "assistant" || !candidate.quirks.prefill_rejected, "prefill");
  check_claude_results(body["messages"], faults);
  for (const auto& block : body.value("system", OrderedJson::array())) {
    faults.check(!is_blank(text_at(block, "text")), "empty system block");
  }
  faults.check(count_marks(body) <= 4, "more than four cache marks");
  faults.check(!body.contains("tools") || !body["tools"].empty(), "tools is empty");
  faults.check(!body.contains("tool_choice") || body.contains("tools"),
               "tool_choice without tools");
  for (const auto& tool : body.value("tools", OrderedJson::array())) {
    faults.check(text_at(tool["input_schema"], "type") == "object", "input_schema");
  }
  const auto thinking = body.value("thinking", OrderedJson::object());
  const auto thinking_type = text_at(thinking, "type");
  if (thinking_type == "enabled") {
    const auto budget = thinking.value("budget_tokens", std::int64_t{0});
    faults.check(budget >= 1024 && budget < max_tokens, "budget");
    faults.check(candidate.thinking == ThinkingStyle::claude_budget,
                 "budget for a model without budgets");
  }
  faults.check(thinking_type.empty() || thinking_type == "adaptive" ||
                   candidate.thinking != ThinkingStyle::claude_always,
               "thinking is always on");
  const auto choice = body.contains("tool_choice") ? text_at(body["tool_choice"], "type") : "";
  const bool forced = choice == "any" || choice == "tool";
  faults.check(!forced || (!candidate.quirks.forced_tool_rejected && thinking_type != "enabled" &&
                           thinking_type != "adaptive"),
               "forced tool");
  const bool sampled =
      body.contains("temperature") || body.contains("top_p") || body.contains("top_k");
  faults.check(!sampled || !candidate.quirks.sampling_rejected, "sampling");
  faults.check(body.value("temperature", 0.0) <= 1, "temperature");
  for (const auto& word : body.value("stop_sequences", OrderedJson::array())) {
    faults.check(!is_blank(word.get<std::string>()), "blank stop");
  }
  return faults.text();
}

inline void check_gemini_schema(const OrderedJson& schema, Faults& faults) {
  static const std::set<std::string> known = {"$id",
                                              "$defs",
                                              "$ref",
                                              "$anchor",
                                              "type",
                                              "format",
                                              "title",
                                              "description",
                                              "enum",
                                              "items",
                                              "prefixItems",
                                              "minItems",
                                              "maxItems",
                                              "minimum",
                                              "maximum",
                                              "anyOf",
                                              "oneOf",
                                              "properties",
                                              "additionalProperties",
                                              "required",
                                              "propertyOrdering"};
  faults.check(schema.is_object(), "schema is no object");
  if (!schema.is_object()) return;
  for (const auto& [key, value] : schema.items()) {
    faults.check(known.contains(key), "schema keyword " + key);
    if (key == "type") faults.check(value.is_string(), "type is a list");
    if (key == "items" || (key == "additionalProperties" && !value.is_boolean()))
      check_gemini_schema(value, faults);
    if (key == "properties" || key == "$defs" || key == "anyOf" || key == "oneOf" ||
        key == "prefixItems") {
      for (const auto& child : value) check_gemini_schema(child, faults);
    }
  }
}

inline void check_gemini_parts(const OrderedJson& entry, Faults& faults) {
  static const std::regex name_form{"^[a-zA-Z_][a-zA-Z0-9_-]{0,127}$"};
  std::size_t responses = 0;
  for (const auto& part : entry["parts"]) {
    std::size_t data = 0;
    for (const auto* field :
         {"text", "inlineData", "fileData", "functionCall", "functionResponse"}) {
      data += part.contains(field) ? 1 : 0;
    }
    faults.check(data == 1, "a part must have one kind of data");
    if (part.contains("functionCall")) {
      faults.check(entry["role"] == "model", "call outside the model's entry");
      faults.check(part["functionCall"]["args"].is_object(), "args");
      faults.check(std::regex_match(text_at(part["functionCall"], "name"), name_form), "name");
    }
    if (part.contains("functionResponse")) {
      ++responses;
      faults.check(part["functionResponse"]["response"].is_object(), "response");
    }
  }
  faults.check(responses == 0 || responses == entry["parts"].size(), "responses must stand alone");
}

inline std::vector<std::pair<std::string, std::string>> gemini_calls(const OrderedJson& entry,
                                                                     const char* kind) {
  std::vector<std::pair<std::string, std::string>> calls;
  for (const auto& part : entry["parts"]) {
    if (part.contains(kind))
      calls.emplace_back(text_at(part[kind], "id"), text_at(part[kind], "name"));
  }
  return calls;
}

inline std::string gemini_faults(const OrderedJson& body, const Candidate& candidate) {
  Faults faults;
  const auto& contents = body["contents"];
  faults.check(!contents.empty() && contents.front()["role"] == "user",
               "does not begin with the user");
  std::vector<std::pair<std::string, std::string>> open;
  for (const auto& entry : contents) {
    faults.check(entry["role"] == "user" || entry["role"] == "model", "role");
    faults.check(!entry["parts"].empty(), "empty entry");
    check_gemini_parts(entry, faults);
    faults.check(gemini_calls(entry, "functionResponse") == open,
                 "responses are not those of the calls");
    open = gemini_calls(entry, "functionCall");
    if (candidate.quirks.strips_call_ids) {
      for (const auto& call : open) faults.check(call.first.empty(), "id");
    }
  }
  faults.check(open.empty(), "the last calls have no responses");
  faults.check(contents.back()["role"] == "user", "does not end with the user");
  for (const auto& tools : body.value("tools", OrderedJson::array())) {
    for (const auto& declaration : tools["functionDeclarations"]) {
      if (declaration.contains("parametersJsonSchema")) {
        check_gemini_schema(declaration["parametersJsonSchema"], faults);
      }
    }
  }
  const auto config = body.value("generationConfig", OrderedJson::object());
  if (config.contains("responseJsonSchema"))
    check_gemini_schema(config["responseJsonSchema"], faults);
  faults.check(config.value("stopSequences", OrderedJson::array()).size() <= 5, "stop");
  faults.check(config.value("maxOutputTokens", std::int64_t{1}) <= candidate.output_tokens_max,
               "maxOutputTokens");
  faults.check(!body.contains("toolConfig") || body.contains("tools"), "toolConfig without tools");
  return faults.text();
}

inline std::string deepseek_faults(const OrderedJson& body) {
  Faults faults;
  for (const auto& message : body["messages"]) {
    faults.check(message["role"] != "developer", "role developer");
    const bool calls = message.contains("tool_calls") && !message["tool_calls"].is_null() &&
                       !message["tool_calls"].empty();
    faults.check(!calls || (message.contains("reasoning_content") &&
                            message["reasoning_content"].is_string()),
                 "reasoning_content is missing");
  }
  const bool stream = body.value("stream", OrderedJson{false}) == true;
  faults.check(!stream || body["stream_options"]["include_usage"] == true,
               "usage is not asked for");
  faults.check(body["model"] == "deepseek-flash", "model");
  return faults.text();
}

inline std::string faults_of(const Outgoing& outgoing, const Candidate& candidate) {
  const auto body = OrderedJson::parse(outgoing.body);
  switch (candidate.dialect) {
    case Dialect::anthropic_messages:
      return claude_faults(body, candidate);
    case Dialect::gemini_generate:
      return gemini_faults(body, candidate);
    default:
      return deepseek_faults(body);
  }
}

}  // namespace turnpike::dialect::test
