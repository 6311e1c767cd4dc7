// A wire API: how a client or a provider speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike {

enum class Dialect : std::uint8_t { openai_chat, openai_responses, anthropic_messages, gemini_generate };

/// "openai-chat", "openai-responses", "anthropic-messages", "gemini-generate": the names used in provider files.
std::string_view to_string(Dialect dialect);
std::optional<Dialect> parse_dialect(std::string_view name);

}  // namespace turnpike
