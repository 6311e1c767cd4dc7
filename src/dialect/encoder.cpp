#include "dialect/encoder.hpp"

#include "dialect/encode_anthropic.hpp"
#include "dialect/encode_chat.hpp"
#include "dialect/encode_gemini.hpp"
#include "dialect/encode_responses.hpp"

namespace turnpike::dialect {

std::unique_ptr<StreamEncoder> make_stream_encoder(const StreamOptions& options,
                                                   const Candidate& candidate) {
  switch (options.client) {
    case Dialect::anthropic_messages:
      return make_anthropic_stream_encoder(options, candidate);
    case Dialect::openai_responses:
      return make_responses_stream_encoder(options, candidate);
    case Dialect::gemini_generate:
      return make_gemini_stream_encoder(options, candidate);
    case Dialect::openai_chat:
      break;
  }
  return std::make_unique<ChatStreamEncoder>(options, candidate);
}

std::unique_ptr<BodyEncoder> make_body_encoder(const StreamOptions& options,
                                               const Candidate& candidate) {
  switch (options.client) {
    case Dialect::anthropic_messages:
      return make_anthropic_body_encoder(options, candidate);
    case Dialect::openai_responses:
      return make_responses_body_encoder(options, candidate);
    case Dialect::gemini_generate:
      return make_gemini_body_encoder(options, candidate);
    case Dialect::openai_chat:
      break;
  }
  return std::make_unique<ChatBodyEncoder>(options, candidate);
}

}  // namespace turnpike::dialect
