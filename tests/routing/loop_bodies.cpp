#include "loop_bodies.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "classify/classifier.hpp"
#include "dialect/facts.hpp"
#include "wire/json_document.hpp"

namespace turnpike::routing_test {
namespace {

using Json = nlohmann::json;

std::string system_text(std::size_t bytes) {
  std::string text = "You are a coding agent in a terminal. Call one tool at a time.";
  for (int i = 0; text.size() < bytes; ++i)
    text += " Rule " + std::to_string(i) +
            ": prove nothing, design nothing, never deadlock; keep answers short.";
  return text;
}

struct Tool {
  std::string name;
  std::string description;
  Json schema;
};

std::vector<Tool> tools_of(const LoopOptions& options) {
  std::vector<Tool> tools;
  for (std::size_t i = 0; i < options.tools; ++i) {
    const std::string number = std::to_string(i);
    tools.push_back({"tool_" + number,
                     "Does the work of kind " + number + ", and no other.",
                     {{"type", "object"}, {"properties", {{"path", {{"type", "string"}}}}}}});
  }
  if (options.tools_reversed) std::ranges::reverse(tools);
  return tools;
}

/// What the four renderings share: walks the loop and numbers the calls.
class Rendering {
 public:
  Rendering(const Json& loop, const LoopOptions& options) : loop_(loop), options_(options) {}
  virtual ~Rendering() = default;
  Rendering(const Rendering&) = delete;
  Rendering& operator=(const Rendering&) = delete;

  std::string body() {
    begin();
    for (const auto& turn : loop_) {
      if (turn.contains("human")) {
        human(turn["human"]);
      } else if (turn.contains("said")) {
        said(turn["said"]);
      } else {
        call(options_.id_prefix + std::to_string(++calls_), turn);
      }
    }
    return body_.dump();
  }

 protected:
  virtual void begin() = 0;
  virtual void human(const Json& text) = 0;
  virtual void said(const Json& text) = 0;
  virtual void call(const std::string& id, const Json& turn) = 0;
  [[nodiscard]] const LoopOptions& options() const { return options_; }

  Json body_ = Json::object();

