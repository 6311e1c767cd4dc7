// Chat Completions on both sides: whole valid events go on as the bytes they came in, repaired only where a known
// fault would make harnesses stumble (ids left empty, a finish reason that hides the calls).
#pragma once

#include <memory>

#include "dialect/answer_stream.hpp"

namespace turnpike::dialect {

std::unique_ptr<AnswerStream> make_chat_relay(const Candidate& candidate, StreamOptions options);

}  // namespace turnpike::dialect
