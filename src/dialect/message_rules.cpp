#include "dialect/message_rules.hpp"

#include "dialect/rule_checks.hpp"

namespace turnpike::dialect {

namespace {

using simdjson::dom::element;

Fault check_image(const element& value) {
  static constexpr FieldRule rules[] = {{"url", JsonKinds::string, true},
                                        {"detail", JsonKinds::string}};
  return value.is_object() ? check_object(value, rules) : std::nullopt;
}

Fault check_audio(const element& value) {
  static constexpr FieldRule rules[] = {{"data", JsonKinds::string, true},
                                        {"format", JsonKinds::string, true}};
  return check_object(value, rules);
}

Fault check_file(const element& value) {
  static constexpr FieldRule rules[] = {{"file_id", JsonKinds::string},
                                        {"file_data", JsonKinds::string},
                                        {"filename", JsonKinds::string}};
  return check_object(value, rules);
}

Fault check_part(const element& value) {
  static constexpr FieldRule rules[] = {
      {"type", JsonKinds::string, true},
      {"text", JsonKinds::string},
      {"refusal", JsonKinds::string},
      {"image_url", JsonKinds::text_or_object, false, check_image},
      {"input_audio", JsonKinds::object, false, check_audio},
      {"file", JsonKinds::object, false, check_file},
      {"cache_control", JsonKinds::object}};
  return check_object(value, rules);
}

Fault check_content(const element& value) { return check_each(value, check_part); }

Fault check_called(const element& value) {
  static constexpr FieldRule rules[] = {{"name", JsonKinds::string, true},
                                        {"arguments", JsonKinds::string},
                                        {"input", JsonKinds::string}};
  return check_object(value, rules);
}

Fault check_call(const element& value) {
  static constexpr FieldRule rules[] = {{"id", JsonKinds::string},
                                        {"type", JsonKinds::string},
                                        {"function", JsonKinds::object, false, check_called},
                                        {"custom", JsonKinds::object, false, check_called}};
  if (auto fault = check_object(value, rules)) return fault;
  if (value["function"].is_object() || value["custom"].is_object()) return std::nullopt;
  return client_error("missing_field", "'function' is missing.", "function");
}

Fault check_calls(const element& value) { return check_each(value, check_call); }

Fault check_message(const element& value) {
  static constexpr FieldRule rules[] = {{"role", JsonKinds::string, true},
                                        {"content", JsonKinds::text_or_array, false, check_content},
                                        {"name", JsonKinds::string},
                                        {"tool_call_id", JsonKinds::string},
                                        {"tool_calls", JsonKinds::array, false, check_calls},
                                        {"function_call", JsonKinds::object, false, check_called},
                                        {"refusal", JsonKinds::string},
                                        {"reasoning_content", JsonKinds::string},
                                        {"reasoning", JsonKinds::text_or_object}};
  return check_object(value, rules);
}

Fault check_declaration(const element& value) {
  static constexpr FieldRule rules[] = {{"name", JsonKinds::string, true},
                                        {"description", JsonKinds::string},
                                        {"parameters", JsonKinds::object},
                                        {"strict", JsonKinds::boolean}};
  return check_object(value, rules);
}

Fault check_tool(const element& value) {
  static constexpr FieldRule rules[] = {{"type", JsonKinds::string},
                                        {"function", JsonKinds::object, false, check_declaration},
                                        {"custom", JsonKinds::object, false, check_declaration},
                                        {"cache_control", JsonKinds::object}};
  return check_object(value, rules);
}

}  // namespace

std::optional<Error> check_messages(const element& messages) {
  if (messages.is_array() && messages.get_array().value_unsafe().size() == 0) {
    return client_error("invalid_value", "At least one message is needed.", "messages");
  }
  return inside(check_each(messages, check_message), "messages");
}

std::optional<Error> check_tools(const element& tools) {
  return inside(check_each(tools, check_tool), "tools");
}

}  // namespace turnpike::dialect
