#include "dialect/encode_gemini.hpp"

#include "dialect/encode_chat.hpp"

namespace turnpike::dialect {

std::unique_ptr<StreamEncoder> make_gemini_stream_encoder(const StreamOptions& options, const Candidate&) {
  return std::make_unique<ChatStreamEncoder>(options);
}

std::unique_ptr<BodyEncoder> make_gemini_body_encoder(const StreamOptions& options, const Candidate&) {
  return std::make_unique<ChatBodyEncoder>(options);
}

}  // namespace turnpike::dialect
