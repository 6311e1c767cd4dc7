#include "dialect/decoder.hpp"

#include <utility>

#include "dialect/decode_anthropic.hpp"
#include "dialect/decode_chat.hpp"
#include "dialect/decode_gemini.hpp"
#include "dialect/decode_responses.hpp"

namespace turnpike::dialect {

std::unique_ptr<Decoder> make_decoder(const Candidate& candidate, std::string fallback_id) {
  switch (candidate.dialect) {
    case Dialect::openai_chat:
      return std::make_unique<ChatDecoder>(candidate, std::move(fallback_id));
    case Dialect::anthropic_messages:
      return std::make_unique<AnthropicDecoder>(candidate);
    case Dialect::gemini_generate:
      return std::make_unique<GeminiDecoder>(candidate, std::move(fallback_id));
    case Dialect::openai_responses:
      break;
  }
  return make_responses_decoder(candidate, std::move(fallback_id));
}

}  // namespace turnpike::dialect
