#include "dialect/rule_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace turnpike::dialect {

namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

constexpr std::size_t model_bytes_max = 256;

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
    case JsonKinds::array_or_object:
      return "an array or an object";
  }
  return "";
}

/// Most names differ in length or first letter, so that nothing more is compared.
bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || a.front() == b.front()) && a == b;
}

bool is_one_of(JsonKinds allowed, const element& value) {
  const auto kind = kind_of(value);
  return kind == 0 || (kind & static_cast<unsigned>(allowed)) != 0;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

Fault check_kind(const element& value, JsonKinds allowed, std::string_view param) {
  if (is_one_of(allowed, value)) return std::nullopt;
  return client_error("wrong_type", fmt::format("This must be {}.", name_of(allowed)),
                      std::string{param});
}

Fault check_unique(const object& fields, std::string_view param) {
  const auto duplicate = [&](std::string_view key) {
    return client_error("duplicate_key",
                        fmt::format("The key {} occurs twice.", quoted_for_message(key)),
                        std::string{param});
  };
  std::array<std::string_view, 16> few;
  if (fields.size() <= few.size()) {
    std::size_t seen = 0;
    for (const auto& [key, value] : fields) {
      const auto is_key = [key](std::string_view other) { return same_name(key, other); };
      if (std::ranges::any_of(std::span{few}.first(seen), is_key)) return duplicate(key);
      few[seen++] = key;
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

Fault inside(Fault fault, std::string_view place) {
  if (fault) {
    const bool joined = fault->param.empty() || fault->param.front() == '[';
    fault->param = fmt::format("{}{}{}", place, joined ? "" : ".", fault->param);
  }
  return fault;
}

Fault check_object(const element& value, std::span<const FieldRule> rules) {
  object fields;
  if (value.get(fields) != simdjson::SUCCESS)
    return client_error("wrong_type", "This must be an object.");
  if (auto fault = check_unique(fields, "")) return fault;
  unsigned seen = 0;
  for (const auto& [key, member] : fields) {
    const auto rule = std::ranges::find_if(rules, [&](const FieldRule& one) { return same_name(one.name, key); });
    if (rule == rules.end() || member.is_null()) continue;
    seen |= 1U << static_cast<unsigned>(rule - rules.begin());
    if (!is_one_of(rule->kinds, member)) return check_kind(member, rule->kinds, rule->name);
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

bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool names_a_host(std::string_view key) {
  std::string plain;
  for (const char c : key.substr(0, 64)) {
    if (c != '_' && c != '-') plain += lower(c);
  }
  constexpr std::array hosts = std::to_array<std::string_view>(
      {"baseurl", "apibase", "apiurl", "apihost", "azureendpoint", "apiendpoint", "customhost"});
  return std::ranges::find(hosts, plain) != hosts.end();
}

Fault check_key(std::string_view key, std::span<const TopRule> rules) {
  if (names_a_host(key)) {
    return client_error("unsupported_parameter", "A request cannot name the host that answers it.",
                        quoted_for_message(key));
  }
  for (const auto& rule : rules) {
    if (rule.decides && key != rule.name && equal_but_for_case(key, rule.name)) {
      return client_error("ambiguous_key",
                          fmt::format("Did you mean '{}'? Keys are case-sensitive.", rule.name),
                          quoted_for_message(key));
    }
  }
  return std::nullopt;
}

Fault check_type(std::string_view key, const element& value, std::span<const TopRule> rules) {
  for (const auto& rule : rules) {
    if (key == rule.name) return check_kind(value, rule.kinds, rule.name);
  }
  return std::nullopt;
}

Fault read_bounded(const element& value, std::string_view name, std::int64_t max,
                   std::int64_t& into) {
  if (value.is_null()) return std::nullopt;
  std::int64_t number = 0;
  if (value.get(number) != simdjson::SUCCESS || number < 1 || number > max) {
    return client_error("out_of_range",
                        fmt::format("'{}' must be an integer from 1 to {}.", name, max),
                        std::string{name});
  }
  into = number;
  return std::nullopt;
}

Fault check_service_tier(const element& value) {
  std::string_view tier;
  if (value.get(tier) != simdjson::SUCCESS) return std::nullopt;
  if (tier == "auto" || tier == "default" || tier == "standard") return std::nullopt;
  return client_error(
      "unsupported_parameter",
      fmt::format("Service tier {} has no price here; leave it out or use \"default\".",
                  quoted_for_message(tier)),
      "service_tier");
}

std::optional<Error> model_name_fault(std::string_view model) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (!model.empty() && model.size() <= model_bytes_max && std::ranges::none_of(model, control))
    return std::nullopt;
  return client_error(
      "invalid_value",
      fmt::format("{} cannot be a model's name: 1 to {} bytes without control characters.",
                  quoted_for_message(model), model_bytes_max),
      "model");
}

Fault read_model(const element& value, RequestView& view) {
  std::string_view model;
  if (value.get(model) != simdjson::SUCCESS) {
    return client_error("missing_field", "'model' is missing.", "model");
  }
  if (auto fault = model_name_fault(model)) return fault;
  if (view.repaired_surrogates > 0 && model.find("\xEF\xBF\xBD") != std::string_view::npos) {
    return client_error("lone_surrogate", "The model's name contains half a surrogate pair.",
                        "model");
  }
  view.model = model;
  return std::nullopt;
}

}  // namespace turnpike::dialect
