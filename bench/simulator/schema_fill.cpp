#include "schema_fill.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr int depth_max = 12;

class Filler {
 public:
  Filler(const Json& root, const FillHints& hints) : root_(root), hints_(hints) {}

  Json value(const Json& schema, std::string_view name, int depth) const {
    if (!schema.is_object() || depth > depth_max) return Json::object();
    if (const Json* target = referenced(schema)) return value(*target, name, depth + 1);
    if (schema.contains("const")) return schema["const"];
    if (const auto at = schema.find("enum"); at != schema.end() && at->is_array() && !at->empty()) {
      return (*at)[hints_.variant % at->size()];
    }
    if (schema.contains("default") && !schema["default"].is_null()) return schema["default"];
    for (const char* key : {"anyOf", "oneOf"}) {
      if (const Json* branch = first_real(schema, key)) return value(*branch, name, depth + 1);
    }
    const std::string type = type_of(schema);
    if (type == "string") return text(schema, to_lower(name));
    if (type == "integer" || type == "number") return number(schema, type == "integer");
    if (type == "boolean") return false;
    if (type == "null") return nullptr;
    if (type == "array") return array(schema, name, depth);
    return object(schema, depth);
  }

 private:
  const Json* referenced(const Json& schema) const {
    const auto at = schema.find("$ref");
    if (at == schema.end() || !at->is_string()) return nullptr;
    const auto ref = at->get<std::string>();
    if (!ref.starts_with("#")) return nullptr;
    try {
      return &root_.at(Json::json_pointer(ref.substr(1)));
    } catch (const Json::exception&) {
      return nullptr;
    }
  }

  static const Json* first_real(const Json& schema, const char* key) {
    const auto at = schema.find(key);
    if (at == schema.end() || !at->is_array()) return nullptr;
    for (const auto& branch : *at) {
      if (branch.is_object() && type_of(branch) != "null") return &branch;
    }
    return nullptr;
  }

  static std::string type_of(const Json& schema) {
    const auto at = schema.find("type");
    if (at != schema.end() && at->is_string()) return to_lower(at->get<std::string>());
    if (at != schema.end() && at->is_array()) {
      for (const auto& one : *at) {
        if (one.is_string() && to_lower(one.get<std::string>()) != "null")
          return to_lower(one.get<std::string>());
      }
    }
    if (schema.contains("items")) return "array";
    return "object";
  }

  Json text(const Json& schema, const std::string& name) const {
    const auto format = schema.value("format", std::string{});
    std::string out;
    if (format == "date-time")
      out = "2026-11-22T10:00:00Z";
    else if (format == "date")
      out = "2026-11-22";
    else if (format == "time")
      out = "10:00:00Z";
    else if (format == "email")
      out = "dev@example.org";
    else if (format == "uri" || format == "url" || name.find("url") != std::string::npos)
      out = "https://example.org/";
    else if (format == "uuid")
      out = random_uuid(hints_.variant + 1);
    else
      out = text_for_name(name);
    const auto least = schema.value("minLength", std::size_t{0});
    const auto most = schema.value("maxLength", std::size_t{4096});
    while (out.size() < least) out += 'x';
    if (out.size() > most) out.resize(utf8_cut(out, most));
    return out;
  }

  // What a property of this name usually holds; parallel calls differ where that makes sense.
  std::string text_for_name(const std::string& name) const {
    struct Usual {
      std::string_view part;
      std::string_view text;
      std::string_view others;  // for the second parallel call on; a number is appended
    };
    static constexpr std::array<Usual, 19> usual = {
        {{"description", "Look at the project", "Look again "},
         {"reason", "Look at the project", "Look again "},
         {"explanation", "Look at the project", "Look again "},
         {"title", "Gateway routing check", ""},
         {"path", "README.md", "notes"},
         {"file", "README.md", "notes"},
         {"dir", "src", "src"},
         {"pattern", "*.md", ""},
         {"glob", "*.md", ""},
         {"regex", "error", ""},
         {"city", "Berlin", "Lisbon "},
         {"location", "Berlin", "Lisbon "},
         {"place", "Berlin", "Lisbon "},
         {"lat", "52.5200", ""},
         {"lon", "13.4050", ""},
         {"old", "before", ""},
         {"new", "after", ""},
         {"content", "after", ""},
         {"id", "item", "item"}}};
    const bool command = name == "command" || name == "commands" || name == "cmd" ||
                         name == "script" || name.find("shell") != std::string::npos;
    if (command) return hints_.command;
    const std::string nth = std::to_string(hints_.variant + 1);
    for (const auto& [part, text, others] : usual) {
      if (name.find(part) == std::string::npos) continue;
      return hints_.variant == 0 || others.empty() ? std::string{text} : std::string{others} + nth;
    }
    return hints_.variant == 0 ? hints_.topic : hints_.topic + "-" + nth;
  }

  static Json number(const Json& schema, bool whole) {
    double least = 1;
    bool bounded = false;
    if (const auto at = schema.find("minimum"); at != schema.end() && at->is_number()) {
      least = at->get<double>();
      bounded = true;
    } else if (const auto open = schema.find("exclusiveMinimum");
               open != schema.end() && open->is_number()) {
      least = std::floor(open->get<double>()) + 1;
      bounded = true;
    }
    if (const auto most = schema.find("maximum");
        most != schema.end() && most->is_number() && !bounded) {
      least = std::min(least, most->get<double>());
    }
    if (whole) return static_cast<std::int64_t>(std::ceil(least));
    return least;
  }

  Json array(const Json& schema, std::string_view name, int depth) const {
    Json out = Json::array();
    const auto prefix = schema.find("prefixItems");
    if (prefix != schema.end() && prefix->is_array()) {
      for (const auto& item : *prefix) out.push_back(value(item, name, depth + 1));
    }
    const auto least = std::min<std::size_t>(schema.value("minItems", std::size_t{1}), 64);
    if (const auto items = schema.find("items"); items != schema.end() && items->is_object()) {
      while (out.size() < std::max<std::size_t>(least, 1))
        out.push_back(value(*items, name, depth + 1));
    }
    return out;
  }

  Json object(const Json& schema, int depth) const {
    Json out = Json::object();
    if (const auto all = schema.find("allOf"); all != schema.end() && all->is_array()) {
      for (const auto& part : *all) merge(out, value(part, "", depth + 1));
    }
    const auto properties = schema.find("properties");
    if (properties == schema.end() || !properties->is_object()) return out;
    for (const auto& [key, property] : properties->items()) {
      if (!hints_.optional_too && !is_required(schema, key)) continue;
      out[key] = value(property, key, depth + 1);
    }
    return out;
  }

  static void merge(Json& into, Json from) {
    if (!from.is_object()) return;
    for (auto& [key, value] : from.items()) into[key] = std::move(value);
  }

  static bool is_required(const Json& schema, const std::string& key) {
    const auto required = schema.find("required");
    return required != schema.end() && required->is_array() &&
           std::find(required->begin(), required->end(), key) != required->end();
  }

  const Json& root_;
  const FillHints& hints_;
};

}  // namespace

Json fill_schema(const Json& schema, const FillHints& hints) {
  return Filler{schema, hints}.value(schema, "", 0);
}

}  // namespace turnpike::simulator
