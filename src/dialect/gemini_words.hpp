// The small vocabularies of Gemini requests. Source: wire-formats specification §1.5 and "Effort".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/gemini_fields.hpp"
#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::dialect {

/// Words of this API are enums, written in either case.
std::string upper_case(std::string_view word);

/// How hard the client wants the model to think, in either of the dialect's units.
struct GeminiThinkingWish {
  Effort effort = Effort::unset;
  std::optional<std::int64_t> budget;  // tokens, above 0
};

/// -1 (let the model decide) and THINKING_LEVEL_UNSPECIFIED are no wish. 400 for levels nobody
/// knows.
Result<GeminiThinkingWish> read_gemini_thinking(const GeminiFields& thinking_config);

enum class GeminiMedia : std::uint8_t { image, audio, video, document, text };
/// By media type; with none by the file's ending. What nobody knows is a document.
GeminiMedia gemini_media_kind(std::string_view mime, std::string_view uri);

}  // namespace turnpike::dialect
