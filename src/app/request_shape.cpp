#include "app/request_shape.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace turnpike::app {
namespace {

using simdjson::dom::element;

bool has(const element& object, std::string_view name) { return object[name].error() == simdjson::SUCCESS; }

std::string_view word(const element& object, std::string_view name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

std::vector<element> list(const element& object, std::string_view name) {
  simdjson::dom::array elements;
  if (object[name].get(elements) != simdjson::SUCCESS) return {};
  return {elements.begin(), elements.end()};
}

/// Blocks and members that Chat Completions does not have.
bool anthropic_message(const element& message) {
  static constexpr std::array<std::string_view, 7> blocks{"tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document", "server_tool_use"};
  for (const auto block : list(message, "content")) {
    if (has(block, "cache_control") || std::ranges::find(blocks, word(block, "type")) != blocks.end()) return true;
  }
  return false;
}

bool anthropic(const element& root) {
  if (has(root, "system") || has(root, "anthropic_version") || has(root, "thinking") || has(root, "stop_sequences")) return true;
  for (const auto tool : list(root, "tools")) {
    if (has(tool, "input_schema")) return true;
  }
  const auto messages = list(root, "messages");
  return std::ranges::any_of(messages, anthropic_message);
}

}  // namespace

Dialect dialect_of_shape(const wire::JsonDocument& document) {
  const element root = document.root();
  if (has(root, "contents")) return Dialect::gemini_generate;
  if (has(root, "input")) return Dialect::openai_responses;
  if (has(root, "messages") && anthropic(root)) return Dialect::anthropic_messages;
  return Dialect::openai_chat;
}

}  // namespace turnpike::app
