#include "dialect/schema_fit.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "dialect/read_request.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {
namespace {

using nlohmann::json;

/// Both texts come from strangers: the parser's depth is bounded before anything recursive reads its result.
std::optional<json> parse_bounded(std::string_view text) {
  if (wire::check_json(text, wire::json_depth_max).fault) return std::nullopt;
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

bool whole_number(const json& value) {
  if (value.is_number_integer()) return true;
  return value.is_number_float() && std::floor(value.get<double>()) == value.get<double>();
}

/// Code points, as JSON Schema counts a string's length.
std::size_t length_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

class Fitter {
 public:
  explicit Fitter(const json& root) : root_(root) {}

  bool fits(const json& value, const json& schema) {
    if (++steps_ > steps_max || depth_ >= depth_max) return true;
    if (schema.is_boolean()) return schema.get<bool>();
    if (!schema.is_object()) return true;
    ++depth_;
    const bool good = refers(value, schema) && is_type(value, schema) && is_listed(value, schema) && is_bounded(value, schema) &&
                      object_fits(value, schema) && array_fits(value, schema) && branches_fit(value, schema);
    --depth_;
    return good;
  }

 private:
  static constexpr int steps_max = 100'000;
  static constexpr int depth_max = 128;

  static const json* member(const json& schema, const char* name) {
    const auto found = schema.find(name);
    return found == schema.end() ? nullptr : &*found;
  }

  /// Only into the same document; what points nowhere is not judged.
  bool refers(const json& value, const json& schema) {
    const json* reference = member(schema, "$ref");
    if (reference == nullptr || !reference->is_string()) return true;
    const auto& text = reference->get_ref<const std::string&>();
    if (!text.starts_with('#')) return true;
    const json* at = &root_;
    for (std::size_t begin = 1; begin < text.size();) {
      const auto end = std::min(text.find('/', begin + 1), text.size());
      const std::string part = text.substr(begin + 1, end - begin - 1);
      if (!at->is_object() || !at->contains(part)) return true;
      at = &(*at)[part];
      begin = end;
    }
    return fits(value, *at);
  }

  static bool is_named(const json& value, std::string name) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name == "object") return value.is_object();
    if (name == "array") return value.is_array();
    if (name == "string") return value.is_string();
    if (name == "boolean") return value.is_boolean();
    if (name == "null") return value.is_null();
    if (name == "number") return value.is_number();
    if (name == "integer") return whole_number(value);
    return true;  // a type nobody knows
  }

  static bool is_type(const json& value, const json& schema) {
    const json* type = member(schema, "type");
    if (type == nullptr) return true;
    if (const json* nullable = member(schema, "nullable"); nullable != nullptr && *nullable == true && value.is_null()) return true;
    if (type->is_string()) return is_named(value, type->get<std::string>());
    if (!type->is_array()) return true;
    return std::ranges::any_of(*type, [&](const json& name) { return name.is_string() && is_named(value, name.get<std::string>()); });
  }

  static bool is_listed(const json& value, const json& schema) {
    if (const json* list = member(schema, "enum"); list != nullptr && list->is_array()) {
      if (std::ranges::find(*list, value) == list->end()) return false;
    }
    const json* constant = member(schema, "const");
    return constant == nullptr || *constant == value;
  }

  template <typename Compare>
  static bool holds(const json& schema, const char* name, double measured, Compare compare) {
    const json* bound = member(schema, name);
    return bound == nullptr || !bound->is_number() || compare(measured, bound->get<double>());
  }

  static bool is_bounded(const json& value, const json& schema) {
    const auto within = [&](const char* least, const char* most, double measured) {
      return holds(schema, least, measured, std::greater_equal{}) && holds(schema, most, measured, std::less_equal{});
    };
    if (value.is_number()) {
      const auto number = value.get<double>();
      return within("minimum", "maximum", number) && holds(schema, "exclusiveMinimum", number, std::greater{}) &&
             holds(schema, "exclusiveMaximum", number, std::less{});
    }
    if (value.is_string()) return within("minLength", "maxLength", static_cast<double>(length_of(value.get_ref<const std::string&>())));
    if (value.is_array()) return within("minItems", "maxItems", static_cast<double>(value.size()));
    return true;
  }

