#include "dialect/translate.hpp"

#include <fmt/format.h>

#include "dialect/chat_request.hpp"
#include "dialect/emit_anthropic.hpp"
#include "dialect/emit_chat.hpp"
#include "dialect/emit_gemini.hpp"

namespace turnpike::dialect {

namespace {

Error no_translation(Dialect client, Dialect provider) {
  auto error = gateway_error(501, "unsupported_dialect",
                             fmt::format("Requests in {} cannot be sent as {} yet.",
                                         to_string(client), to_string(provider)));
  error.retry = Retry::next_candidate;
  return error;
}

}  // namespace

Result<Outgoing> translate(Dialect client, const std::string& body, const RequestView& view,
                           const Candidate& candidate, const TranslateOptions& options) {
  if (client != Dialect::openai_chat)
    return std::unexpected{no_translation(client, candidate.dialect)};
  if (candidate.dialect == Dialect::openai_chat) return emit_chat(body, view, candidate, options);
  auto request = read_chat_request(body, view);
  if (!request) return std::unexpected{request.error()};
  switch (candidate.dialect) {
    case Dialect::anthropic_messages:
      return emit_anthropic(std::move(*request), candidate, options);
    case Dialect::gemini_generate:
      return emit_gemini(std::move(*request), candidate, options);
    default:
      return std::unexpected{no_translation(client, candidate.dialect)};
  }
}

}  // namespace turnpike::dialect
