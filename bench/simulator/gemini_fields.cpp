#include "gemini_fields.hpp"

#include <cctype>
#include <functional>
#include <map>

namespace turnpike::simulator {
namespace {

// message -> field -> message of the field ("" : a scalar or something not looked into)
using Fields = std::map<std::string, std::string, std::less<>>;
using Messages = std::map<std::string, Fields, std::less<>>;

Fields scalars(std::initializer_list<std::string> names) {
  Fields fields;
  for (const auto& name : names) fields.emplace(name, "");
  return fields;
}

Fields with(Fields fields, std::initializer_list<std::pair<const std::string, std::string>> more) {
  fields.insert(more.begin(), more.end());
  return fields;
}

const Messages& messages() {
  static const Messages all = {
      {"request",
       with(scalars({"cachedContent", "serviceTier", "store", "safetySettings", "labels", "model"}),
            {{"contents", "content"},
             {"systemInstruction", "content"},
             {"tools", "tool"},
             {"toolConfig", "toolConfig"},
             {"generationConfig", "generation"}})},
      {"content", with(scalars({"role"}), {{"parts", "part"}})},
      {"part", with(scalars({"text", "thought", "thoughtSignature", "executableCode",
                             "codeExecutionResult", "toolCall", "toolResponse", "partMetadata",
                             "videoMetadata", "mediaResolution"}),
                    {{"inlineData", "blob"},
                     {"fileData", "file"},
                     {"functionCall", "call"},
                     {"functionResponse", "response"}})},
      {"blob", scalars({"mimeType", "data", "displayName"})},
      {"file", scalars({"mimeType", "fileUri", "displayName"})},
      {"call", scalars({"id", "name", "args", "partialArgs", "willContinue"})},
      {"response", scalars({"id", "name", "response", "parts", "willContinue", "scheduling"})},
      {"tool", with(scalars({"googleSearch", "googleSearchRetrieval", "urlContext", "codeExecution",
                             "fileSearch", "googleMaps", "computerUse", "mcpServers"}),
                    {{"functionDeclarations", "declaration"}})},
      {"declaration", with(scalars({"name", "description", "parametersJsonSchema",
                                    "responseJsonSchema", "behavior"}),
                           {{"parameters", "schema"}, {"response", "schema"}})},
      {"schema",
       with(scalars({"type", "format", "title", "description", "nullable", "enum", "maxItems",
                     "minItems", "required", "minProperties", "maxProperties", "minLength",
                     "maxLength", "pattern", "example", "propertyOrdering", "minimum", "maximum"}),
            {{"properties", "*schema"}, {"items", "schema"}, {"anyOf", "schema"}})},
      {"toolConfig", with(scalars({"retrievalConfig", "includeServerSideToolInvocations"}),
                          {{"functionCallingConfig", "calling"}})},
      {"calling", scalars({"mode", "allowedFunctionNames", "streamFunctionCallArguments"})},
      {"generation",
       with(scalars({"temperature", "topP", "topK", "candidateCount", "maxOutputTokens",
                     "stopSequences", "seed", "presencePenalty", "frequencyPenalty",
                     "responseLogprobs", "logprobs", "responseMimeType", "responseJsonSchema",
                     "responseModalities", "mediaResolution", "speechConfig", "imageConfig",
                     "enableEnhancedCivicAnswers"}),
            {{"responseSchema", "schema"}, {"thinkingConfig", "thinking"}})},
      {"thinking", scalars({"includeThoughts", "thinkingBudget", "thinkingLevel"})},
  };
  return all;
}

std::string camel(std::string_view name) {
  std::string out;
  bool raise = false;
  for (const char c : name) {
    if (c == '_' && !out.empty()) {
      raise = true;
      continue;
    }
    out += raise ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    raise = false;
  }
  return out;
}

std::string snake(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0) out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

std::optional<UnknownField> look(const Json& value, const std::string& message,
                                 const std::string& place);

std::optional<UnknownField> look_into(const Json& value, const std::string& message,
                                      const std::string& place) {
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (auto found = look(value[i], message, place + "[" + std::to_string(i) + "]")) return found;
    }
    return std::nullopt;
  }
  return look(value, message, place);
}

std::optional<UnknownField> look_at_map(const Json& value, const std::string& message,
                                        const std::string& place) {
  std::size_t index = 0;
  for (const auto& [key, entry] : value.items()) {
    if (auto found = look(entry, message, place + "[" + std::to_string(index++) + "].value"))
      return found;
  }
  return std::nullopt;
}

std::optional<UnknownField> look(const Json& value, const std::string& message,
                                 const std::string& place) {
  if (!value.is_object()) return std::nullopt;
  const auto& fields = messages().at(message);
  for (const auto& [key, child] : value.items()) {
    const auto field = fields.find(camel(key));
    if (field == fields.end()) return UnknownField{key, place};
    if (field->second.empty()) continue;
    const auto below = (place.empty() ? "" : place + ".") + snake(field->first);
    auto found = field->second.front() == '*' ? look_at_map(child, field->second.substr(1), below)
                                              : look_into(child, field->second, below);
    if (found) return found;
  }
  return std::nullopt;
}

Json renamed(const Json& value, const std::string& message) {
  if (value.is_array()) {
    Json out = Json::array();
    for (const auto& one : value) out.push_back(renamed(one, message));
    return out;
  }
  if (!value.is_object() || message == "schema" || message.front() == '*') return value;
  Json out = Json::object();
  const auto& fields = messages().at(message);
  for (const auto& [key, child] : value.items()) {
    const auto field = fields.find(camel(key));
    const bool known = field != fields.end();
    out[known ? field->first : key] =
        known && !field->second.empty() ? renamed(child, field->second) : child;
  }
  return out;
}

enum class Below : std::uint8_t { nothing, schema, named_schemas };

// The documented subset of JSON Schema, and where further schemas lie.
const std::map<std::string, Below, std::less<>>& keywords() {
  static const std::map<std::string, Below, std::less<>> all = [] {
    std::map<std::string, Below, std::less<>> made;
    for (const auto* name :
         {"$id", "$ref", "$anchor", "type", "format", "title", "description", "enum", "minItems",
          "maxItems", "minimum", "maximum", "required", "propertyOrdering"}) {
      made.emplace(name, Below::nothing);
    }
    for (const auto* name : {"items", "prefixItems", "anyOf", "oneOf", "additionalProperties"})
      made.emplace(name, Below::schema);
    for (const auto* name : {"properties", "$defs"}) made.emplace(name, Below::named_schemas);
    return made;
  }();
  return all;
}

/// In any of an array's or object's values.
std::optional<std::string> first_unsupported(const Json& schemas) {
  for (const auto& schema : schemas) {
    if (auto found = find_unsupported_keyword(schema)) return found;
  }
  return std::nullopt;
}

}  // namespace

std::optional<UnknownField> find_unknown_field(const Json& request) {
  return look(request, "request", "");
}

std::optional<std::string> find_unsupported_keyword(const Json& schema) {
  if (schema.is_array()) return first_unsupported(schema);
  if (!schema.is_object()) return std::nullopt;
  for (const auto& [key, value] : schema.items()) {
    const auto known = keywords().find(key);
    if (known == keywords().end()) return key;
    std::optional<std::string> found;
    if (known->second == Below::schema) found = find_unsupported_keyword(value);
    if (known->second == Below::named_schemas) found = first_unsupported(value);
    if (found) return found;
  }
  return std::nullopt;
}

Json in_camel_case(const Json& request) { return renamed(request, "request"); }

}  // namespace turnpike::simulator
