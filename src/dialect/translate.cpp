#include "dialect/translate.hpp"

#include <utility>

#include "dialect/emit_anthropic.hpp"
#include "dialect/emit_chat.hpp"
#include "dialect/emit_gemini.hpp"
#include "dialect/read_request.hpp"
#include "dialect/splice_anthropic.hpp"
#include "dialect/splice_gemini.hpp"
#include "dialect/splice_responses.hpp"
#include "dialect/write_chat.hpp"

namespace turnpike::dialect {

namespace {

Result<Outgoing> splice(const std::string& body, const RequestView& view,
                        const Candidate& candidate, const TranslateOptions& options) {
  switch (candidate.dialect) {
    case Dialect::anthropic_messages:
      return splice_anthropic(body, view, candidate, options);
    case Dialect::openai_responses:
      return splice_responses(body, view, candidate, options);
    case Dialect::gemini_generate:
      return splice_gemini(body, view, candidate, options);
    case Dialect::openai_chat:
      break;
  }
  return emit_chat(body, view, candidate, options);
}

/// The client's own name for the list that targets are said to refuse.
std::string_view messages_of(Dialect client) {
  if (client == Dialect::openai_responses) return "input";
  return client == Dialect::gemini_generate ? "contents" : "messages";
}

}  // namespace

Result<Outgoing> translate(Dialect client, const std::string& body, const RequestView& view,
                           const Candidate& candidate, const TranslateOptions& options) {
  if (client == candidate.dialect) return splice(body, view, candidate, options);
  auto request = read_request(client, body, view);
  if (!request) return std::unexpected{std::move(request.error())};
  std::string echo = std::move(request->echo);
  auto outgoing = [&]() -> Result<Outgoing> {
    switch (candidate.dialect) {
      case Dialect::anthropic_messages:
        return emit_anthropic(std::move(*request), candidate, options);
      case Dialect::gemini_generate:
        return emit_gemini(std::move(*request), candidate, options);
      case Dialect::openai_chat:
        return write_chat(std::move(*request), candidate, options);
      case Dialect::openai_responses:
        break;
    }
    // A provider that speaks Responses has a second dialect for everybody else (catalog rule).
    return std::unexpected{gateway_error(501, "unsupported_dialect",
                                         "Only Responses clients can be served over Responses.")};
  }();
  if (outgoing) {
    outgoing->echo = std::move(echo);
  } else if (outgoing.error().param == "messages") {
    outgoing.error().param = messages_of(client);
  }
  return outgoing;
}

}  // namespace turnpike::dialect
