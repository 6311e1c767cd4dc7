#include "dialect/detect.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace turnpike::dialect {
namespace {

using Methods = std::span<const std::string_view>;

constexpr std::array<std::string_view, 1> post = {"POST"};
constexpr std::array<std::string_view, 2> get = {"GET", "HEAD"};
constexpr std::array<std::string_view, 3> any = {"GET", "HEAD", "POST"};

struct FixedPath {
  std::string_view path;
  Endpoint endpoint;
  Dialect dialect;
  Methods methods;
};

/// Paths after an optional "/v1".
constexpr std::array<FixedPath, 10> fixed_paths = {{
    {"/chat/completions", Endpoint::chat_completions, Dialect::openai_chat, post},
    {"/models", Endpoint::models, Dialect::openai_chat, get},
    {"/messages", Endpoint::messages, Dialect::anthropic_messages, post},
    {"/messages/count_tokens", Endpoint::count_tokens, Dialect::anthropic_messages, post},
    {"/responses", Endpoint::responses, Dialect::openai_responses, post},
    {"/", Endpoint::root, Dialect::openai_chat, get},
    {"", Endpoint::root, Dialect::openai_chat, get},
    {"/healthz", Endpoint::health, Dialect::openai_chat, get},
    {"/readyz", Endpoint::ready, Dialect::openai_chat, get},
    {"/v1beta/models", Endpoint::gemini_models, Dialect::gemini_generate, get},
}};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Broken escapes stay as they are.
std::string percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
                        hex_digit(text[at + 2]) >= 0;
    if (!escape) {
      decoded += text[at];
      continue;
    }
    decoded += static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
    at += 2;
  }
  return decoded;
}

Route route(Endpoint endpoint, Dialect dialect, Methods methods, std::string_view argument = {}) {
  return Route{endpoint, dialect, percent_decoded(argument), methods};
}

bool is_gemini_verb(std::string_view word) {
  return word == "generateContent" || word == "streamGenerateContent" || word == "countTokens";
}

/// The colon before a verb and how many bytes it has: some HTTP clients send "%3A". The last of a path,
/// escaped only if it stands before a verb that is known: ids of models may hold one.
std::pair<std::size_t, std::size_t> verb_colon(std::string_view path) {
  for (const std::string_view escaped : {"%3A", "%3a"}) {
    const std::size_t at = path.rfind(escaped);
    if (at != std::string_view::npos && is_gemini_verb(path.substr(at + escaped.size())))
      return {at, escaped.size()};
  }
  return {path.rfind(':'), 1};
}

bool has_gemini_verb(std::string_view path) {
  const auto [at, size] = verb_colon(path);
  return at != std::string_view::npos && is_gemini_verb(path.substr(at + size));
}

/// {model}[:verb]; a verb that nobody knows is an unknown path, in Gemini's dialect.
Route gemini_route(std::string_view rest) {
  const auto [colon, colon_bytes] = verb_colon(rest);
  const std::string_view model = rest.substr(0, colon);
  if (colon == std::string_view::npos) {
    return route(Endpoint::gemini_model, Dialect::gemini_generate, get, model);
  }
  const std::string_view verb = rest.substr(colon + colon_bytes);
  if (verb == "generateContent") {
    return route(Endpoint::gemini_generate, Dialect::gemini_generate, post, model);
  }
  if (verb == "streamGenerateContent") {
    return route(Endpoint::gemini_stream, Dialect::gemini_generate, post, model);
  }
  if (verb == "countTokens") {
    return route(Endpoint::gemini_count, Dialect::gemini_generate, post, model);
  }
  return route(Endpoint::unknown, Dialect::gemini_generate, {});
}

}  // namespace

Route route_of(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  constexpr std::string_view gemini_prefix = "/v1beta/models/";
  if (path.starts_with(gemini_prefix)) return gemini_route(path.substr(gemini_prefix.size()));
  // A model id with a '/' stands without "models/" in some SDKs' paths.
  constexpr std::string_view beta_prefix = "/v1beta/";
  if (path.starts_with(beta_prefix) && has_gemini_verb(path)) {
    return gemini_route(path.substr(beta_prefix.size()));
  }
  // Google's SDK has moved to /v1/, where only the verb tells its paths from everybody's list of
  // models.
  constexpr std::string_view stable_prefix = "/v1/models/";
  if (path.starts_with(stable_prefix) && has_gemini_verb(path)) {
    return gemini_route(path.substr(stable_prefix.size()));
  }
  std::string_view rest = path;
  if (rest.starts_with("/v1/")) rest.remove_prefix(3);
  for (const FixedPath& fixed : fixed_paths) {
    if (fixed.path == rest) return route(fixed.endpoint, fixed.dialect, fixed.methods);
  }
  constexpr std::string_view model_prefix = "/models/";
  if (rest.starts_with(model_prefix)) {
    return route(Endpoint::model, Dialect::openai_chat, get, rest.substr(model_prefix.size()));
  }
  if (rest.starts_with("/responses/")) {
    return route(Endpoint::responses, Dialect::openai_responses, any, rest.substr(11));
  }
  Route unknown;
  if (rest.starts_with("/messages/")) unknown.dialect = Dialect::anthropic_messages;
  if (path.starts_with("/v1beta")) unknown.dialect = Dialect::gemini_generate;
  return unknown;
}

bool allows(const Route& route, std::string_view method) {
  return std::ranges::find(route.methods, method) != route.methods.end();
}

std::string allow_header(const Route& route) {
  std::string text;
  for (const std::string_view method : route.methods) {
    if (!text.empty()) text += ", ";
    text += method;
  }
  return text;
}

}  // namespace turnpike::dialect
