// Gemini on both sides: the client's bytes with single values replaced.
#pragma once

#include <string>

#include "dialect/translate.hpp"

namespace turnpike::dialect {

/// As translate(), for a candidate that speaks the client's dialect. Opaque state that the
/// candidate's provider did not make is taken out, what it misses is put back.
Result<Outgoing> splice_gemini(const std::string& body, const RequestView& view,
                               const Candidate& candidate, const TranslateOptions& options);

}  // namespace turnpike::dialect