 private:
  const Json& loop_;
  const LoopOptions& options_;
  int calls_ = 0;
};

class Chat final : public Rendering {
  using Rendering::Rendering;
  void begin() override {
    body_ = {{"model", "auto"}, {"stream", options().stream}};
    body_["messages"] = {{{"role", "system"}, {"content", system_text(options().system_bytes)}}};
    for (const auto& tool : tools_of(options())) {
      body_["tools"].push_back({{"type", "function"},
                                {"function",
                                 {{"name", tool.name},
                                  {"description", tool.description},
                                  {"parameters", tool.schema}}}});
    }
    if (options().effort) body_["reasoning_effort"] = *options().effort;
    if (options().output_tokens_max) body_["max_tokens"] = *options().output_tokens_max;
  }
  void human(const Json& text) override {
    body_["messages"].push_back({{"role", "user"}, {"content", text}});
  }
  void said(const Json& text) override {
    body_["messages"].push_back({{"role", "assistant"}, {"content", text}});
  }
  void call(const std::string& id, const Json& turn) override {
    const Json function = {{"name", turn["call"]}, {"arguments", turn["input"].dump()}};
    body_["messages"].push_back(
        {{"role", "assistant"},
         {"content", nullptr},
         {"tool_calls",
          Json::array({{{"id", id}, {"type", "function"}, {"function", function}}})}});
    body_["messages"].push_back(
        {{"role", "tool"}, {"tool_call_id", id}, {"content", turn["result"]}});
  }
};

class Responses final : public Rendering {
  using Rendering::Rendering;
  void begin() override {
    body_ = {{"model", "auto"}, {"stream", options().stream}, {"store", false}};
    body_["instructions"] = system_text(options().system_bytes);
    body_["input"] = Json::array();
    for (const auto& tool : tools_of(options())) {
      body_["tools"].push_back({{"type", "function"},
                                {"name", tool.name},
                                {"description", tool.description},
                                {"parameters", tool.schema}});
    }
    if (options().effort) body_["reasoning"] = {{"effort", *options().effort}};
    if (options().output_tokens_max) body_["max_output_tokens"] = *options().output_tokens_max;
  }
  void message(const char* role, const char* type, const Json& text) {
    body_["input"].push_back({{"type", "message"},
                              {"role", role},
                              {"content", Json::array({{{"type", type}, {"text", text}}})}});
  }
  void human(const Json& text) override { message("user", "input_text", text); }
  void said(const Json& text) override { message("assistant", "output_text", text); }
  void call(const std::string& id, const Json& turn) override {
    body_["input"].push_back({{"type", "function_call"},
                              {"call_id", id},
                              {"name", turn["call"]},
                              {"arguments", turn["input"].dump()}});
    body_["input"].push_back(
        {{"type", "function_call_output"}, {"call_id", id}, {"output", turn["result"]}});
  }
};

class Messages final : public Rendering {
  using Rendering::Rendering;
  void begin() override {
    body_ = {{"model", "auto"},
             {"stream", options().stream},
             {"max_tokens", options().output_tokens_max.value_or(32000)}};
    body_["system"] =
        Json::array({{{"type", "text"}, {"text", system_text(options().system_bytes)}}});
    body_["messages"] = Json::array();
    for (const auto& tool : tools_of(options())) {
      body_["tools"].push_back(
          {{"name", tool.name}, {"description", tool.description}, {"input_schema", tool.schema}});
    }
    if (options().effort) body_["output_config"] = {{"effort", *options().effort}};
  }
  void add(const char* role, Json block) {
    body_["messages"].push_back({{"role", role}, {"content", Json::array({std::move(block)})}});
  }
  void human(const Json& text) override { add("user", {{"type", "text"}, {"text", text}}); }
  void said(const Json& text) override { add("assistant", {{"type", "text"}, {"text", text}}); }
  void call(const std::string& id, const Json& turn) override {
    add("assistant",
        {{"type", "tool_use"}, {"id", id}, {"name", turn["call"]}, {"input", turn["input"]}});
    add("user", {{"type", "tool_result"},
                 {"tool_use_id", id},
                 {"content", turn["result"]},
                 {"is_error", turn.value("failed", false)}});
  }
};

class Gemini final : public Rendering {
  using Rendering::Rendering;
  void begin() override {
    body_["systemInstruction"] = {
        {"parts", Json::array({{{"text", system_text(options().system_bytes)}}})}};
    body_["contents"] = Json::array();
    Json declarations = Json::array();
    for (const auto& tool : tools_of(options())) {
      declarations.push_back(
          {{"name", tool.name}, {"description", tool.description}, {"parameters", tool.schema}});
    }
    body_["tools"] = Json::array({{{"functionDeclarations", declarations}}});
    auto& config = body_["generationConfig"] = {{"temperature", 1}};
    if (options().effort) config["thinkingConfig"] = {{"thinkingLevel", *options().effort}};
    if (options().output_tokens_max) config["maxOutputTokens"] = *options().output_tokens_max;
  }
  void add(const char* role, Json part) {
    body_["contents"].push_back({{"role", role}, {"parts", Json::array({std::move(part)})}});
  }
  void human(const Json& text) override { add("user", {{"text", text}}); }
  void said(const Json& text) override { add("model", {{"text", text}}); }
  void call(const std::string&, const Json& turn) override {
    add("model", {{"functionCall", {{"name", turn["call"]}, {"args", turn["input"]}}}});
    const char* const key = turn.value("failed", false) ? "error" : "output";
    add("user",
        {{"functionResponse", {{"name", turn["call"]}, {"response", {{key, turn["result"]}}}}}});
  }
};

}  // namespace

LoopOptions options_of(const Json& members) {
  LoopOptions options;
  options.tools = members.value("tools", options.tools);
  options.tools_reversed = members.value("tools_reversed", options.tools_reversed);
  options.system_bytes = members.value("system_bytes", options.system_bytes);
  options.stream = members.value("stream", options.stream);
  options.id_prefix = members.value("id_prefix", options.id_prefix);
  if (members.contains("effort")) options.effort = members["effort"].get<std::string>();
  if (members.contains("output_tokens_max"))
    options.output_tokens_max = members["output_tokens_max"].get<int>();
  return options;
}

std::string render(Dialect dialect, const Json& loop, const LoopOptions& options) {
  switch (dialect) {
    case Dialect::openai_chat:
      return Chat{loop, options}.body();
    case Dialect::openai_responses:
      return Responses{loop, options}.body();
    case Dialect::anthropic_messages:
      return Messages{loop, options}.body();
    case Dialect::gemini_generate:
      return Gemini{loop, options}.body();
  }
  return {};
}

RequestFacts facts_of(Dialect dialect, std::string body) {
  body.reserve(body.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(body);
  if (!document) FAIL(document.error().message);
  auto facts = dialect::read_facts(dialect, *document, RequestHead{});
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

float score_of(Dialect dialect, std::string body) {
  return classify::Classifier::built_in().classify(facts_of(dialect, std::move(body))).score;
}

}  // namespace turnpike::routing_test
