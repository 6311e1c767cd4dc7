// Responses bodies, candidates and recordings for the tests of the client's request side.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "request_support.hpp"

namespace turnpike::dialect::test {

/// The API as its inventor runs it.
inline Candidate openai_responses() {
  Candidate candidate;
  candidate.provider = "openai";
  candidate.model = "gpt-upstream";
  candidate.family = "gpt-6";
  candidate.dialect = Dialect::openai_responses;
  candidate.output_tokens_max = 128'000;
  candidate.thinking = ThinkingStyle::openai_effort;
  return candidate;
}

inline Candidate deepseek_responses() {
  auto candidate = deepseek();
  candidate.dialect = Dialect::openai_responses;
  candidate.quirks.json_schema_native = true;
  return candidate;
}

inline Result<Outgoing> translate_responses(std::string body, const Candidate& candidate,
                                            const TranslateOptions& options = {}) {
  body.reserve(body.size() + 64);
  const auto view = read_view(Dialect::openai_responses, body);
  if (!view) return std::unexpected{view.error()};
  return translate(Dialect::openai_responses, body, *view, candidate, options);
}

inline OrderedJson body_of(const std::string& body, const Candidate& candidate,
                           const TranslateOptions& options = {}) {
  const auto outgoing = translate_responses(body, candidate, options);
  if (!outgoing)
    return OrderedJson{{"failed", outgoing.error().message + " @" + outgoing.error().param}};
  return OrderedJson::parse(outgoing->body);
}

/// A body with this input; `members` come first and end with a comma.
inline std::string with_input(const std::string& input, const std::string& members = "") {
  return R"({"model":"auto",)" + members + R"("input":)" + input + "}";
}

inline std::string shared_folder() {
  const char* shared = std::getenv("TURNPIKE_SHARED");
  return shared != nullptr ? std::string{shared} : std::string{TURNPIKE_SOURCE_DIR} + "/../shared";
}

struct Recorded {
  std::string name;
  std::string body;
};

/// Empty where there are no recordings or no python3-yaml.
inline std::vector<Recorded> recorded_responses() {
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    const auto command = python + " '" + TURNPIKE_SOURCE_DIR +
                         "/tests/dialect/recorded_responses.py' '" + shared_folder() +
                         "/data/wire' 2>/dev/null";
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) continue;
    std::string text;
    std::array<char, 65536> buffer{};
    for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      text.append(buffer.data(), count);
    if (pclose(pipe) != 0) continue;
    std::vector<Recorded> requests;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      const auto line = OrderedJson::parse(text.substr(at, end - at));
      requests.push_back({line["case"].get<std::string>(), line["body"].dump()});
      at = end + 1;
    }
    if (!requests.empty()) return requests;
  }
  return {};
}

inline void skipped(const std::string& what) {
  std::cerr << "SKIPPED: no recorded traffic (TURNPIKE_SHARED) or no python3-yaml: " << what
            << "\n";
}

// ---- bodies in the shapes of recorded clients (data/clients): their fields, sizes and names,
// filler for texts ----

inline OrderedJson shaped_function(const std::string& name) {
  if (name == "exec")
    return {{"type", "custom"},
            {"name", name},
            {"description", "Runs JavaScript."},
            {"format", {{"type", "grammar"}, {"syntax", "lark"}, {"definition", "start: /.+/"}}}};
  return {{"type", "function"},
          {"name", name},
          {"description", "Does " + name},
          {"strict", false},
          {"parameters",
           {{"type", "object"},
            {"properties", {{"input", {{"type", "string"}, {"encrypted", true}}}}},
            {"required", {"input"}},
            {"additionalProperties", false}}}};
}

/// "exec_command", "web_search" or "clock{sleep,wake}"
inline OrderedJson shaped_tool(const std::string& name) {
  if (name == "web_search") return {{"type", "web_search"}, {"external_web_access", false}};
  const auto brace = name.find('{');
  if (brace == std::string::npos) return shaped_function(name);
  OrderedJson nested = OrderedJson::array();
  std::string inner = name.substr(brace + 1, name.size() - brace - 2) + ",";
  for (std::size_t at = 0; at < inner.size();) {
    const auto end = inner.find(',', at);
    nested.push_back(shaped_function(inner.substr(at, end - at)));
    at = end + 1;
  }
  return {{"type", "namespace"},
          {"name", name.substr(0, brace)},
          {"description", "Tools of one kind."},
          {"tools", std::move(nested)}};
}

inline OrderedJson shaped_tools(const OrderedJson& shape) {
  OrderedJson tools = OrderedJson::array();
  for (const auto& name : shape["names"]) tools.push_back(shaped_tool(name.get<std::string>()));
  return tools;
}

inline OrderedJson shaped_content(const OrderedJson& content, const std::string& filler) {
  if (content.contains("text_string")) return filler;
  OrderedJson parts = OrderedJson::array();
  for (const auto& [type, part] : content.items()) {
    for (int i = 0; i < part["n"].get<int>(); ++i) {
      OrderedJson made = {{"type", type}, {"text", filler + std::to_string(i)}};
      for (const auto& field : part["fields"]) {
        const auto name = field.get<std::string>();
        if (name == "annotations" || name == "logprobs") made[name] = OrderedJson::array();
      }
      parts.push_back(std::move(made));
    }
  }
  return parts;
}

inline OrderedJson shaped_item(const OrderedJson& shape, std::size_t index, std::size_t& calls) {
  OrderedJson item;
  const auto type = text_at(shape, "type");
  for (const auto& field : shape["fields"]) {
    const auto name = field.get<std::string>();
    auto& value = item[name];
    if (name == "type")
      value = type;
    else if (name == "role")
      value = text_at(shape, "role");
    else if (name == "id")
      value = fmt::format("item_{}", index);
    else if (name == "status")
      value = "completed";
    else if (name == "content" && type != "reasoning")
      value = shaped_content(shape["content"], fmt::format("Text {} ", index));
    else if (name == "tools")
      value = shaped_tools(shape["tools"]);
    else if (name == "call_id")
      value = fmt::format("call_{}", type == "function_call" ? ++calls : calls);
    else if (name == "name")
      value = "exec_command";
    else if (name == "arguments")
      value = R"({"cmd":"ls"})";
    else if (name == "output")
      value = "Exit code: 0\nOutput:\nREADME.md";
    else if (name == "summary" || name == "content")
      value = OrderedJson::array();
    else if (name == "encrypted_content")
      value = "gAAAAABq";
  }
  return item;
}

/// The bodies of all requests of one recorded scenario; empty without the file.
inline std::vector<std::string> shaped_bodies(const std::string& scenario) {
  std::ifstream file{shared_folder() + "/data/clients/" + scenario + ".json"};
  if (!file) return {};
  std::vector<std::string> bodies;
  for (const auto& request : OrderedJson::parse(file)["requests"]) {
    OrderedJson body;
    for (const auto& [name, value] : request["fields"].items()) {
      if (name == "input") {
        auto& items = body[name] = OrderedJson::array();
        std::size_t calls = 0;
        for (const auto& shape : request["messages"]["each"])
          items.push_back(shaped_item(shape, items.size(), calls));
      } else if (name == "tools") {
        body[name] = shaped_tools(request["tools"]);
      } else if (value == "object") {
        body[name] = OrderedJson::object();
      } else {
        body[name] = value == "number" ? OrderedJson(32000) : value;
      }
    }
    bodies.push_back(body.dump());
  }
  return bodies;
}

}  // namespace turnpike::dialect::test
