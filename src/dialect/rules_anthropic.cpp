// body := { model, max_tokens, messages: [message*], system?: text | [block*], tools?, thinking?,
// ... } message := { role: user | assistant | system, content: text | [block*] }
#include "dialect/rules_anthropic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "dialect/rule_checks.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::array top_rules = std::to_array<TopRule>({
    {"model", JsonKinds::string, true},
    {"messages", JsonKinds::array, true},
    {"max_tokens", JsonKinds::integer, true},
    {"stream", JsonKinds::boolean, true},
    {"tools", JsonKinds::array, true},
    {"tool_choice", JsonKinds::object, true},
    {"thinking", JsonKinds::object, true},
    {"output_config", JsonKinds::object, true},
    {"output_format", JsonKinds::object, true},
    {"service_tier", JsonKinds::string, true},
    {"speed", JsonKinds::string, true},
    {"inference_geo", JsonKinds::string, true},
    {"mcp_servers", JsonKinds::array, true},
    {"fallbacks", JsonKinds::array, true},
    {"system", JsonKinds::text_or_array},
    {"metadata", JsonKinds::object},
    {"cache_control", JsonKinds::object},
    {"context_management", JsonKinds::object},
    {"container", JsonKinds::text_or_object},
    {"stop_sequences", JsonKinds::array},
    {"temperature", JsonKinds::number},
    {"top_p", JsonKinds::number},
    {"top_k", JsonKinds::number},
});

Fault check_text_block(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string, true},
                                        {"text", JsonKinds::string},
                                        {"cache_control", JsonKinds::object}};
  return check_object(value, rules);
}

Fault check_block(const element& value);
Fault check_blocks(const element& value) { return check_each(value, check_block); }

/// Of documents, `content` is text or blocks; of search results, blocks.
Fault check_source(const element& value) {
  static constexpr FieldRule rules[] = {
      {"type", JsonKinds::string},    {"media_type", JsonKinds::string},
      {"data", JsonKinds::string},    {"url", JsonKinds::string},
      {"file_id", JsonKinds::string}, {"content", JsonKinds::text_or_array, false, check_blocks}};
  return value.is_object() ? check_object(value, rules) : std::nullopt;
}

/// One table for every type: no name means two things but `content` and `source`. Results of server
/// tools have vendor-made content of any shape; it is never read.
Fault check_known_block(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string, true},
                                        {"text", JsonKinds::string},
                                        {"thinking", JsonKinds::string},
                                        {"signature", JsonKinds::string},
                                        {"data", JsonKinds::string},
                                        {"id", JsonKinds::string},
                                        {"name", JsonKinds::string},
                                        {"input", JsonKinds::object},
                                        {"tool_use_id", JsonKinds::string},
                                        {"tool_name", JsonKinds::string},
                                        {"content", JsonKinds::text_or_array, false, check_blocks},
                                        {"is_error", JsonKinds::boolean},
                                        {"source", JsonKinds::text_or_object, false, check_source},
                                        {"title", JsonKinds::string},
                                        {"context", JsonKinds::string},
                                        {"cache_control", JsonKinds::object}};
  return check_object(value, rules);
}

Fault check_vendor_block(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string, true}};
  return check_object(value, rules);
}

constexpr auto known_types = std::to_array<std::string_view>(
    {"text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result",
     "search_result", "tool_reference", "compaction"});

/// Vendors add block types every few months; what is not read here has no form here.
Fault check_block(const element& value) {
  std::string_view type;
  if (!value.is_object() || value["type"].get(type) != simdjson::SUCCESS)
    return check_known_block(value);
  const bool known = std::ranges::find(known_types, type) != known_types.end();
  if (!known) return check_vendor_block(value);
  if (auto fault = check_known_block(value)) return fault;
  const auto need = [&](std::string_view field) -> Fault {
    element member;
    if (value[field].get(member) == simdjson::SUCCESS && !member.is_null()) return std::nullopt;
    return client_error("missing_field", fmt::format("'{}' is missing.", field),
                        std::string{field});
  };
  if (type == "text") return need("text");
  if (type == "image" || type == "document") return need("source");
  if (type == "thinking") return need("thinking");
  if (type == "tool_result") return need("tool_use_id");
  if (type != "tool_use") return std::nullopt;
  for (const auto* const field : {"id", "name", "input"}) {
    if (auto fault = need(field)) return fault;
  }
  return std::nullopt;
}

Fault check_message(const element& value) {
  static constexpr FieldRule rules[] = {{"role", JsonKinds::string, true},
                                        {"content", JsonKinds::text_or_array, true, check_blocks}};
  if (auto fault = check_object(value, rules)) return fault;
  const std::string_view role = value["role"].get_string().value();
  if (role == "user" || role == "assistant" || role == "system") return std::nullopt;
  return client_error("invalid_value",
                      fmt::format("Nobody knows the role {}.", quoted_for_message(role)), "role");
}

Fault check_tool(const element& value) {
  static constexpr FieldRule rules[] = {
      {"type", JsonKinds::string},         {"name", JsonKinds::string},
      {"description", JsonKinds::string},  {"input_schema", JsonKinds::object},
      {"strict", JsonKinds::boolean},      {"defer_loading", JsonKinds::boolean},
      {"cache_control", JsonKinds::object}};
  if (auto fault = check_object(value, rules)) return fault;
  if (!value["name"].is_string() && !value["type"].is_string()) {
    return client_error("missing_field", "'name' is missing.", "name");
  }
  return std::nullopt;
}

Fault check_format(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string}, {"schema", JsonKinds::object}};
  return check_object(value, rules);
}

