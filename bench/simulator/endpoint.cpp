#include "endpoint.hpp"

namespace turnpike::simulator {
namespace {

struct Row {
  Provider provider;
  std::string_view dialect;
};

// In the order of Endpoint.
constexpr std::array<Row, endpoint_count> rows = {{
    {Provider::deepseek, "openai-chat"},
    {Provider::deepseek, "anthropic-messages"},
    {Provider::deepseek, "openai-responses"},
    {Provider::anthropic, "anthropic-messages"},
    {Provider::gemini, "gemini-generate"},
    {Provider::openai, "openai-chat"},
    {Provider::openai, "openai-responses"},
    {Provider::local, "openai-chat"},
    {Provider::local, "anthropic-messages"},
}};

bool is_messages(std::string_view path) {
  return path.ends_with("/messages") || path.ends_with("/messages/count_tokens");
}

}  // namespace

std::string_view to_string(Provider provider) {
  constexpr std::array<std::string_view, 5> names = {"deepseek", "anthropic", "gemini", "openai",
                                                     "local"};
  return names[static_cast<std::size_t>(provider)];
}

Provider provider_of(Endpoint endpoint) {
  return rows[static_cast<std::size_t>(endpoint)].provider;
}

std::string_view dialect_of(Endpoint endpoint) {
  return rows[static_cast<std::size_t>(endpoint)].dialect;
}

std::optional<Provider> maker_of(std::string_view path) {
  if (path.starts_with("/openai/")) return Provider::openai;
  if (path.starts_with("/local/") || path.starts_with("/local-anthropic/")) return Provider::local;
  if (path.find("/anthropic/") != std::string_view::npos) return Provider::deepseek;
  if (path.find("/v1beta/") != std::string_view::npos) return Provider::gemini;
  return std::nullopt;
}

std::optional<Endpoint> endpoint_of(std::string_view path) {
  const auto maker = maker_of(path);
  if (path.ends_with("/chat/completions")) {
    if (maker == Provider::openai) return Endpoint::openai_chat;
    return maker == Provider::local ? Endpoint::local_chat : Endpoint::deepseek_chat;
  }
  if (path.ends_with("/responses"))
    return maker == Provider::openai ? Endpoint::openai_responses : Endpoint::deepseek_responses;
  if (is_messages(path)) {
    if (maker == Provider::local) return Endpoint::local_messages;
    return maker == Provider::deepseek ? Endpoint::deepseek_messages : Endpoint::anthropic_messages;
  }
  if (path.find("/models/") != std::string_view::npos && path.find(':') != std::string_view::npos)
    return Endpoint::gemini_generate;
  return std::nullopt;
}

}  // namespace turnpike::simulator
