// Responses on both sides: the client's bytes with single values replaced.
#pragma once

#include <string>

#include "dialect/translate.hpp"

namespace turnpike::dialect {

/// As translate(), for a candidate that speaks the client's dialect. The vendor that invented it
/// gets the client's bytes but for the model, the limit and the gateway's own tokens; DeepSeek
/// (ThinkingStyle::deepseek_effort) also has its input repaired (responses_repair.hpp).
///
/// DeepSeek refuses free-text tools but apply_patch. If the client declares another one, all its
/// tools become plain functions: Outgoing::tools then names them and Outgoing::echo is set, and the
/// answer must be translated, not passed through.
///
/// Errors: 400 unsupported_parameter for a previous_response_id that this provider has not given to
/// this account.
Result<Outgoing> splice_responses(const std::string& body, const RequestView& view,
                                  const Candidate& candidate, const TranslateOptions& options);

}  // namespace turnpike::dialect