Fault check_thinking(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string, true},
                                        {"budget_tokens", JsonKinds::integer},
                                        {"display", JsonKinds::string},
                                        {"block_binding", JsonKinds::object}};
  if (auto fault = check_object(value, rules)) return fault;
  element tokens;
  std::int64_t budget = 0;
  if (value["budget_tokens"].get(tokens) != simdjson::SUCCESS) return std::nullopt;
  return read_bounded(tokens, "budget_tokens", tokens_max, budget);
}

Fault check_output_config(const element& value) {
  static constexpr FieldRule rules[] = {{"effort", JsonKinds::string},
                                        {"format", JsonKinds::object, false, check_format}};
  return check_object(value, rules);
}

Fault check_tool_choice(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string, true},
                                        {"name", JsonKinds::string},
                                        {"disable_parallel_tool_use", JsonKinds::boolean}};
  return check_object(value, rules);
}

Fault check_metadata(const element& value) {
  static constexpr FieldRule rules[] = {{"user_id", JsonKinds::string}};
  return check_object(value, rules);
}

Fault check_word(const element& value) { return check_kind(value, JsonKinds::string, ""); }

struct Nested {
  std::string_view name;
  Fault (*check)(const element&);
};

Fault check_system(const element& value) { return check_each(value, check_text_block); }
Fault check_messages_list(const element& value) { return check_each(value, check_message); }
Fault check_tools_list(const element& value) { return check_each(value, check_tool); }
Fault check_stops(const element& value) { return check_each(value, check_word); }

constexpr auto nested_rules = std::to_array<Nested>({
    {"messages", check_messages_list},
    {"system", check_system},
    {"tools", check_tools_list},
    {"thinking", check_thinking},
    {"output_config", check_output_config},
    {"output_format", check_format},
    {"tool_choice", check_tool_choice},
    {"metadata", check_metadata},
    {"stop_sequences", check_stops},
});

Fault check_nested(std::string_view key, const element& value) {
  if (value.is_null()) return std::nullopt;
  for (const auto& rule : nested_rules) {
    if (rule.name == key) return inside(rule.check(value), key);
  }
  return std::nullopt;
}

/// What would be billed at prices that the catalog does not have.
Fault check_priced(std::string_view key, const element& value) {
  std::string_view word;
  if (value.get(word) != simdjson::SUCCESS) return std::nullopt;
  if (key == "service_tier") {
    if (word == "auto" || word == "standard_only" || word == "standard" || word == "default")
      return std::nullopt;
  } else if (key != "inference_geo" || word == "global") {
    return std::nullopt;
  }
  return client_error(
      "unsupported_parameter",
      fmt::format("'{}' {} has no price here; leave it out.", key, quoted_for_message(word)),
      std::string{key});
}

Fault read_member(const wire::MemberSpan& span, std::string_view key, const element& value,
                  RequestView& view) {
  const ByteRange place{span.value_begin, span.value_end};
  if (key == "model") {
    view.model_value = place;
    return read_model(value, view);
  }
  if (key == "messages") {
    view.messages = place;
  } else if (key == "thinking") {
    view.thinking = place;
  } else if (key == "stream") {
    if (value.is_bool()) view.stream = value.get_bool().value_unsafe();
  } else if (key == "max_tokens" && !value.is_null()) {
    std::int64_t tokens = 0;
    if (auto fault = read_bounded(value, key, tokens_max, tokens)) return fault;
    view.output_tokens_max = tokens;
    view.max_tokens = place;
  }
  return check_priced(key, value);
}

/// Whether a history holds calls or anything that belongs to the vendor which made it.
void note_history(const object& root, RequestView& view) {
  array messages;
  if (root["messages"].get(messages) != simdjson::SUCCESS) return;
  for (const auto message : messages) {
    array blocks;
    if (message["content"].get(blocks) != simdjson::SUCCESS) continue;
    for (const auto block : blocks) {
      std::string_view type;
      if (block["type"].get(type) != simdjson::SUCCESS) continue;
      if (type == "tool_use") view.calls_in_history = true;
      if (type == "thinking" || type == "redacted_thinking") view.opaque_state = true;
    }
  }
}

}  // namespace

Result<RequestView> read_anthropic_view(const object& root, const std::string& body,
                                        const wire::JsonDocument& document) {
  if (auto fault = check_unique(root, "")) return std::unexpected{*fault};
  RequestView view;
  view.repaired_surrogates = document.repaired();
  const auto spans = document.places().members();
  std::size_t index = 0;
  for (const auto& [key, value] : root) {
    const auto& span = spans[index++];
    if (auto fault = check_key(key, top_rules)) return std::unexpected{*fault};
    if (auto fault = check_type(key, value, top_rules)) return std::unexpected{*fault};
    if (auto fault = read_member(span, key, value, view)) return std::unexpected{*fault};
    if (auto fault = check_nested(key, value)) return std::unexpected{*fault};
  }
  if (view.model.empty())
    return std::unexpected{client_error("missing_field", "'model' is missing.", "model")};
  if (view.messages.end == 0 || body[view.messages.begin] != '[') {
    return std::unexpected{client_error("missing_field", "'messages' is missing.", "messages")};
  }
  array messages;
  if (root["messages"].get(messages) == simdjson::SUCCESS && messages.size() == 0) {
    return std::unexpected{
        client_error("invalid_value", "At least one message is needed.", "messages")};
  }
  view.object_end = body.rfind('}');
  note_history(root, view);
  return view;
}

}  // namespace turnpike::dialect
