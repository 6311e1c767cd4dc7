#include "dialect/message_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace turnpike::dialect {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

using Fault = std::optional<Error>;

unsigned kind_of(const element& value) {
  switch (value.type()) {
    case element_type::ARRAY: return static_cast<unsigned>(JsonKinds::array);
    case element_type::OBJECT: return static_cast<unsigned>(JsonKinds::object);
    case element_type::STRING: return static_cast<unsigned>(JsonKinds::string);
    case element_type::BOOL: return static_cast<unsigned>(JsonKinds::boolean);
    case element_type::INT64: return static_cast<unsigned>(JsonKinds::integer);
    case element_type::UINT64:
    case element_type::DOUBLE: return 4;
    case element_type::NULL_VALUE: break;
  }
  return 0;
}

std::string_view name_of(JsonKinds kinds) {
  switch (kinds) {
    case JsonKinds::boolean: return "a boolean";
    case JsonKinds::integer: return "an integer";
    case JsonKinds::number: return "a number";
    case JsonKinds::string: return "a string";
    case JsonKinds::array: return "an array";
    case JsonKinds::object: return "an object";
    case JsonKinds::text_or_array: return "a string or an array";
    case JsonKinds::text_or_object: return "a string or an object";
  }
  return "";
}

/// Puts `place` in front of the path of a fault found further in.
Fault inside(Fault fault, std::string_view place) {
  if (fault) {
    const bool joined = fault->param.empty() || fault->param.front() == '[';
    fault->param = fmt::format("{}{}{}", place, joined ? "" : ".", fault->param);
  }
  return fault;
}

Fault inside(Fault fault, std::string_view place, std::size_t index) {
  return fault ? inside(std::move(fault), fmt::format("{}[{}]", place, index)) : fault;
}

struct FieldRule {
  std::string_view name;
  JsonKinds kinds;
  bool required = false;
};

/// Duplicates and the types of the named members.
Fault check_fields(const object& fields, std::span<const FieldRule> rules) {
  if (auto fault = check_unique(fields, "")) return fault;
  for (const auto& rule : rules) {
    element value;
    if (fields.at_key(rule.name).get(value) != simdjson::SUCCESS || value.is_null()) {
      if (rule.required) {
        return client_error("missing_field", fmt::format("'{}' is missing.", rule.name), std::string{rule.name});
      }
      continue;
    }
    if (auto fault = check_kind(value, rule.kinds, rule.name)) return fault;
  }
  return std::nullopt;
}

Fault check_object(const element& value, std::span<const FieldRule> rules) {
  object fields;
  if (value.get(fields) != simdjson::SUCCESS) return client_error("wrong_type", "This must be an object.");
  return check_fields(fields, rules);
}

/// `name` as an object with these fields, if it is there and not null.
Fault check_member(const object& owner, std::string_view name, std::span<const FieldRule> rules) {
  object fields;
  if (owner.at_key(name).get(fields) != simdjson::SUCCESS) return std::nullopt;
  return inside(check_fields(fields, rules), name);
}

constexpr FieldRule part_rules[] = {{"type", JsonKinds::string, true},
                                    {"text", JsonKinds::string},
                                    {"refusal", JsonKinds::string},
                                    {"image_url", JsonKinds::text_or_object},
                                    {"input_audio", JsonKinds::object},
                                    {"file", JsonKinds::object},
                                    {"cache_control", JsonKinds::object}};
constexpr FieldRule image_rules[] = {{"url", JsonKinds::string, true}, {"detail", JsonKinds::string}};
constexpr FieldRule audio_rules[] = {{"data", JsonKinds::string, true}, {"format", JsonKinds::string, true}};
constexpr FieldRule file_rules[] = {
    {"file_id", JsonKinds::string}, {"file_data", JsonKinds::string}, {"filename", JsonKinds::string}};

Fault check_part(const element& part) {
  if (auto fault = check_object(part, part_rules)) return fault;
  object fields;
  if (part.get(fields) != simdjson::SUCCESS) return std::nullopt;
  if (auto fault = check_member(fields, "image_url", image_rules)) return fault;
  if (auto fault = check_member(fields, "input_audio", audio_rules)) return fault;
  return check_member(fields, "file", file_rules);
}

Fault check_content(const object& message) {
  array parts;
  if (message.at_key("content").get(parts) != simdjson::SUCCESS) return std::nullopt;
  std::size_t index = 0;
  for (const auto part : parts) {
    if (auto fault = check_part(part)) return inside(std::move(fault), "content", index);
    ++index;
  }
  return std::nullopt;
}

