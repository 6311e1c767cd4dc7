// body := {contents, systemInstruction?, tools?, toolConfig?, generationConfig?, …}
//       | {generateContentRequest: body}                          of a token count
// content := {role?, parts: [part*] | part}                        every name in either spelling
#include "dialect/rules_gemini.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dialect/gemini_fields.hpp"
#include "dialect/rule_checks.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::int64_t choices_max = 8;

// ---- spellings

/// One field under both of its names: whichever the provider takes, the gateway may have read the
/// other.
Fault check_spellings(const object& fields) {
  std::vector<std::string> camels;  // of the names that have another spelling: "part_1" has none
  for (const auto field : fields) {
    if (field.key.find('_') == std::string_view::npos) continue;
    if (auto camel = camel_case(field.key); camel != field.key) camels.push_back(std::move(camel));
  }
  if (camels.empty()) return std::nullopt;
  std::unordered_set<std::string_view> keys;
  for (const auto field : fields) keys.insert(field.key);
  for (const auto& camel : camels) {
    if (!keys.contains(camel)) continue;
    return client_error(
        "duplicate_key",
        fmt::format("The field {} occurs twice, in two spellings.", quoted_for_message(camel)),
        camel);
  }
  return std::nullopt;
}

Fault check_fields(const element& value, std::span<const FieldRule> rules) {
  if (auto fault = check_object(value, rules)) return fault;
  return check_spellings(object{value});
}

Fault check_listed(const element& value, Fault (*check)(const element&)) {
  return value.is_object() ? check(value) : check_each(value, check);
}

Fault check_text(const element& value) { return check_kind(value, JsonKinds::string, ""); }
Fault check_texts(const element& value) { return check_each(value, check_text); }

// ---- contents

Fault check_blob(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"mimeType", JsonKinds::string},
      {"mime_type", JsonKinds::string},
      {"data", JsonKinds::string},
      {"fileUri", JsonKinds::string},
      {"file_uri", JsonKinds::string},
  });
  return check_fields(value, rules);
}

Fault check_call(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"id", JsonKinds::string},
      {"name", JsonKinds::string, true},
      {"args", JsonKinds::object},
  });
  return check_fields(value, rules);
}

Fault check_media_part(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"inlineData", JsonKinds::object, false, check_blob},
      {"inline_data", JsonKinds::object, false, check_blob},
      {"fileData", JsonKinds::object, false, check_blob},
      {"file_data", JsonKinds::object, false, check_blob},
  });
  return check_fields(value, rules);
}

Fault check_media_parts(const element& value) { return check_listed(value, check_media_part); }

Fault check_response(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"id", JsonKinds::string},
      {"name", JsonKinds::string},
      {"response", JsonKinds::object},
      {"parts", JsonKinds::array_or_object, false, check_media_parts},
  });
  return check_fields(value, rules);
}

Fault check_part(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"text", JsonKinds::string},
      {"thought", JsonKinds::boolean},
      {"thoughtSignature", JsonKinds::string},
      {"thought_signature", JsonKinds::string},
      {"inlineData", JsonKinds::object, false, check_blob},
      {"inline_data", JsonKinds::object, false, check_blob},
      {"fileData", JsonKinds::object, false, check_blob},
      {"file_data", JsonKinds::object, false, check_blob},
      {"functionCall", JsonKinds::object, false, check_call},
      {"function_call", JsonKinds::object, false, check_call},
      {"functionResponse", JsonKinds::object, false, check_response},
      {"function_response", JsonKinds::object, false, check_response},
  });
  return check_fields(value, rules);
}

Fault check_parts(const element& value) { return check_listed(value, check_part); }

Fault check_content(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"role", JsonKinds::string},
      {"parts", JsonKinds::array_or_object, false, check_parts},
  });
  return check_fields(value, rules);
}

Fault check_contents(const element& value) { return check_listed(value, check_content); }

Fault check_instruction(const element& value) {
  if (value.is_string()) return std::nullopt;
  return check_contents(value);
}

// ---- tools and configuration

Fault check_declaration(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"name", JsonKinds::string, true},
      {"description", JsonKinds::string},
      {"parameters", JsonKinds::object},
      {"parametersJsonSchema", JsonKinds::object},
      {"parameters_json_schema", JsonKinds::object},
  });
  return check_fields(value, rules);
}

Fault check_declarations(const element& value) { return check_listed(value, check_declaration); }

Fault check_tool(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"functionDeclarations", JsonKinds::array_or_object, false, check_declarations},
      {"function_declarations", JsonKinds::array_or_object, false, check_declarations},
  });
  return check_fields(value, rules);
}

Fault check_tools(const element& value) { return check_listed(value, check_tool); }

Fault check_calling_config(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"mode", JsonKinds::string},
      {"allowedFunctionNames", JsonKinds::array, false, check_texts},
      {"allowed_function_names", JsonKinds::array, false, check_texts},
  });
  return check_fields(value, rules);
}

