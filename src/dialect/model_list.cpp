#include "dialect/model_list.hpp"

#include <chrono>

#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

std::string_view name_of(const ModelInfo& model) {
  return model.display_name.empty() ? std::string_view{model.id}
                                    : std::string_view{model.display_name};
}

void optional_member(JsonWriter& json, std::string_view key, std::int64_t number) {
  if (number > 0) json.member(key, number);
}

void write_openai(JsonWriter& json, const ModelInfo& model) {
  const auto created =
      std::chrono::duration_cast<std::chrono::seconds>(model.created.time_since_epoch());
  json.begin_object()
      .member("id", std::string_view{model.id})
      .member("object", "model")
      .member("created", std::int64_t{created.count()})
      .member("owned_by", std::string_view{model.owned_by})
      .end_object();
}

void write_anthropic(JsonWriter& json, const ModelInfo& model) {
  json.begin_object()
      .member("type", "model")
      .member("id", std::string_view{model.id})
      .member("display_name", name_of(model))
      .member("created_at", std::string_view{to_rfc3339(model.created)});
  optional_member(json, "max_input_tokens", model.context_tokens);
  optional_member(json, "max_tokens", model.output_tokens_max);
  json.end_object();
}

void write_gemini(JsonWriter& json, const ModelInfo& model) {
  json.begin_object()
      .member("name", std::string_view{"models/" + model.id})
      .member("displayName", name_of(model));
  optional_member(json, "inputTokenLimit", model.context_tokens);
  optional_member(json, "outputTokenLimit", model.output_tokens_max);
  json.key("supportedGenerationMethods").begin_array();
  json.value("generateContent").value("countTokens").end_array().end_object();
}

void write_model(JsonWriter& json, Dialect shape, const ModelInfo& model) {
  switch (shape) {
    case Dialect::anthropic_messages:
      write_anthropic(json, model);
      return;
    case Dialect::gemini_generate:
      write_gemini(json, model);
      return;
    case Dialect::openai_chat:
    case Dialect::openai_responses:
      break;
  }
  write_openai(json, model);
}

void anthropic_list_end(JsonWriter& json, std::span<const ModelInfo> models) {
  json.key("first_id");
  models.empty() ? json.null() : json.value(std::string_view{models.front().id});
  json.key("last_id");
  models.empty() ? json.null() : json.value(std::string_view{models.back().id});
  json.member("has_more", false);
}

}  // namespace

std::string models_body(Dialect shape, std::span<const ModelInfo> models) {
  const bool gemini = shape == Dialect::gemini_generate;
  const bool anthropic = shape == Dialect::anthropic_messages;
  std::string out;
  JsonWriter json{out};
  json.begin_object();
  if (!gemini && !anthropic) json.member("object", "list");
  json.key(gemini ? "models" : "data").begin_array();
  for (const ModelInfo& model : models) write_model(json, shape, model);
  json.end_array();
  if (anthropic) anthropic_list_end(json, models);
  json.end_object();
  return out;
}

std::string model_body(Dialect shape, const ModelInfo& model) {
  std::string out;
  JsonWriter json{out};
  write_model(json, shape, model);
  return out;
}

}  // namespace turnpike::dialect
