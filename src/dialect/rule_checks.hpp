// What the first look of every dialect is made of: rules for single fields, as data, and the checks
// that apply them. Source: reliability specification, "JSON input rules".
//
// Every field that is read anywhere has a type it may have, so that nothing behind these checks
// meets a surprise. Unknown fields pass. All faults are 400 with the JSON path in `param`.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dialect/request_rules.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

using Fault = std::optional<Error>;

inline constexpr std::int64_t tokens_max = (std::int64_t{1} << 31U) - 1;

/// Kinds of JSON values as a set; null is always allowed and means "not set".
enum class JsonKinds : unsigned {
  boolean = 1,
  integer = 2,
  number = 6,  // integers included
  string = 8,
  array = 16,
  object = 32,
  text_or_array = 24,
  text_or_object = 40,
  array_or_object = 48,
};

/// The 400 for a value of none of these kinds, `param` being its path; nothing if the value is fine
/// or null.
Fault check_kind(const simdjson::dom::element& value, JsonKinds allowed, std::string_view param);
/// The 400 for two members of the same name, compared after unescaping.
Fault check_unique(const simdjson::dom::object& object, std::string_view param);

/// Puts `place` in front of the path of a fault found further in.
Fault inside(Fault fault, std::string_view place);

/// A member that is read somewhere: the kinds it may have, and what its inside must look like.
struct FieldRule {
  std::string_view name;
  JsonKinds kinds;
  bool required = false;
  Fault (*nested)(const simdjson::dom::element&) = nullptr;
};

/// Duplicates, required members and the types of the named ones, in one pass: histories have 10^5
/// objects. At most 32 rules.
Fault check_object(const simdjson::dom::element& value, std::span<const FieldRule> rules);
/// Each element of a list; strings and null in its place have none.
Fault check_each(const simdjson::dom::element& value,
                 Fault (*check)(const simdjson::dom::element&));

/// A member of the body itself.
struct TopRule {
  std::string_view name;
  JsonKinds kinds;
  bool decides = false;  // changes price, routing or streaming: no spelling but this one
};

/// Keys that are a deciding one but for ASCII case, and keys that name a host.
Fault check_key(std::string_view key, std::span<const TopRule> rules);
Fault check_type(std::string_view key, const simdjson::dom::element& value,
                 std::span<const TopRule> rules);

bool equal_but_for_case(std::string_view a, std::string_view b);
/// Fields by which clients of other gateways name a host. Spelling variants count as well.
bool names_a_host(std::string_view key);

/// An integer from 1 to `max` into `into`; null leaves it alone.
Fault read_bounded(const simdjson::dom::element& value, std::string_view name, std::int64_t max,
                   std::int64_t& into);
/// OpenAI's tiers: only the default one has a price in the catalog.
Fault check_service_tier(const simdjson::dom::element& value);
/// The model's name into the view, after its repairs have been counted there.
Fault read_model(const simdjson::dom::element& value, RequestView& view);

}  // namespace turnpike::dialect
