#include "app/doctor_speakers.hpp"

#include <utility>

namespace turnpike::app {
namespace {

using Json = nlohmann::ordered_json;

const Json city_schema = Json::parse(
    R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false})");
constexpr const char* tool_name = "get_weather";
constexpr const char* tool_description = "The weather in a city.";
constexpr int tokens_max = 4000;

/// The member, or null: answers of other people's servers may lack anything.
const Json& at(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}
std::string text_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string{};
}
std::int64_t number_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

/// The data of each event, parsed; anything else is left out.
std::vector<Json> events_of(const std::string& stream) {
  std::vector<Json> events;
  std::size_t begin = 0;
  while (begin < stream.size()) {
    std::size_t end = stream.find('\n', begin);
    if (end == std::string::npos) end = stream.size();
    std::string_view line{stream.data() + begin, end - begin};
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("data: ")) {
      auto event = Json::parse(line.substr(6), nullptr, false);
      if (!event.is_discarded()) events.push_back(std::move(event));
    }
    begin = end + 1;
  }
  return events;
}

Json arguments_of(const Json& value) {
  if (!value.is_string()) return value;
  return Json::parse(value.get<std::string>(), nullptr, false);
}

DoctorAnswer refused(int status, const Json& body, bool shaped) {
  DoctorAnswer answer;
  answer.status = status;
  if (shaped) answer.error = text_at(at(body, "error"), "message");
  return answer;
}

// ---- Chat Completions

class ChatSpeaker final : public DoctorSpeaker {
 public:
  std::string path(const DoctorQuestion&) const override { return "/v1/chat/completions"; }

  Json body(const DoctorQuestion& q) const override {
    Json messages = Json::array();
    if (!q.system.empty()) messages.push_back({{"role", "system"}, {"content", q.system}});
    messages.push_back({{"role", "user"}, {"content", q.text}});
    if (q.first != nullptr) {
      messages.push_back(q.first->turn);
      for (std::size_t i = 0; i < q.results.size(); ++i) {
        messages.push_back(
            {{"role", "tool"}, {"tool_call_id", q.first->calls[i].id}, {"content", q.results[i]}});
      }
    }
    Json body = {{"model", q.model},
                 {"messages", messages},
                 {"max_completion_tokens", q.wrong ? -1 : tokens_max}};
    if (q.tools) {
      body["tools"] = Json::array({{{"type", "function"},
                                    {"function",
                                     {{"name", tool_name},
                                      {"description", tool_description},
                                      {"parameters", city_schema}}}}});
    }
    if (q.schema) {
      body["response_format"] = {
          {"type", "json_schema"},
          {"json_schema", {{"name", "answer"}, {"strict", true}, {"schema", city_schema}}}};
    }
    if (q.effort) body["reasoning_effort"] = "high";
    if (q.stream) body["stream"] = true;
    return body;
  }

  DoctorAnswer read(int status, const std::string& text, bool stream) const override {
    DoctorAnswer answer;
    answer.status = status;
    if (stream && status == 200) {
      for (const Json& event : events_of(text)) {
        for (const Json& choice : at(event, "choices"))
          answer.text += text_at(at(choice, "delta"), "content");
      }
      answer.complete = text.find("data: [DONE]") != std::string::npos;
      return answer;
    }
    const Json body = Json::parse(text, nullptr, false);
    if (status != 200) return refused(status, body, at(at(body, "error"), "type").is_string());
    const Json& choice =
        at(body, "choices").is_array() && !body["choices"].empty() ? body["choices"][0] : Json();
    answer.turn = at(choice, "message");
    answer.text = text_at(answer.turn, "content");
    answer.reasoning = text_at(answer.turn, "reasoning_content");
    for (const Json& call : at(answer.turn, "tool_calls")) {
      const Json& function = at(call, "function");
      answer.calls.push_back({text_at(call, "id"), text_at(function, "name"),
                              arguments_of(at(function, "arguments"))});
    }
    const Json& usage = at(body, "usage");
    answer.cached_tokens = number_at(at(usage, "prompt_tokens_details"), "cached_tokens");
    answer.reasoning_counted =
        number_at(at(usage, "completion_tokens_details"), "reasoning_tokens") > 0;
    answer.complete = at(choice, "finish_reason").is_string();
    return answer;
  }
};

// ---- Messages

class MessagesSpeaker final : public DoctorSpeaker {
 public:
  std::string path(const DoctorQuestion&) const override { return "/v1/messages"; }

