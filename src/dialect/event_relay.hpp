// Messages, Responses or Gemini on both sides: whole valid events go on as the bytes they came in,
// a decoder only watches. Broken events never go on; upstream comments become the dialect's own
// harmless event.
#pragma once

#include <memory>

#include "dialect/answer_stream.hpp"

namespace turnpike::dialect {

/// For options.client == candidate.dialect, Chat Completions excepted.
std::unique_ptr<AnswerStream> make_event_relay(const Candidate& candidate, StreamOptions options);

}  // namespace turnpike::dialect
