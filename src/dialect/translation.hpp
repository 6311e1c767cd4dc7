// A streamed answer between two dialects: decoder -> StreamEvent -> encoder.
#pragma once

#include <memory>

#include "dialect/answer_stream.hpp"

namespace turnpike::dialect {

std::unique_ptr<AnswerStream> make_translation(const Candidate& candidate, StreamOptions options);

}  // namespace turnpike::dialect