  Json body(const DoctorQuestion& q) const override {
    Json messages = Json::array({{{"role", "user"}, {"content", q.text}}});
    if (q.first != nullptr) {
      messages.push_back({{"role", "assistant"}, {"content", q.first->turn}});
      Json results = Json::array();
      for (std::size_t i = 0; i < q.results.size(); ++i) {
        results.push_back({{"type", "tool_result"},
                           {"tool_use_id", q.first->calls[i].id},
                           {"content", q.results[i]}});
      }
      messages.push_back({{"role", "user"}, {"content", results}});
    }
    Json body = {
        {"model", q.model}, {"messages", messages}, {"max_tokens", q.wrong ? -1 : tokens_max}};
    if (!q.system.empty()) {
      body["system"] = Json::array(
          {{{"type", "text"}, {"text", q.system}, {"cache_control", {{"type", "ephemeral"}}}}});
    }
    if (q.tools) {
      body["tools"] = Json::array({{{"name", tool_name},
                                    {"description", tool_description},
                                    {"input_schema", city_schema}}});
    }
    if (q.schema)
      body["output_config"]["format"] = {{"type", "json_schema"}, {"schema", city_schema}};
    if (q.effort) {
      body["thinking"] = {{"type", "adaptive"}};
      body["output_config"]["effort"] = "high";
    }
    if (q.stream) body["stream"] = true;
    return body;
  }

  DoctorAnswer read(int status, const std::string& text, bool stream) const override {
    DoctorAnswer answer;
    answer.status = status;
    if (stream && status == 200) {
      for (const Json& event : events_of(text)) {
        answer.text += text_at(at(event, "delta"), "text");
        answer.complete = answer.complete || text_at(event, "type") == "message_stop";
      }
      return answer;
    }
    const Json body = Json::parse(text, nullptr, false);
    if (status != 200) return refused(status, body, text_at(body, "type") == "error");
    answer.turn = at(body, "content");
    for (const Json& block : answer.turn) {
      const std::string type = text_at(block, "type");
      if (type == "text") answer.text += text_at(block, "text");
      if (type == "thinking") answer.reasoning += text_at(block, "thinking");
      if (type == "thinking" || type == "redacted_thinking") answer.reasoning_counted = true;
      if (type == "tool_use")
        answer.calls.push_back({text_at(block, "id"), text_at(block, "name"), at(block, "input")});
    }
    const Json& usage = at(body, "usage");
    answer.cached_tokens = number_at(usage, "cache_read_input_tokens");
    answer.complete = at(body, "stop_reason").is_string() && at(usage, "output_tokens").is_number();
    return answer;
  }
};

// ---- Responses

class ResponsesSpeaker final : public DoctorSpeaker {
 public:
  std::string path(const DoctorQuestion&) const override { return "/v1/responses"; }

  Json body(const DoctorQuestion& q) const override {
    Json input =
        Json::array({{{"type", "message"},
                      {"role", "user"},
                      {"content", Json::array({{{"type", "input_text"}, {"text", q.text}}})}}});
    if (q.first != nullptr) {
      for (const Json& item : q.first->turn) input.push_back(item);
      for (std::size_t i = 0; i < q.results.size(); ++i) {
        input.push_back({{"type", "function_call_output"},
                         {"call_id", q.first->calls[i].id},
                         {"output", q.results[i]}});
      }
    }
    Json body = {{"model", q.model},
                 {"input", input},
                 {"store", false},
                 {"max_output_tokens", q.wrong ? -1 : tokens_max}};
    if (!q.system.empty()) body["instructions"] = q.system;
    if (q.tools) {
      body["tools"] = Json::array({{{"type", "function"},
                                    {"name", tool_name},
                                    {"description", tool_description},
                                    {"parameters", city_schema}}});
    }
    if (q.schema)
      body["text"]["format"] = {
          {"type", "json_schema"}, {"name", "answer"}, {"strict", true}, {"schema", city_schema}};
    if (q.effort) {
      body["reasoning"] = {{"effort", "high"}, {"summary", "auto"}};
      body["include"] = Json::array({"reasoning.encrypted_content"});
    }
    if (q.stream) body["stream"] = true;
    return body;
  }

