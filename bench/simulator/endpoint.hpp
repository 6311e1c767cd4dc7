// Who is played at which path: five makers, nine endpoints, four dialects.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike::simulator {

enum class Provider : std::uint8_t { deepseek, anthropic, gemini, openai, local };
inline constexpr std::array all_providers = {Provider::deepseek, Provider::anthropic, Provider::gemini,
                                      Provider::openai, Provider::local};
std::string_view to_string(Provider provider);

enum class Endpoint : std::uint8_t {
  deepseek_chat,
  deepseek_messages,   // its Anthropic-compatible one
  deepseek_responses,  // stateless
  anthropic_messages,
  gemini_generate,
  openai_chat,
  openai_responses,  // keeps responses, signs its reasoning
  local_chat,        // a vLLM or Ollama of one's own
  local_messages,
};
constexpr std::size_t endpoint_count = 9;

Provider provider_of(Endpoint endpoint);
/// "openai-chat", "openai-responses", "anthropic-messages", "gemini-generate".
std::string_view dialect_of(Endpoint endpoint);
/// By the end of the path, and by the prefixes "/anthropic/", "/openai/", "/local/",
/// "/local-anthropic/". Paths that only ask for lists or counts belong to the same endpoint.
std::optional<Endpoint> endpoint_of(std::string_view path);
/// Whose list of models `GET path` asks for, when the path tells.
std::optional<Provider> maker_of(std::string_view path);

}  // namespace turnpike::simulator
