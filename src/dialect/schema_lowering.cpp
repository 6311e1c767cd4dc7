#include "dialect/schema_lowering.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonView;

constexpr auto copied_keywords =
    std::to_array<std::string_view>({"$id", "$anchor", "format", "title", "description", "enum",
                                     "minItems", "maxItems", "required", "propertyOrdering"});
/// Say nothing about which values are valid.
constexpr auto annotations = std::to_array<std::string_view>(
    {"$schema", "$comment", "$vocabulary", "default", "example", "examples", "deprecated",
     "readOnly", "writeOnly", "strict", "markdownDescription"});
constexpr auto array_keywords =
    std::to_array<std::string_view>({"items", "prefixItems", "minItems", "maxItems"});
constexpr auto object_keywords = std::to_array<std::string_view>(
    {"properties", "additionalProperties", "required", "propertyOrdering"});
constexpr auto number_keywords = std::to_array<std::string_view>({"minimum", "maximum"});

template <typename List>
bool among(const List& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

/// A schema with its allOf folded in: each keyword once, with the value of every branch that has
/// it, in the order of first appearance. Look-ups are ordered trees here and below: clients choose
/// the names, and a tree has no bad case for them to find.
struct Flat {
  struct Entry {
    std::string key;
    std::vector<JsonView> values;
  };
  std::vector<Entry> entries;
  std::map<std::string, std::size_t, std::less<>> places;  // of a key in entries

  [[nodiscard]] const Entry* find(std::string_view key) const {
    const auto found = places.find(key);
    return found == places.end() ? nullptr : &entries[found->second];
  }
  [[nodiscard]] JsonView first(std::string_view key) const {
    const auto* entry = find(key);
    return entry == nullptr ? JsonView{} : entry->values.front();
  }
  void add(std::string key, JsonView value) {
    const auto [place, added] = places.try_emplace(key, entries.size());
    if (added) {
      entries.push_back({std::move(key), {value}});
    } else {
      entries[place->second].values.push_back(value);
    }
  }
};

void flatten(JsonView schema, Flat& flat) {
  for (const auto& member : schema.members()) {
    if (!member.is("allOf")) {
      flat.add(wire::unescape(member.key), member.value);
      continue;
    }
    for (const auto& branch : member.value.elements()) flatten(branch, flat);
  }
}

/// Keywords whose values from several branches unite without loss.
bool unites(std::string_view key) {
  return key == "properties" || key == "required" || key == "$defs" || key == "definitions";
}

/// What to write for a value limit, given the plain and the exclusive keyword.
std::optional<std::string> limit(const Flat& flat, bool lower, bool integral, bool& lossy) {
  const auto plain = flat.first(lower ? "minimum" : "maximum");
  const auto exclusive = flat.first(lower ? "exclusiveMinimum" : "exclusiveMaximum");
  const auto moved = [&](JsonView bound) -> std::string {
    const auto whole = bound.integer();
    if (!integral || !whole || *whole <= -(std::int64_t{1} << 53U) ||
        *whole >= (std::int64_t{1} << 53U)) {
      lossy = true;
      return std::string{bound.raw()};
    }
    return std::to_string(*whole + (lower ? 1 : -1));
  };
  // Draft 4: a flag that makes the plain bound exclusive.
  if (exclusive.is_bool()) {
    if (!plain.is_number()) return std::nullopt;
    return exclusive.boolean() == true ? moved(plain) : std::string{plain.raw()};
  }
  if (!exclusive.is_number())
    return plain.is_number() ? std::optional{std::string{plain.raw()}} : std::nullopt;
  const auto bound = exclusive.number();
  const auto other = plain.number();
  const bool plain_is_tighter = bound && other && (lower ? *other > *bound : *other < *bound);
  return plain_is_tighter ? std::string{plain.raw()} : moved(exclusive);
}

/// "#/definitions/X" is where drafts before 2019 kept what is now "#/$defs/X".
std::string renamed_reference(std::string reference) {
  constexpr std::string_view old_place = "#/definitions/";
  if (reference.starts_with(old_place)) reference.replace(0, old_place.size(), "#/$defs/");
  return reference;
}

class Lowering {
 public:
  Lowering(LoweredSchema& out, std::size_t bytes_max)
      : out_(out), bytes_max_(bytes_max), writer_(out.json) {}

  void schema(JsonView value) {
    writer_.begin_object();
    const auto begin = out_.json.size();
    if (full(dropped_)) {
      cut(begin);
    } else if (value.is_object()) {
      object_schema(value);
      if (full()) cut(begin);
    } else {
      // true allows everything; false cannot be said.
      out_.lossy |= value.boolean() == false;
    }
    writer_.end_object();
  }

 private:
  /// No room is left for the closing brace. A schema that begins counts what was cut away before
  /// it, too: the limit bounds the work as well as the text.
  [[nodiscard]] bool full(std::size_t dropped = 0) const {
    return out_.json.size() + dropped >= bytes_max_;
  }

  /// Replaces what has been written of a schema, from behind its brace on. The caller closes it.
  void cut(std::size_t begin) {
    dropped_ += out_.json.size() - begin;
    out_.json.resize(begin);
    out_.json += R"("type":"object")";
    out_.lossy = true;
  }

  void object_schema(JsonView value) {
    Flat flat;
    flatten(value, flat);
    const auto types = type_names(flat);
    const bool split =
        types.size() > 1 && flat.find("anyOf") == nullptr && flat.find("oneOf") == nullptr;
    out_.lossy |= types.size() > 1 && !split;
    if (types.size() == 1) writer_.member("type", std::string_view{types.front()});
    for (const auto& entry : flat.entries) {
      if (!split || !belongs_to_a_type(entry.key)) keyword(entry, flat);
    }
    if (!split) limits(flat, !types.empty() && types.front() == "integer");
    if (split) alternatives(types, flat);
  }

  /// Each name once: every alternative is a type of its own, so no nested schema is written twice.
  static std::vector<std::string> type_names(const Flat& flat) {
    std::vector<std::string> names;
    std::set<std::string> seen;
    const auto add = [&](std::string name) {
      if (seen.insert(name).second) names.push_back(std::move(name));
    };
    const auto type = flat.first("type");
    if (type.is_string()) add(type.text());
    for (const auto& name : type.elements()) add(name.text());
    if (!names.empty() && flat.first("nullable").boolean() == true) add("null");
    return names;
  }

  static bool belongs_to_a_type(std::string_view key) {
    return among(array_keywords, key) || among(object_keywords, key);
  }

  void alternatives(const std::vector<std::string>& types, const Flat& flat) {
    writer_.key("anyOf").begin_array();
    for (const auto& type : types) {
      writer_.begin_object().member("type", std::string_view{type});
      if (type == "array") keywords_among(array_keywords, flat);
      if (type == "object") keywords_among(object_keywords, flat);
      if (type == "integer" || type == "number") limits(flat, type == "integer");
      writer_.end_object();
    }
    writer_.end_array();
  }

  template <typename List>
  void keywords_among(const List& list, const Flat& flat) {
    for (const auto& entry : flat.entries) {
      if (among(list, entry.key)) keyword(entry, flat);
    }
  }

  void limits(const Flat& flat, bool integral) {
    for (const bool lower : {true, false}) {
      if (const auto bound = limit(flat, lower, integral, out_.lossy)) {
        writer_.key(lower ? "minimum" : "maximum").raw(*bound);
      }
    }
  }

  void keyword(const Flat::Entry& entry, const Flat& flat) {
    const auto& key = entry.key;
    const auto value = entry.values.front();
    const bool differ =
        std::ranges::any_of(entry.values, [&](JsonView v) { return v.raw() != value.raw(); });
    out_.lossy |= differ && !unites(key) && key != "description" && key != "title" &&
                  !among(annotations, key);
    if (key == "properties") return named_schemas(key, entry.values);
    if (key == "$defs" || key == "definitions") return definitions(key, flat);
    if (key == "required" && entry.values.size() > 1) return required(entry.values);
    if (key == "$ref") {
      writer_.member("$ref", std::string_view{renamed_reference(value.text())});
    } else if (key == "items" || key == "additionalProperties") {
      items(key, value);
    } else if (key == "anyOf" || key == "oneOf" || key == "prefixItems") {
      list(key, value);
    } else if (key == "const") {
      if (flat.find("enum") == nullptr)
        writer_.key("enum").begin_array().raw(value.raw()).end_array();
    } else if (among(copied_keywords, key)) {
      writer_.key(key).raw(value.raw());
    } else if (!is_handled_elsewhere(key)) {
      out_.lossy |= !among(annotations, key);
    }
  }

  static bool is_handled_elsewhere(std::string_view key) {
    return key == "type" || key == "nullable" || among(number_keywords, key) ||
           key == "exclusiveMinimum" || key == "exclusiveMaximum";
  }

  /// Boolean values keep their meaning here; the old tuple form becomes prefixItems.
  void items(std::string_view key, JsonView value) {
    if (value.is_array()) return list("prefixItems", value);
    writer_.key(key);
    if (key == "additionalProperties" && value.is_bool()) {
      writer_.raw(value.raw());
    } else {
      schema(value);
    }
  }

  void list(std::string_view key, JsonView value) {
    writer_.key(key).begin_array();
    for (const auto& branch : value.elements()) schema(branch);
    writer_.end_array();
  }

  void named_schemas(std::string_view key, const std::vector<JsonView>& maps) {
    writer_.key(key).begin_object();
    std::set<std::string> written;
    for (const auto& map : maps) {
      for (const auto& member : map.members()) {
        const auto [added_name, added] = written.insert(wire::unescape(member.key));
        if (!added) {
          out_.lossy = true;  // two branches describe one property
          continue;
        }
        writer_.key(*added_name);
        schema(member.value);
      }
    }
    writer_.end_object();
  }

  void definitions(std::string_view key, const Flat& flat) {
    const auto* modern = flat.find("$defs");
    const auto* old = flat.find("definitions");
    if (modern != nullptr && old != nullptr && key == "definitions")
      return;  // written with the others
    std::vector<JsonView> maps;
    for (const auto* entry : {modern, old}) {
      if (entry != nullptr) maps.insert(maps.end(), entry->values.begin(), entry->values.end());
    }
    named_schemas("$defs", maps);
  }

  void required(const std::vector<JsonView>& lists) {
    std::set<std::string_view> written;
    writer_.key("required").begin_array();
    for (const auto& names : lists) {
      for (const auto& name : names.elements()) {
        if (written.insert(name.raw()).second) writer_.raw(name.raw());
      }
    }
    writer_.end_array();
  }

  LoweredSchema& out_;
  std::size_t bytes_max_;
  std::size_t dropped_ = 0;  // bytes written and cut away again
  wire::JsonWriter writer_;
};

}  // namespace

LoweredSchema lower_schema(std::string_view schema) {
  constexpr std::size_t always_allowed = 64UL * 1024;
  return lower_schema(schema, std::max(always_allowed, 4 * schema.size()));
}

LoweredSchema lower_schema(std::string_view schema, std::size_t bytes_max) {
  LoweredSchema lowered;
  Lowering{lowered, bytes_max}.schema(JsonView{schema});
  return lowered;
}

}  // namespace turnpike::dialect