  DoctorAnswer read(int status, const std::string& text, bool stream) const override {
    DoctorAnswer answer;
    answer.status = status;
    if (stream && status == 200) {
      for (const Json& event : events_of(text)) {
        const std::string type = text_at(event, "type");
        if (type == "response.output_text.delta") answer.text += text_at(event, "delta");
        answer.complete = answer.complete || type == "response.completed";
      }
      return answer;
    }
    const Json body = Json::parse(text, nullptr, false);
    if (status != 200) return refused(status, body, at(at(body, "error"), "type").is_string());
    answer.turn = at(body, "output");
    for (const Json& item : answer.turn) {
      const std::string type = text_at(item, "type");
      if (type == "function_call") {
        answer.calls.push_back(
            {text_at(item, "call_id"), text_at(item, "name"), arguments_of(at(item, "arguments"))});
      }
      for (const Json& part : at(item, "content"))
        (type == "message" ? answer.text : answer.reasoning) += text_at(part, "text");
      for (const Json& part : at(item, "summary")) answer.reasoning += text_at(part, "text");
    }
    const Json& usage = at(body, "usage");
    answer.cached_tokens = number_at(at(usage, "input_tokens_details"), "cached_tokens");
    answer.reasoning_counted =
        number_at(at(usage, "output_tokens_details"), "reasoning_tokens") > 0;
    answer.complete = text_at(body, "status") == "completed";
    return answer;
  }
};

// ---- Gemini

class GeminiSpeaker final : public DoctorSpeaker {
 public:
  std::string path(const DoctorQuestion& q) const override {
    return "/v1beta/models/" + q.model +
           (q.stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
  }

  Json body(const DoctorQuestion& q) const override {
    Json contents = Json::array({{{"role", "user"}, {"parts", Json::array({{{"text", q.text}}})}}});
    if (q.first != nullptr) {
      contents.push_back(q.first->turn);
      Json parts = Json::array();
      for (std::size_t i = 0; i < q.results.size(); ++i) {
        Json response = {{"name", q.first->calls[i].name},
                         {"response", {{"output", q.results[i]}}}};
        if (!q.first->calls[i].id.empty()) response["id"] = q.first->calls[i].id;
        parts.push_back({{"functionResponse", response}});
      }
      contents.push_back({{"role", "user"}, {"parts", parts}});
    }
    Json body = {{"contents", contents},
                 {"generationConfig", {{"maxOutputTokens", q.wrong ? -1 : tokens_max}}}};
    if (!q.system.empty())
      body["systemInstruction"] = {{"parts", Json::array({{{"text", q.system}}})}};
    if (q.tools) {
      body["tools"] = Json::array(
          {{{"functionDeclarations", Json::array({{{"name", tool_name},
                                                   {"description", tool_description},
                                                   {"parametersJsonSchema", city_schema}}})}}});
    }
    if (q.schema) {
      body["generationConfig"]["responseMimeType"] = "application/json";
      body["generationConfig"]["responseJsonSchema"] = city_schema;
    }
    if (q.effort)
      body["generationConfig"]["thinkingConfig"] = {{"thinkingLevel", "HIGH"},
                                                    {"includeThoughts", true}};
    return body;
  }

  DoctorAnswer read(int status, const std::string& text, bool stream) const override {
    DoctorAnswer answer;
    answer.status = status;
    if (stream && status == 200) {
      for (const Json& event : events_of(text)) take(event, answer);
      return answer;
    }
    const Json body = Json::parse(text, nullptr, false);
    if (status != 200) return refused(status, body, at(at(body, "error"), "status").is_string());
    take(body, answer);
    return answer;
  }

 private:
  static void take(const Json& body, DoctorAnswer& answer) {
    const Json& candidate = at(body, "candidates").is_array() && !body["candidates"].empty()
                                ? body["candidates"][0]
                                : Json();
    answer.turn = at(candidate, "content");
    for (const Json& part : at(answer.turn, "parts")) {
      (at(part, "thought") == true ? answer.reasoning : answer.text) += text_at(part, "text");
      if (const Json& call = at(part, "functionCall"); call.is_object()) {
        answer.calls.push_back({text_at(call, "id"), text_at(call, "name"), at(call, "args")});
      }
    }
    const Json& usage = at(body, "usageMetadata");
    answer.cached_tokens = number_at(usage, "cachedContentTokenCount");
    answer.reasoning_counted = number_at(usage, "thoughtsTokenCount") > 0;
    answer.complete = answer.complete || at(candidate, "finishReason").is_string();
  }
};

}  // namespace

std::unique_ptr<DoctorSpeaker> make_doctor_speaker(Dialect dialect) {
  switch (dialect) {
    case Dialect::anthropic_messages:
      return std::make_unique<MessagesSpeaker>();
    case Dialect::openai_responses:
      return std::make_unique<ResponsesSpeaker>();
    case Dialect::gemini_generate:
      return std::make_unique<GeminiSpeaker>();
    case Dialect::openai_chat:
      break;
  }
  return std::make_unique<ChatSpeaker>();
}

}  // namespace turnpike::app