  bool object_fits(const json& value, const json& schema) {
    if (!value.is_object()) return true;
    if (const json* required = member(schema, "required"); required != nullptr && required->is_array()) {
      for (const auto& name : *required) {
        if (name.is_string() && !value.contains(name.get_ref<const std::string&>())) return false;
      }
    }
    const json* properties = member(schema, "properties");
    const json* others = schema.contains("patternProperties") ? nullptr : member(schema, "additionalProperties");
    for (const auto& [name, item] : value.items()) {
      const json* own = properties != nullptr && properties->is_object() ? member(*properties, name.c_str()) : nullptr;
      const json* rule = own != nullptr ? own : others;
      if (rule != nullptr && !fits(item, *rule)) return false;
    }
    return true;
  }

  bool array_fits(const json& value, const json& schema) {
    if (!value.is_array()) return true;
    const json* items = member(schema, "items");
    const json* first = member(schema, "prefixItems");
    if (first == nullptr && items != nullptr && items->is_array()) std::swap(first, items);  // the older spelling
    for (std::size_t i = 0; i < value.size(); ++i) {
      const bool listed = first != nullptr && first->is_array() && i < first->size();
      const json* rule = listed ? &(*first)[i] : items;
      if (rule != nullptr && !fits(value[i], *rule)) return false;
    }
    return true;
  }

  bool branches_fit(const json& value, const json& schema) {
    const auto count = [&](const json& branches) {
      return std::ranges::count_if(branches, [&](const json& branch) { return fits(value, branch); });
    };
    const auto list = [&](const char* name) {
      const json* branches = member(schema, name);
      return branches != nullptr && branches->is_array() ? branches : nullptr;
    };
    if (const json* all = list("allOf"); all != nullptr && count(*all) != static_cast<std::ptrdiff_t>(all->size())) return false;
    if (const json* any = list("anyOf"); any != nullptr && count(*any) == 0) return false;
    if (const json* one = list("oneOf"); one != nullptr && count(*one) != 1) return false;
    const json* never = member(schema, "not");
    return never == nullptr || !fits(value, *never);
  }

  const json& root_;
  int steps_ = 0;
  int depth_ = 0;
};

bool fits(std::string_view value, const json& schema) {
  const auto parsed = parse_bounded(value);
  return parsed && Fitter{schema}.fits(*parsed, schema);
}

}  // namespace

bool fits_schema(std::string_view value, std::string_view schema) {
  const auto parsed = parse_bounded(schema);
  return fits(value, parsed.value_or(json(true)));
}

struct DeclaredTools::Schemas {
  struct Entry {
    json schema;
    bool takes_text = false;
  };
  std::map<std::string, Entry, std::less<>> tools;
};

DeclaredTools::DeclaredTools(std::unique_ptr<Schemas> schemas) : schemas_(std::move(schemas)) {}
DeclaredTools::DeclaredTools(DeclaredTools&&) noexcept = default;
DeclaredTools& DeclaredTools::operator=(DeclaredTools&&) noexcept = default;
DeclaredTools::~DeclaredTools() = default;

Result<DeclaredTools> DeclaredTools::read(Dialect client, const std::string& body, const RequestView& view) {
  auto request = read_request(client, body, view);
  if (!request) return std::unexpected{std::move(request.error())};
  auto schemas = std::make_unique<Schemas>();
  for (const auto& tool : request->tools) {
    // A call names its tool as the client does, inside its own name space.
    Schemas::Entry entry{parse_bounded(tool.parameters).value_or(json(true)), tool.takes_text};
    if (!tool.client_name.empty()) schemas->tools.emplace(tool.client_name, entry);
    schemas->tools.emplace(tool.name, std::move(entry));
  }
  return DeclaredTools{std::move(schemas)};
}

bool DeclaredTools::fit(const ProposedAction& action) const {
  return std::ranges::all_of(action.calls, [&](const ProposedCall& call) {
    const auto tool = schemas_->tools.find(call.name);
    if (tool == schemas_->tools.end()) return false;
    if (tool->second.takes_text || call.free_text) return true;
    return fits(call.arguments.empty() ? "{}" : std::string_view{call.arguments}, tool->second.schema);
  });
}

}  // namespace turnpike::dialect
