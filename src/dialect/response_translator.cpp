#include "dialect/response_translator.hpp"

#include <utility>

#include "dialect/answer_recorder.hpp"
#include "dialect/decode_chat.hpp"
#include "dialect/encode_chat.hpp"

namespace turnpike::dialect {
namespace {

Result<Tally> read(const Candidate& candidate, const StreamOptions& options,
                   const StreamEvents& events) {
  AnswerRecorder recorder{candidate, options.opaque, options.owner};
  for (const StreamEvent& event : events) {
    if (const auto* failure = std::get_if<Failure>(&event)) return std::unexpected{failure->error};
    recorder.record(event);
  }
  return recorder.tally();
}

/// The provider's bytes from the first that is not blank.
Result<TranslatedResponse> relay(const Candidate& candidate, const StreamOptions& options,
                                 std::string body) {
  ChatDecoder decoder{candidate, options.id};
  StreamEvents events;
  decoder.decode_whole(body, events);
  auto tally = read(candidate, options, events);
  if (!tally) return std::unexpected{std::move(tally.error())};
  if (decoder.last_chunk().repairs) body = decoder.repaired_chat_json(body);
  body.erase(0, body.find_first_not_of(" \t\r\n"));
  return TranslatedResponse{std::move(body), std::move(*tally)};
}

}  // namespace

Result<TranslatedResponse> translate_response(const Candidate& candidate,
                                              const StreamOptions& options, std::string body) {
  const bool chat = options.client == Dialect::openai_chat;
  if (chat && candidate.dialect == Dialect::openai_chat) {
    return relay(candidate, options, std::move(body));
  }
  const auto decoder = make_decoder(candidate, options.id);
  if (!decoder || !chat) {
    return std::unexpected{gateway_error(
        501, "unsupported_dialect", "Answers of " + candidate.target() + " cannot be translated.")};
  }
  StreamEvents events;
  decoder->decode_whole(body, events);
  restore_tool_names(events, options);
  auto tally = read(candidate, options, events);
  if (!tally) return std::unexpected{std::move(tally.error())};
  ChatBodyEncoder encoder{options};
  for (const StreamEvent& event : events) encoder.encode(event);
  return TranslatedResponse{encoder.body(), std::move(*tally)};
}

}  // namespace turnpike::dialect
