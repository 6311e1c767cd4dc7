// A whole (not streamed) answer from a provider's dialect to the client's.
#pragma once

#include <string>

#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

struct TranslatedResponse {
  std::string body;  // JSON in the client's dialect
  Tally tally;
};

/// Same dialect: the bytes as they came, without the blank lines that keep slow answers alive. Else
/// rebuilt in the order of the answer's blocks. A body that is no answer (HTML, empty, broken JSON,
/// an error object under status 200) is an Error with code bad_upstream or the error's own, and may
/// be tried elsewhere.
Result<TranslatedResponse> translate_response(const Candidate& candidate,
                                              const StreamOptions& options, std::string body);

}  // namespace turnpike::dialect
