#include "dialect/read_request.hpp"

#include "dialect/anthropic_request.hpp"
#include "dialect/chat_request.hpp"
#include "dialect/gemini_request.hpp"
#include "dialect/responses_request.hpp"

namespace turnpike::dialect {

Result<ir::Request> read_request(Dialect client, const std::string& body, const RequestView& view) {
  switch (client) {
    case Dialect::anthropic_messages:
      return read_anthropic_request(body, view);
    case Dialect::openai_responses:
      return read_responses_request(body, view);
    case Dialect::gemini_generate:
      return read_gemini_request(body, view);
    case Dialect::openai_chat:
      break;
  }
  return read_chat_request(body, view);
}

}  // namespace turnpike::dialect
