// A second, naive way to read answers, for comparing with: whole bodies in memory, one JSON
// library, no state machine.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::dialect::test {

using Json = nlohmann::ordered_json;

struct ReadCall {
  std::string id;
  std::string name;
  std::string arguments;
};

struct Reading {
  std::string text;
  std::string reasoning;
  std::string refusal;
  std::vector<ReadCall> calls;
  std::string finish;       // in the words of the Chat dialect
  std::int64_t input = -1;  // all prompt tokens; -1 if no usage was told
  std::int64_t cached = 0;
  std::int64_t output = -1;
  std::int64_t reasoning_tokens = 0;
  bool error = false;
  bool terminated = false;
};

/// The events' data of an SSE text whose lines end with LF or CRLF.
inline std::vector<std::string> sse_data(std::string_view stream) {
  std::vector<std::string> found;
  std::string data;
  bool any = false;
  while (!stream.empty()) {
    const std::size_t end = std::min(stream.find('\n'), stream.size());
    std::string_view line = stream.substr(0, end);
    stream.remove_prefix(std::min(end + 1, stream.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      if (any) found.push_back(data);
      data.clear();
      any = false;
    } else if (line.starts_with("data:")) {
      if (any) data += '\n';
      line.remove_prefix(line.starts_with("data: ") ? 6 : 5);
      data += line;
      any = true;
    }
  }
  if (any) found.push_back(data);
  return found;
}

inline std::string text_at(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object.at(key).is_string()) return {};
  return object.at(key).get<std::string>();
}

inline std::int64_t count_at(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object.at(key).is_number()) return 0;
  return object.at(key).get<std::int64_t>();
}

inline Json at_or_null(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object.at(key) : Json{};
}

/// Chat: the first choice of a body or of every chunk.
inline void read_chat_document(const Json& document, Reading& reading) {
  if (!at_or_null(document, "error").is_null()) reading.error = true;
  const Json usage = at_or_null(document, "usage");
  if (usage.is_object()) {
    reading.input = count_at(usage, "prompt_tokens");
    reading.output = count_at(usage, "completion_tokens");
    reading.cached = count_at(at_or_null(usage, "prompt_tokens_details"), "cached_tokens");
    reading.reasoning_tokens =
        count_at(at_or_null(usage, "completion_tokens_details"), "reasoning_tokens");
  }
  for (const Json& choice : at_or_null(document, "choices")) {
    if (count_at(choice, "index") != 0) continue;
    const Json delta = at_or_null(choice, choice.contains("message") ? "message" : "delta");
    reading.text += text_at(delta, "content");
    reading.refusal += text_at(delta, "refusal");
    const std::string reasoning = text_at(delta, "reasoning_content");
    reading.reasoning += reasoning.empty() ? text_at(delta, "reasoning") : reasoning;
    for (const Json& call : at_or_null(delta, "tool_calls")) {
      const Json function = at_or_null(call, "function");
      const std::string id = text_at(call, "id");
      if (!text_at(function, "name").empty())
        reading.calls.push_back({id, text_at(function, "name"), {}});
      if (!reading.calls.empty()) reading.calls.back().arguments += text_at(function, "arguments");
    }
    if (!text_at(choice, "finish_reason").empty())
      reading.finish = text_at(choice, "finish_reason");
  }
}

inline Reading read_chat_stream(std::string_view stream) {
  Reading reading;
  for (const std::string& data : sse_data(stream)) {
    if (data == "[DONE]") {
      reading.terminated = true;
    } else {
      read_chat_document(Json::parse(data), reading);
    }
  }
  return reading;
}

inline std::string chat_word_for_claude(const std::string& reason) {
  static const std::map<std::string, std::string> words = {
      {"end_turn", "stop"},       {"stop_sequence", "stop"},     {"max_tokens", "length"},
      {"tool_use", "tool_calls"}, {"refusal", "content_filter"}, {"pause_turn", "stop"}};
  return words.contains(reason) ? words.at(reason) : "?" + reason;
}

inline void read_claude_usage(const Json& usage, std::map<std::string, std::int64_t>& counts) {
  for (const auto& [key, value] : usage.items()) {
    if (value.is_number_integer()) counts[key] = value.get<std::int64_t>();
  }
  const Json details = at_or_null(usage, "output_tokens_details");
  if (details.is_object()) counts["thinking"] = count_at(details, "thinking_tokens");
}

inline void put_claude_usage(std::map<std::string, std::int64_t>& counts, Reading& reading) {
  if (counts.empty()) return;
  reading.cached = counts["cache_read_input_tokens"];
  reading.input = counts["input_tokens"] + reading.cached + counts["cache_creation_input_tokens"];
  reading.output = counts["output_tokens"];
  reading.reasoning_tokens = counts["thinking"];
}

