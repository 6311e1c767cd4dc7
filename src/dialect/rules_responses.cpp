#include "dialect/rules_responses.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "dialect/responses_item.hpp"
#include "dialect/rule_checks.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

/// The API's own lower bound (wire-formats "Responses"); the upper one is that of all token limits.
constexpr std::int64_t output_tokens_min = 16;

constexpr auto top_rules = std::to_array<TopRule>({
    {"model", JsonKinds::string, true},
    {"input", JsonKinds::text_or_array, true},
    {"instructions", JsonKinds::string, true},
    {"stream", JsonKinds::boolean, true},
    {"stream_options", JsonKinds::object, true},
    {"max_output_tokens", JsonKinds::integer, true},
    {"service_tier", JsonKinds::string, true},
    {"tools", JsonKinds::array, true},
    {"tool_choice", JsonKinds::text_or_object, true},
    {"text", JsonKinds::object, true},
    {"reasoning", JsonKinds::object, true},
    {"previous_response_id", JsonKinds::string, true},
    {"conversation", JsonKinds::text_or_object, true},
    {"background", JsonKinds::boolean, true},
    {"store", JsonKinds::boolean, true},
    {"prompt", JsonKinds::object, true},
    {"parallel_tool_calls", JsonKinds::boolean},
    {"max_tool_calls", JsonKinds::integer},
    {"include", JsonKinds::array},
    {"metadata", JsonKinds::object},
    {"temperature", JsonKinds::number},
    {"top_p", JsonKinds::number},
    {"top_logprobs", JsonKinds::integer},
    {"truncation", JsonKinds::string},
    {"prompt_cache_key", JsonKinds::string},
    {"user", JsonKinds::string},
    {"safety_identifier", JsonKinds::string},
});

// ---- items

Fault check_part(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string, true},
                                        {"text", JsonKinds::string},
                                        {"refusal", JsonKinds::string},
                                        {"image_url", JsonKinds::text_or_object},
                                        {"detail", JsonKinds::string},
                                        {"file_id", JsonKinds::string},
                                        {"file_data", JsonKinds::string},
                                        {"file_url", JsonKinds::string},
                                        {"filename", JsonKinds::string},
                                        {"input_audio", JsonKinds::object},
                                        {"encrypted_content", JsonKinds::string},
                                        {"annotations", JsonKinds::array}};
  return check_object(value, rules);
}

Fault check_parts(const element& value) { return check_each(value, check_part); }

Fault check_message(const element& value) {
  static constexpr FieldRule rules[] = {{"role", JsonKinds::string, true},
                                        {"content", JsonKinds::text_or_array, false, check_parts},
                                        {"id", JsonKinds::string},
                                        {"status", JsonKinds::string},
                                        {"phase", JsonKinds::string}};
  return check_object(value, rules);
}

Fault check_reasoning(const element& value) {
  static constexpr FieldRule rules[] = {{"id", JsonKinds::string},
                                        {"summary", JsonKinds::array, false, check_parts},
                                        {"content", JsonKinds::array, false, check_parts},
                                        {"encrypted_content", JsonKinds::string}};
  return check_object(value, rules);
}

Fault check_call(const element& value) {
  static constexpr FieldRule rules[] = {
      {"call_id", JsonKinds::string, true}, {"name", JsonKinds::string, true},
      {"arguments", JsonKinds::string},     {"input", JsonKinds::string},
      {"namespace", JsonKinds::string},     {"id", JsonKinds::string}};
  return check_object(value, rules);
}

/// Harnesses lose call ids (openai/codex#42088): such a result is given to the call before it.
Fault check_output(const element& value) {
  static constexpr FieldRule rules[] = {{"call_id", JsonKinds::string},
                                        {"output", JsonKinds::text_or_array, false, check_parts},
                                        {"status", JsonKinds::string},
                                        {"id", JsonKinds::string}};
  return check_object(value, rules);
}

Fault check_tool(const element& value);
Fault check_nested_tools(const element& value) { return check_each(value, check_tool); }

Fault check_tool(const element& value) {
  static constexpr FieldRule rules[] = {
      {"type", JsonKinds::string},        {"name", JsonKinds::string},
      {"description", JsonKinds::string}, {"parameters", JsonKinds::object},
      {"strict", JsonKinds::boolean},     {"tools", JsonKinds::array, false, check_nested_tools}};
  object fields;
  if (value.get(fields) != simdjson::SUCCESS)
    return client_error("wrong_type", "This must be an object.");
  std::string_view type;
  if (fields.at_key("type").get(type) == simdjson::SUCCESS && !is_client_tool(type))
    return check_unique(fields, "");
  return check_object(value, rules);
}

Fault check_tools_item(const element& value) {
  static constexpr FieldRule rules[] = {{"tools", JsonKinds::array, true, check_nested_tools},
                                        {"role", JsonKinds::string}};
  return check_object(value, rules);
}

Fault check_compaction(const element& value) {
  static constexpr FieldRule rules[] = {{"encrypted_content", JsonKinds::string}};
  return check_object(value, rules);
}

