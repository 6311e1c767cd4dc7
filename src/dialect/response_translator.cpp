#include "dialect/response_translator.hpp"

#include <utility>

#include "dialect/answer_recorder.hpp"
#include "dialect/decode_chat.hpp"
#include "dialect/encoder.hpp"
#include "dialect/responses_items_kept.hpp"

namespace turnpike::dialect {
namespace {

Result<Tally> read(const Candidate& candidate, const StreamOptions& options,
                   const StreamEvents& events) {
  AnswerRecorder recorder{candidate, options.opaque, options.owner, options.action};
  for (const StreamEvent& event : events) {
    if (const auto* failure = std::get_if<Failure>(&event)) return std::unexpected{failure->error};
    recorder.record(event);
  }
  return recorder.tally();
}

/// The provider's bytes from the first that is not blank.
Result<TranslatedResponse> relay(const Candidate& candidate, const StreamOptions& options,
                                 std::string body) {
  const auto decoder = make_decoder(candidate, options.id);
  StreamEvents events;
  decoder->decode_whole(body, events);
  auto tally = read(candidate, options, events);
  if (!tally) return std::unexpected{std::move(tally.error())};
  if (const auto* chat = dynamic_cast<const ChatDecoder*>(decoder.get());
      chat != nullptr && chat->last_chunk().repairs) {
    body = chat->repaired_chat_json(body);
  }
  keep_response_items(options, body);
  body.erase(0, body.find_first_not_of(" \t\r\n"));
  return TranslatedResponse{std::move(body), std::move(*tally)};
}

}  // namespace

Result<TranslatedResponse> translate_response(const Candidate& candidate,
                                              const StreamOptions& options, std::string body) {
  if (candidate.dialect == options.client && options.tools.empty()) {
    return relay(candidate, options, std::move(body));
  }
  const auto decoder = make_decoder(candidate, options.id);
  StreamEvents events;
  decoder->decode_whole(body, events);
  restore_tool_names(events, options.tools);
  auto tally = read(candidate, options, events);
  if (!tally) return std::unexpected{std::move(tally.error())};
  const auto encoder = make_body_encoder(options, candidate);
  for (const StreamEvent& event : events) encoder->encode(event);
  auto written = encoder->body();
  if (!written) return std::unexpected{std::move(written.error())};
  keep_response_items(options, *written);
  return TranslatedResponse{std::move(*written), std::move(*tally)};
}

}  // namespace turnpike::dialect
