// A Chat body for a Chat provider: the original bytes with single values replaced.
#pragma once

#include <string>

#include "dialect/request_rules.hpp"
#include "dialect/translate.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::dialect {

/// Always: model, stream_options.include_usage when streaming, the token limit when it is capped.
/// Towards providers that are not OpenAI: role developer becomes system. Towards DeepSeek further:
/// reasoning_content on every past assistant message with tool calls, the one spelling of the token
/// limit and of "do not think" that it knows, a JSON schema as json_object with an instruction
/// where it has no schemas. Everything else stays byte for byte.
Outgoing emit_chat(const std::string& body, const RequestView& view, const Candidate& candidate,
                   const TranslateOptions& options);

}  // namespace turnpike::dialect