inline Reading read_claude_body(const Json& body) {
  Reading reading;
  reading.error = text_at(body, "type") == "error";
  for (const Json& block : at_or_null(body, "content")) {
    const std::string type = text_at(block, "type");
    if (type == "text") reading.text += text_at(block, "text");
    if (type == "thinking") reading.reasoning += text_at(block, "thinking");
    if (type == "tool_use") {
      reading.calls.push_back(
          {text_at(block, "id"), text_at(block, "name"), block.at("input").dump()});
    }
  }
  std::map<std::string, std::int64_t> counts;
  if (body.contains("usage")) read_claude_usage(body.at("usage"), counts);
  put_claude_usage(counts, reading);
  reading.finish = chat_word_for_claude(text_at(body, "stop_reason"));
  reading.terminated = true;
  return reading;
}

/// Puts the events together into a body as the vendor's SDK does; a second message_start is an
/// error once something came.
inline Reading read_claude_stream(std::string_view stream) {
  Json body;
  std::map<int, std::string> inputs;
  std::map<std::string, std::int64_t> counts;
  bool stopped = false;
  for (const std::string& data : sse_data(stream)) {
    const Json event = Json::parse(data);
    const std::string type = text_at(event, "type");
    const int index = static_cast<int>(count_at(event, "index"));
    if (type == "message_start") {
      if (body.is_object() && !body.at("content").empty()) {
        Reading broken;
        broken.error = true;
        return broken;
      }
      body = event.at("message");
      read_claude_usage(body.at("usage"), counts);
    } else if (type == "content_block_start") {
      body["content"].push_back(event.at("content_block"));
    } else if (type == "content_block_delta") {
      Json& block = body["content"][static_cast<std::size_t>(index)];
      for (const auto& [key, piece] : event.at("delta").items()) {
        if (!piece.is_string() || key == "type") continue;
        if (key == "partial_json") {
          inputs[index] += piece.get<std::string>();
        } else {
          block[key] = text_at(block, key.c_str()) + piece.get<std::string>();
        }
      }
    } else if (type == "message_delta") {
      body["stop_reason"] = event.at("delta").at("stop_reason");
      if (event.contains("usage")) read_claude_usage(event.at("usage"), counts);
    } else if (type == "message_stop") {
      stopped = true;
    }
  }
  for (const auto& [index, input] : inputs) {
    if (!input.empty())
      body["content"][static_cast<std::size_t>(index)]["input"] = Json::parse(input);
  }
  Reading reading = read_claude_body(body);
  put_claude_usage(counts, reading);
  reading.terminated = stopped;
  return reading;
}

inline void read_gemini_chunk(const Json& chunk, Reading& reading) {
  if (chunk.contains("error")) reading.error = true;
  const Json usage = at_or_null(chunk, "usageMetadata");
  if (usage.is_object() &&
      (usage.contains("promptTokenCount") || usage.contains("totalTokenCount"))) {
    reading.input =
        count_at(usage, "promptTokenCount") + count_at(usage, "toolUsePromptTokenCount");
    reading.cached = count_at(usage, "cachedContentTokenCount");
    reading.reasoning_tokens = count_at(usage, "thoughtsTokenCount");
    reading.output = count_at(usage, "candidatesTokenCount") + reading.reasoning_tokens;
  }
  if (!text_at(at_or_null(chunk, "promptFeedback"), "blockReason").empty())
    reading.finish = "content_filter";
  for (const Json& candidate : at_or_null(chunk, "candidates")) {
    for (const Json& part : at_or_null(at_or_null(candidate, "content"), "parts")) {
      const Json call = at_or_null(part, "functionCall");
      if (call.is_object() && call.contains("name")) {
        reading.calls.push_back(
            {text_at(call, "id"), text_at(call, "name"), at_or_null(call, "args").dump()});
      } else if (part.value("thought", false)) {
        reading.reasoning += text_at(part, "text");
      } else {
        reading.text += text_at(part, "text");
      }
    }
    const std::string reason = text_at(candidate, "finishReason");
    if (reason == "STOP") reading.finish = "stop";
    if (reason == "MAX_TOKENS") reading.finish = "length";
    if (reason == "SAFETY") reading.finish = "content_filter";
  }
  if (reading.finish == "stop" && !reading.calls.empty()) reading.finish = "tool_calls";
  reading.terminated = !reading.finish.empty();
}

inline Reading read_provider_stream(Dialect dialect, std::string_view stream) {
  if (dialect == Dialect::openai_chat) return read_chat_stream(stream);
  if (dialect == Dialect::anthropic_messages) return read_claude_stream(stream);
  Reading reading;
  for (const std::string& data : sse_data(stream)) read_gemini_chunk(Json::parse(data), reading);
  return reading;
}

inline Reading read_provider_body(Dialect dialect, std::string_view body) {
  const Json document = Json::parse(body);
  if (dialect == Dialect::anthropic_messages) return read_claude_body(document);
  Reading reading;
  if (dialect == Dialect::openai_chat) read_chat_document(document, reading);
  if (dialect == Dialect::gemini_generate) {
    for (const Json& chunk : document.is_array() ? document : Json::array({document})) {
      read_gemini_chunk(chunk, reading);
    }
  }
  return reading;
}

}  // namespace turnpike::dialect::test
