#include "dialect/decode_responses.hpp"

#include <utility>

#include "dialect/decode_chat.hpp"

namespace turnpike::dialect {

std::unique_ptr<Decoder> make_responses_decoder(const Candidate& candidate, std::string fallback_id) {
  return std::make_unique<ChatDecoder>(candidate, std::move(fallback_id));
}

}  // namespace turnpike::dialect
