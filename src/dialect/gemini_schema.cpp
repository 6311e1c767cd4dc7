#include "dialect/gemini_schema.hpp"

#include <algorithm>
#include <array>

#include "dialect/gemini_fields.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonView;
using wire::JsonWriter;

template <std::size_t n>
using Words = std::array<std::string_view, n>;

template <std::size_t n>
bool among(const Words<n>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// Keywords whose value is a schema, a list of schemas, or schemas by name.
constexpr Words<7> schema_keys{"items", "additionalProperties", "not", "contains", "if", "then",
                               "else"};
constexpr Words<4> list_keys{"anyOf", "oneOf", "allOf", "prefixItems"};
constexpr Words<4> map_keys{"properties", "patternProperties", "$defs", "definitions"};
/// 64-bit integers, which the API's JSON writes as strings.
constexpr Words<6> count_keys{"minItems",  "maxItems",      "minLength",
                              "maxLength", "minProperties", "maxProperties"};
/// Keywords of this dialect that are spelled in two ways.
constexpr Words<9> spelled_keys{"anyOf",         "minItems",         "maxItems",
                                "minLength",     "maxLength",        "minProperties",
                                "maxProperties", "propertyOrdering", "additionalProperties"};
constexpr Words<7> type_words{"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"};

std::string lower_case(std::string_view word) {
  std::string lower;
  for (const char c : word) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

class Converter {
 public:
  std::optional<std::string> run(JsonView schema) {
    convert(schema);
    if (!changed_) return std::nullopt;
    return std::move(out_);
  }

 private:
  void convert(JsonView schema) {
    if (!schema.is_object()) {
      writer_.raw(schema.raw());
      return;
    }
    const GeminiFields fields{schema};
    const bool nullable = fields["nullable"].boolean() == true;
    writer_.begin_object();
    for (const auto& member : fields) {
      const auto name = wire::unescape(member.key);
      convert_member(keyword(name), member.value, nullable);
    }
    writer_.end_object();
  }

  /// JSON Schema's spelling.
  std::string keyword(const std::string& name) {
    for (const auto camel : spelled_keys) {
      if (name == camel || !is_gemini_key(name, camel)) continue;
      changed_ = true;
      return std::string{camel};
    }
    return name;
  }

  /// Not JSON Schema: said by the type or by the enum itself, or a wish without meaning elsewhere.
  static bool is_of_this_dialect(std::string_view key, JsonView value) {
    return key == "nullable" || key == "propertyOrdering" ||
           (key == "format" && value.text_is("enum"));
  }

  void convert_member(const std::string& key, JsonView value, bool nullable) {
    if (is_of_this_dialect(key, value)) {
      changed_ = true;
    } else if (key == "type") {
      convert_type(value, nullable);
    } else if (key == "enum") {
      convert_enum(value, nullable);
    } else if (among(schema_keys, key) && !value.is_array()) {
      writer_.key(key);
      convert(value);
    } else if (among(list_keys, key) || among(schema_keys, key)) {
      convert_list(key, value, nullable);
    } else if (among(map_keys, key) && value.is_object()) {
      convert_map(key, value);
    } else if (among(count_keys, key) && value.is_string()) {
      convert_count(key, value);
    } else {
      writer_.key(key).raw(value.raw());
    }
  }

  void convert_type(JsonView type, bool nullable) {
    if (type.is_string()) {
      const auto word = type.text();
      if (word == "TYPE_UNSPECIFIED") {
        changed_ = true;
        return;
      }
      writer_.key("type");
      if (nullable) writer_.begin_array();
      write_type(word);
      if (nullable) writer_.value("null").end_array();
      return;
    }
    writer_.key("type").begin_array();
    for (const auto& word : type.elements()) write_type(word.text());
    writer_.end_array();
  }

  void write_type(const std::string& word) {
    const bool upper = among(type_words, word);
    changed_ = changed_ || upper;
    writer_.value(std::string_view{upper ? lower_case(word) : word});
  }

  void convert_enum(JsonView values, bool nullable) {
    writer_.key("enum").begin_array();
    for (const auto& value : values.elements()) writer_.raw(value.raw());
    if (nullable) writer_.null();
    writer_.end_array();
  }

  void convert_list(const std::string& key, JsonView list, bool nullable) {
    writer_.key(key).begin_array();
    for (const auto& schema : list.elements()) convert(schema);
    if (nullable && key == "anyOf") writer_.raw(R"({"type":"null"})");
    writer_.end_array();
  }

  void convert_map(const std::string& key, JsonView map) {
    writer_.key(key).begin_object();
    for (const auto& member : map.members()) {
      writer_.key(wire::unescape(member.key));
      convert(member.value);
    }
    writer_.end_object();
  }

  void convert_count(const std::string& key, JsonView count) {
    const auto digits = count.text();
    const bool number = !digits.empty() && digits.size() < 19 &&
                        std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    changed_ = true;
    if (number) writer_.key(key).value(JsonView{digits}.integer().value_or(0));
  }

  std::string out_;
  JsonWriter writer_{out_};
  bool changed_ = false;
};

}  // namespace

std::optional<std::string> json_schema_of(std::string_view schema) {
  return Converter{}.run(JsonView{schema});
}

}  // namespace turnpike::dialect