Fault check_tool_config(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"functionCallingConfig", JsonKinds::object, false, check_calling_config},
      {"function_calling_config", JsonKinds::object, false, check_calling_config},
  });
  return check_fields(value, rules);
}

Fault check_thinking(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"includeThoughts", JsonKinds::boolean},
      {"include_thoughts", JsonKinds::boolean},
      {"thinkingBudget", JsonKinds::integer},
      {"thinking_budget", JsonKinds::integer},
      {"thinkingLevel", JsonKinds::string},
      {"thinking_level", JsonKinds::string},
  });
  return check_fields(value, rules);
}

Fault check_bounded(const element& value, std::int64_t max) {
  std::int64_t number = 0;
  if (auto fault = read_bounded(value, "value", max, number)) {
    fault->param.clear();
    fault->message = fmt::format("This must be an integer from 1 to {}.", max);
    return fault;
  }
  return std::nullopt;
}

Fault check_tokens(const element& value) { return check_bounded(value, tokens_max); }
Fault check_choices(const element& value) { return check_bounded(value, choices_max); }

Fault check_generation(const element& value) {
  constexpr auto rules = std::to_array<FieldRule>({
      {"temperature", JsonKinds::number},
      {"topP", JsonKinds::number},
      {"top_p", JsonKinds::number},
      {"topK", JsonKinds::number},
      {"top_k", JsonKinds::number},
      {"candidateCount", JsonKinds::integer, false, check_choices},
      {"candidate_count", JsonKinds::integer, false, check_choices},
      {"maxOutputTokens", JsonKinds::integer, false, check_tokens},
      {"max_output_tokens", JsonKinds::integer, false, check_tokens},
      {"stopSequences", JsonKinds::array, false, check_texts},
      {"stop_sequences", JsonKinds::array, false, check_texts},
      {"seed", JsonKinds::number},
      {"presencePenalty", JsonKinds::number},
      {"presence_penalty", JsonKinds::number},
      {"frequencyPenalty", JsonKinds::number},
      {"frequency_penalty", JsonKinds::number},
      {"responseLogprobs", JsonKinds::boolean},
      {"response_logprobs", JsonKinds::boolean},
      {"logprobs", JsonKinds::number},
      {"responseMimeType", JsonKinds::string},
      {"response_mime_type", JsonKinds::string},
      {"responseSchema", JsonKinds::object},
      {"response_schema", JsonKinds::object},
      {"responseJsonSchema", JsonKinds::object},
      {"response_json_schema", JsonKinds::object},
      {"responseModalities", JsonKinds::array, false, check_texts},
      {"response_modalities", JsonKinds::array, false, check_texts},
      {"thinkingConfig", JsonKinds::object, false, check_thinking},
      {"thinking_config", JsonKinds::object, false, check_thinking},
  });
  static constexpr auto deciding = std::to_array<TopRule>({
      {"maxOutputTokens", JsonKinds::integer, true},
      {"max_output_tokens", JsonKinds::integer, true},
      {"candidateCount", JsonKinds::integer, true},
      {"candidate_count", JsonKinds::integer, true},
      {"thinkingConfig", JsonKinds::object, true},
      {"thinking_config", JsonKinds::object, true},
  });
  for (const auto field : object{value}) {
    if (auto fault = check_key(field.key, deciding)) return fault;
  }
  return check_fields(value, rules);
}

Fault check_service_tier(const element& value) {
  std::string_view tier;
  if (value.get(tier) != simdjson::SUCCESS) return std::nullopt;
  constexpr auto free_of_charge = std::to_array<std::string_view>(
      {"standard", "SERVICE_TIER_STANDARD", "unspecified", "SERVICE_TIER_UNSPECIFIED"});
  const auto known = [tier](std::string_view name) { return equal_but_for_case(tier, name); };
  if (std::ranges::any_of(free_of_charge, known)) return std::nullopt;
  return client_error(
      "unsupported_parameter",
      fmt::format("Service tier {} has no price here; leave it out or use \"standard\".",
                  quoted_for_message(tier)));
}

/// Deciding names in both spellings: none of another case.
constexpr auto top_rules = std::to_array<TopRule>({
    {"contents", JsonKinds::array_or_object, true},
    {"systemInstruction", JsonKinds::object, true},
    {"system_instruction", JsonKinds::object, true},
    {"tools", JsonKinds::array_or_object, true},
    {"toolConfig", JsonKinds::object, true},
    {"tool_config", JsonKinds::object, true},
    {"generationConfig", JsonKinds::object, true},
    {"generation_config", JsonKinds::object, true},
    {"generateContentRequest", JsonKinds::object, true},
    {"generate_content_request", JsonKinds::object, true},
    {"cachedContent", JsonKinds::string, true},
    {"cached_content", JsonKinds::string, true},
    {"serviceTier", JsonKinds::string, true},
    {"service_tier", JsonKinds::string, true},
    {"model", JsonKinds::string, true},
    {"safetySettings", JsonKinds::array},
    {"safety_settings", JsonKinds::array},
    {"labels", JsonKinds::object},
    {"store", JsonKinds::boolean},
});

