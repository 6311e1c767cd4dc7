#include "openai_service.hpp"

#include <algorithm>

#include "text.hpp"

namespace turnpike::simulator {
namespace {

struct Failure {
  int status;
  std::string_view type;
  std::string_view code;
  std::string_view message;
};

constexpr std::array<Failure, 6> failures = {{
    {400, "invalid_request_error", "", "Invalid request."},
    {401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."},
    {404, "invalid_request_error", "model_not_found", "The model does not exist."},
    {429, "requests", "rate_limit_exceeded",
     "Rate limit reached for requests. Please try again in 1s."},
    {503, "server_error", "server_is_overloaded",
     "Our servers are currently overloaded. Please try again later."},
    {500, "server_error", "",
     "The server had an error while processing your request. Sorry about that!"},
}};

Json or_null(std::string_view text) { return text.empty() ? Json() : Json(text); }

Refusal typed_refusal(int status, const std::string& message, std::string_view type,
                      std::string_view param, std::string_view code) {
  const Json error{
      {"message", message}, {"type", type}, {"param", or_null(param)}, {"code", or_null(code)}};
  return {status, Json{{"error", error}}.dump(2), {{"Content-Type", "application/json"}}};
}

// "(",  "('properties', 'place')": how the service names a place in a schema.
std::string context(const std::vector<std::string>& path) {
  std::string out;
  for (const auto& step : path) out += (out.empty() ? "'" : ", '") + step + "'";
  return "In context=(" + out + "), ";
}

std::optional<std::string> object_fault(const Json& schema, std::vector<std::string>& path) {
  if (member(schema, "additionalProperties") != false) {
    return context(path) + "'additionalProperties' is required to be supplied and to be false.";
  }
  const auto& required = member(schema, "required");
  for (const auto& [name, below] : member(schema, "properties").items()) {
    if (std::find(required.begin(), required.end(), name) == required.end()) {
      return context(path) +
             "'required' is required to be supplied and to be an array including every key in "
             "properties. Missing '" +
             name + "'.";
    }
  }
  return std::nullopt;
}

std::optional<std::string> fault_below(const Json& schema, std::vector<std::string>& path) {
  if (path.size() > 64) return std::nullopt;
  if (string_member(schema, "type") == "object") {
    if (auto fault = object_fault(schema, path)) return fault;
  }
  if (!schema.is_object() && !schema.is_array()) return std::nullopt;
  for (const auto& [key, below] : schema.items()) {
    path.push_back(key);
    if (auto fault = fault_below(below, path)) return fault;
    path.pop_back();
  }
  return std::nullopt;
}

}  // namespace

Refusal openai_refusal(int status, const std::string& message, std::string_view param,
                       std::string_view code) {
  return typed_refusal(status, message, "invalid_request_error", param, code);
}

Refusal openai_failure(int status, const Directives& wishes) {
  auto failure = failures.back();
  for (const auto& row : failures) {
    if (row.status == status) failure = row;
  }
  auto refusal =
      typed_refusal(status, wishes.text("message", failure.message),
                    wishes.text("type", failure.type), "", wishes.text("code", failure.code));
  if (wishes.has("retry_after"))
    refusal.headers.emplace_back("retry-after", wishes.text("retry_after"));
  return refusal;
}

Checked<std::string> openai_key(const Settings& settings, const HttpRequest& request) {
  const auto key = bearer(request);
  if (key.empty()) {
    return std::unexpected{openai_refusal(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).")};
  }
  if (key_accepted(settings, key)) return std::string{key};
  return std::unexpected{
      openai_refusal(401,
                     "Incorrect API key provided: ****. You can find your API key at "
                     "https://platform.openai.com/account/api-keys.",
                     "", "invalid_api_key")};
}

bool is_openai_model(std::string_view model) {
  return model.starts_with("gpt-") || model.starts_with("codex-") ||
         (model.size() > 1 && model[0] == 'o' && model[1] >= '1' && model[1] <= '9');
}

bool is_openai_reasoner(std::string_view model) {
  return is_openai_model(model) && !model.starts_with("gpt-4") && !model.starts_with("gpt-3");
}

std::optional<std::string> unknown_member(const Json& object,
                                          std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return name;
  }
  return std::nullopt;
}

std::optional<std::string> strict_schema_fault(const Json& schema) {
  std::vector<std::string> path;
  return fault_below(schema, path);
}

bool is_function_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
             std::string_view::npos;
}

Headers openai_headers(const Exchange& exchange) {
  return {{"Content-Type",
           exchange.ask.stream ? "text/event-stream; charset=utf-8" : "application/json"},
          {"openai-version", "2020-10-01"},
          {"openai-processing-ms", "1"},
          {"x-ratelimit-limit-requests", "10000"},
          {"x-ratelimit-remaining-requests", "9999"},
          {"x-ratelimit-reset-requests", "6ms"},
          {"x-request-id", exchange.request_id}};
}

}  // namespace turnpike::simulator