constexpr FieldRule call_rules[] = {{"id", JsonKinds::string},
                                    {"type", JsonKinds::string},
                                    {"function", JsonKinds::object},
                                    {"custom", JsonKinds::object}};
constexpr FieldRule called_rules[] = {
    {"name", JsonKinds::string, true}, {"arguments", JsonKinds::string}, {"input", JsonKinds::string}};

Fault check_call(const element& call) {
  if (auto fault = check_object(call, call_rules)) return fault;
  object fields;
  if (call.get(fields) != simdjson::SUCCESS) return std::nullopt;
  object called;
  if (fields.at_key("function").get(called) != simdjson::SUCCESS &&
      fields.at_key("custom").get(called) != simdjson::SUCCESS) {
    return client_error("missing_field", "'function' is missing.", "function");
  }
  if (auto fault = check_member(fields, "function", called_rules)) return fault;
  return check_member(fields, "custom", called_rules);
}

Fault check_calls(const object& message) {
  array calls;
  if (message.at_key("tool_calls").get(calls) != simdjson::SUCCESS) return std::nullopt;
  std::size_t index = 0;
  for (const auto call : calls) {
    if (auto fault = check_call(call)) return inside(std::move(fault), "tool_calls", index);
    ++index;
  }
  return std::nullopt;
}

constexpr FieldRule message_rules[] = {{"role", JsonKinds::string, true},
                                       {"content", JsonKinds::text_or_array},
                                       {"name", JsonKinds::string},
                                       {"tool_call_id", JsonKinds::string},
                                       {"tool_calls", JsonKinds::array},
                                       {"function_call", JsonKinds::object},
                                       {"refusal", JsonKinds::string},
                                       {"reasoning_content", JsonKinds::string},
                                       {"reasoning", JsonKinds::text_or_object}};

Fault check_message(const element& message) {
  if (auto fault = check_object(message, message_rules)) return fault;
  object fields;
  if (message.get(fields) != simdjson::SUCCESS) return std::nullopt;
  if (auto fault = check_content(fields)) return fault;
  if (auto fault = check_calls(fields)) return fault;
  return check_member(fields, "function_call", called_rules);
}

constexpr FieldRule tool_rules[] = {{"type", JsonKinds::string},
                                    {"function", JsonKinds::object},
                                    {"custom", JsonKinds::object},
                                    {"cache_control", JsonKinds::object}};
constexpr FieldRule declaration_rules[] = {{"name", JsonKinds::string, true},
                                           {"description", JsonKinds::string},
                                           {"parameters", JsonKinds::object},
                                           {"strict", JsonKinds::boolean}};

Fault check_tool(const element& tool) {
  if (auto fault = check_object(tool, tool_rules)) return fault;
  object fields;
  if (tool.get(fields) != simdjson::SUCCESS) return std::nullopt;
  if (auto fault = check_member(fields, "function", declaration_rules)) return fault;
  return check_member(fields, "custom", declaration_rules);
}

}  // namespace

std::optional<Error> check_kind(const element& value, JsonKinds allowed, std::string_view param) {
  const auto kind = kind_of(value);
  if (kind == 0 || (kind & static_cast<unsigned>(allowed)) != 0) return std::nullopt;
  return client_error("wrong_type", fmt::format("This must be {}.", name_of(allowed)), std::string{param});
}

std::optional<Error> check_unique(const object& fields, std::string_view param) {
  const auto duplicate = [&](std::string_view key) {
    return client_error("duplicate_key", fmt::format("The key {} occurs twice.", quoted_for_message(key)),
                        std::string{param});
  };
  if (fields.size() <= 16) {
    for (auto one = fields.begin(); one != fields.end(); ++one) {
      for (auto other = fields.begin(); other != one; ++other) {
        if (one.key() == other.key()) return duplicate(one.key());
      }
    }
    return std::nullopt;
  }
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : fields) keys.push_back(key);
  std::ranges::sort(keys);
  const auto twice = std::ranges::adjacent_find(keys);
  if (twice != keys.end()) return duplicate(*twice);
  return std::nullopt;
}

std::optional<Error> check_messages(const array& messages) {
  std::size_t index = 0;
  for (const auto message : messages) {
    if (auto fault = check_message(message)) return inside(std::move(fault), "messages", index);
    ++index;
  }
  if (index == 0) return client_error("invalid_value", "At least one message is needed.", "messages");
  return std::nullopt;
}

std::optional<Error> check_tools(const array& tools) {
  std::size_t index = 0;
  for (const auto tool : tools) {
    if (auto fault = check_tool(tool)) return inside(std::move(fault), "tools", index);
    ++index;
  }
  return std::nullopt;
}

}  // namespace turnpike::dialect