Fault check_inside(std::string_view key, const element& value) {
  if (key == "contents") return check_contents(value);
  if (is_gemini_key(key, "systemInstruction")) return check_instruction(value);
  if (key == "tools") return check_tools(value);
  if (is_gemini_key(key, "toolConfig")) return check_tool_config(value);
  if (is_gemini_key(key, "generationConfig")) return check_generation(value);
  if (is_gemini_key(key, "serviceTier")) return check_service_tier(value);
  return std::nullopt;
}

// ---- the view

/// Calls visit(object) for the object, or for each one of the list.
template <typename Visit>
void each_object(const element& value, Visit visit) {
  if (value.is_object()) return visit(value);
  simdjson::dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return;
  for (const auto item : list) {
    if (item.is_object()) visit(item);
  }
}

/// Contents have passed their checks.
void note_contents(const element& contents, RequestView& view) {
  const auto note_part = [&view](const element& part) {
    for (const auto field : object{part}) {
      if (field.value.is_null()) continue;
      view.opaque_state = view.opaque_state || is_gemini_key(field.key, "thoughtSignature");
      view.calls_in_history = view.calls_in_history || is_gemini_key(field.key, "functionCall");
    }
  };
  each_object(contents, [&note_part](const element& content) {
    element parts;
    if (content["parts"].get(parts) == simdjson::SUCCESS) each_object(parts, note_part);
  });
}

bool asks_for_thoughts(const element& thinking) {
  object fields;
  bool wanted = false;
  if (thinking.get(fields) != simdjson::SUCCESS) return false;
  for (const auto field : fields) {
    if (is_gemini_key(field.key, "includeThoughts") && field.value.get(wanted) != simdjson::SUCCESS)
      wanted = false;
  }
  return wanted;
}

void read_generation(const element& config, const wire::JsonPlaces& places, std::size_t begin,
                     RequestView& view) {
  const auto spans = places.members(begin);
  std::size_t index = 0;
  for (const auto field : object{config}) {
    const auto& span = spans[index++];
    if (is_gemini_key(field.key, "thinkingConfig"))
      view.wants_thoughts = asks_for_thoughts(field.value);
    std::int64_t number = 0;
    if (field.value.get(number) != simdjson::SUCCESS) continue;
    if (is_gemini_key(field.key, "candidateCount")) view.choices = number;
    if (!is_gemini_key(field.key, "maxOutputTokens")) continue;
    view.output_tokens_max = number;
    view.max_tokens = ByteRange{span.value_begin, span.value_end};
  }
}

/// The members of the object whose '{' is at `begin` of the body.
Fault read_request(const object& fields, const wire::JsonPlaces& places, std::size_t begin,
                   RequestView& view) {
  if (auto fault = check_unique(fields, "")) return fault;
  if (auto fault = check_spellings(fields)) return fault;
  const auto spans = places.members(begin);
  std::size_t index = 0;
  for (const auto& [key, value] : fields) {
    const auto& span = spans[index++];
    if (auto fault = check_key(key, top_rules)) return fault;
    const bool instruction = is_gemini_key(key, "systemInstruction") && !value.is_object();
    if (!instruction) {
      if (auto fault = check_type(key, value, top_rules)) return fault;
    } else if (auto fault = check_kind(value, JsonKinds::text_or_array, key)) {
      return fault;
    }
    if (value.is_null()) continue;
    if (auto fault = check_inside(key, value)) return inside(std::move(fault), key);
    if (key == "contents") {
      view.messages = {span.value_begin, span.value_end};
      note_contents(value, view);
    } else if (is_gemini_key(key, "generationConfig")) {
      read_generation(value, places, span.value_begin, view);
    }
  }
  return std::nullopt;
}

/// What a token count wraps, if it does.
Fault read_wrapped(const object& root, const wire::JsonPlaces& places, RequestView& view) {
  std::size_t index = 0;
  const auto spans = places.members();
  for (const auto& [key, value] : root) {
    const auto& span = spans[index++];
    object wrapped;
    if (!is_gemini_key(key, "generateContentRequest") || value.get(wrapped) != simdjson::SUCCESS)
      continue;
    if (view.messages.end != 0) {
      return client_error("invalid_value", "A token count takes contents or a request, not both.",
                          std::string{key});
    }
    return inside(read_request(wrapped, places, span.value_begin, view), key);
  }
  return std::nullopt;
}

}  // namespace

Result<RequestView> read_gemini_view(const object& root, const std::string& body,
                                     const wire::JsonDocument& document) {
  RequestView view;
  view.repaired_surrogates = document.repaired();
  if (auto fault = read_request(root, document.places(), body.find('{'), view)) return std::unexpected{*fault};
  if (auto fault = read_wrapped(root, document.places(), view)) return std::unexpected{*fault};
  if (view.messages.end == 0) {
    return std::unexpected{client_error("missing_field", "'contents' is missing.", "contents")};
  }
  view.object_end = body.rfind('}');
  return view;
}

}  // namespace turnpike::dialect
