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
    case element_type::ARRAY:
      return static_cast<unsigned>(JsonKinds::array);
    case element_type::OBJECT:
      return static_cast<unsigned>(JsonKinds::object);
    case element_type::STRING:
      return static_cast<unsigned>(JsonKinds::string);
    case element_type::BOOL:
      return static_cast<unsigned>(JsonKinds::boolean);
    case element_type::INT64:
      return static_cast<unsigned>(JsonKinds::integer);
    case element_type::UINT64:
    case element_type::DOUBLE:
      return 4;
    case element_type::NULL_VALUE:
      break;
  }
  return 0;
}

std::string_view name_of(JsonKinds kinds) {
  switch (kinds) {
    case JsonKinds::boolean:
      return "a boolean";
    case JsonKinds::integer:
      return "an integer";
    case JsonKinds::number:
      return "a number";
    case JsonKinds::string:
      return "a string";
    case JsonKinds::array:
      return "an array";
    case JsonKinds::object:
      return "an object";
    case JsonKinds::text_or_array:
      return "a string or an array";
    case JsonKinds::text_or_object:
      return "a string or an object";
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

/// A member that is read somewhere: the kinds it may have, and what its inside must look like.
struct FieldRule {
  std::string_view name;
  JsonKinds kinds;
  bool required = false;
  Fault (*nested)(const element&) = nullptr;
};

/// Duplicates, required members and the types of the named ones, in one pass: histories have 10^5
/// objects.
Fault check_object(const element& value, std::span<const FieldRule> rules) {
  object fields;
  if (value.get(fields) != simdjson::SUCCESS)
    return client_error("wrong_type", "This must be an object.");
  if (auto fault = check_unique(fields, "")) return fault;
  unsigned seen = 0;
  for (const auto& [key, member] : fields) {
    const auto rule = std::ranges::find(rules, key, &FieldRule::name);
    if (rule == rules.end() || member.is_null()) continue;
    seen |= 1U << static_cast<unsigned>(rule - rules.begin());
    if (auto fault = check_kind(member, rule->kinds, rule->name)) return fault;
    if (rule->nested == nullptr) continue;
    if (auto fault = rule->nested(member)) return inside(std::move(fault), rule->name);
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (!rules[i].required || (seen >> i & 1U) != 0) continue;
    return client_error("missing_field", fmt::format("'{}' is missing.", rules[i].name),
                        std::string{rules[i].name});
  }
  return std::nullopt;
}

/// Each element of a list; strings and null in its place have none.
Fault check_each(const element& value, Fault (*check)(const element&)) {
  array list;
  if (value.get(list) != simdjson::SUCCESS) return std::nullopt;
  std::size_t index = 0;
  for (const auto item : list) {
    if (auto fault = check(item)) return inside(std::move(fault), fmt::format("[{}]", index));
    ++index;
  }
  return std::nullopt;
}

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

std::optional<Error> check_kind(const element& value, JsonKinds allowed, std::string_view param) {
  const auto kind = kind_of(value);
  if (kind == 0 || (kind & static_cast<unsigned>(allowed)) != 0) return std::nullopt;
  return client_error("wrong_type", fmt::format("This must be {}.", name_of(allowed)),
                      std::string{param});
}

std::optional<Error> check_unique(const object& fields, std::string_view param) {
  const auto duplicate = [&](std::string_view key) {
    return client_error("duplicate_key",
                        fmt::format("The key {} occurs twice.", quoted_for_message(key)),
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