std::string_view text_at(const object& fields, std::string_view key) {
  std::string_view text;
  return fields.at_key(key).get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

ResponsesItem kind_of(const object& item) {
  return responses_item(text_at(item, "type"), !text_at(item, "role").empty());
}

/// Items of the vendor's own tools and unknown ones may have members of any type.
Fault check_item(const element& value) {
  object item;
  if (value.get(item) != simdjson::SUCCESS)
    return client_error("wrong_type", "This must be an object.");
  element type;
  if (item.at_key("type").get(type) == simdjson::SUCCESS) {
    if (auto fault = check_kind(type, JsonKinds::string, "type")) return fault;
  }
  switch (kind_of(item)) {
    case ResponsesItem::message:
      return check_message(value);
    case ResponsesItem::reasoning:
      return check_reasoning(value);
    case ResponsesItem::call:
    case ResponsesItem::custom_call:
      return check_call(value);
    case ResponsesItem::output:
    case ResponsesItem::custom_output:
      return check_output(value);
    case ResponsesItem::tools:
      return check_tools_item(value);
    case ResponsesItem::compaction:
      return check_compaction(value);
    default:
      return check_unique(item, "");
  }
}

Fault check_input(const element& input) {
  if (input.is_array() && input.get_array().value_unsafe().size() == 0) {
    return client_error("invalid_value", "At least one item is needed.", "input");
  }
  return inside(check_each(input, check_item), "input");
}

// ---- the members of the body

Fault check_nested(std::string_view key, const element& value) {
  if (key == "input") return check_input(value);
  if (key == "tools") return inside(check_each(value, check_tool), "tools");
  object fields;
  if (value.get(fields) != simdjson::SUCCESS) return std::nullopt;
  if (key == "reasoning") {
    static constexpr FieldRule rules[] = {{"effort", JsonKinds::string}};
    return inside(check_object(value, rules), key);
  }
  if (key == "text") {
    static constexpr FieldRule rules[] = {{"format", JsonKinds::object}};
    return inside(check_object(value, rules), key);
  }
  return key == "tool_choice" || key == "stream_options" ? check_unique(fields, key) : std::nullopt;
}

/// Where the answer would be kept, the gateway could neither follow it nor meter it.
Fault check_state(std::string_view key, const element& value) {
  if (key == "background" && value.is_bool() && value.get_bool().value_unsafe()) {
    return client_error("unsupported_parameter",
                        "Answers in the background cannot be fetched here; leave 'background' out.",
                        "background");
  }
  if (key == "conversation" && !value.is_null()) {
    return client_error("unsupported_parameter",
                        "Conversations are not kept here; send the whole input each time.",
                        "conversation");
  }
  return std::nullopt;
}

Fault read_output_limit(const element& value, ByteRange place, RequestView& view) {
  if (value.is_null()) return std::nullopt;
  std::int64_t tokens = 0;
  if (value.get(tokens) != simdjson::SUCCESS || tokens < output_tokens_min || tokens > tokens_max) {
    return client_error("out_of_range",
                        fmt::format("'max_output_tokens' must be an integer from {} to {}.",
                                    output_tokens_min, tokens_max),
                        "max_output_tokens");
  }
  view.output_tokens_max = tokens;
  view.max_tokens = place;
  return std::nullopt;
}

Fault read_member(const wire::MemberSpan& span, std::string_view key, const element& value,
                  RequestView& view) {
  const ByteRange place{span.value_begin, span.value_end};
  if (key == "model") {
    view.model_value = place;
    return read_model(value, view);
  }
  if (key == "store") {
    view.refers_to_items = !value.is_bool() || value.get_bool().value_unsafe();
  } else if (key == "input" && !value.is_null()) {
    view.messages = place;
  } else if (key == "stream") {
    if (value.is_bool()) view.stream = value.get_bool().value_unsafe();
  } else if (key == "stream_options") {
    view.stream_options = place;
  } else if (key == "max_output_tokens") {
    return read_output_limit(value, place, view);
  } else if (key == "service_tier") {
    return check_service_tier(value);
  } else if (key == "previous_response_id" && value.is_string()) {
    view.previous_response_id = value.get_string().value_unsafe();
  }
  return std::nullopt;
}

void note_items(const element& input, RequestView& view) {
  simdjson::dom::array items;
  if (input.get(items) != simdjson::SUCCESS) return;
  for (const auto value : items) {
    object item;
    if (value.get(item) != simdjson::SUCCESS) continue;
    const auto kind = kind_of(item);
    if (text_at(item, "role") == "developer") view.developer_role = true;
    if (kind == ResponsesItem::call || kind == ResponsesItem::custom_call)
      view.calls_in_history = true;
    const bool carries = kind == ResponsesItem::reasoning || kind == ResponsesItem::compaction;
    if (carries && !text_at(item, "encrypted_content").empty()) view.opaque_state = true;
  }
}

}  // namespace

Result<RequestView> read_responses_view(const object& root, const std::string& body,
                                        const wire::JsonDocument& document) {
  if (auto fault = check_unique(root, "")) return std::unexpected{*fault};
  RequestView view;
  view.refers_to_items = true;  // the default of store
  view.repaired_surrogates = document.repaired();
  const auto spans = document.places().members();
  std::size_t index = 0;
  for (const auto& [key, value] : root) {
    const auto& span = spans[index++];
    if (auto fault = check_key(key, top_rules)) return std::unexpected{*fault};
    if (auto fault = check_type(key, value, top_rules)) return std::unexpected{*fault};
    if (auto fault = check_state(key, value)) return std::unexpected{*fault};
    if (auto fault = read_member(span, key, value, view)) return std::unexpected{*fault};
    if (auto fault = check_nested(key, value)) return std::unexpected{*fault};
    if (key == "input") note_items(value, view);
  }
  if (view.model.empty())
    return std::unexpected{client_error("missing_field", "'model' is missing.", "model")};
  if (view.messages.end == 0)
    return std::unexpected{client_error("missing_field", "'input' is missing.", "input")};
  view.object_end = body.rfind('}');
  return view;
}

}  // namespace turnpike::dialect
