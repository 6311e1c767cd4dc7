#include "dialect/encode_responses.hpp"

#include "dialect/encode_chat.hpp"

namespace turnpike::dialect {

std::unique_ptr<StreamEncoder> make_responses_stream_encoder(const StreamOptions& options, const Candidate&) {
  return std::make_unique<ChatStreamEncoder>(options);
}

std::unique_ptr<BodyEncoder> make_responses_body_encoder(const StreamOptions& options, const Candidate&) {
  return std::make_unique<ChatBodyEncoder>(options);
}

}  // namespace turnpike::dialect
