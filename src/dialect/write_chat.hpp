// Blocks to a Chat Completions body, for clients of other dialects.
#pragma once

#include "dialect/ir.hpp"
#include "dialect/translate.hpp"

namespace turnpike::dialect {

/// Towards DeepSeek and any OpenAI-compatible server. Consumes the request. Every past turn with
/// tool calls carries reasoning_content where the target insists on it
/// (ModelQuirks::reasoning_history): its own if it is known, else "". Errors: 400
/// unsupported_parameter (next_candidate) for media that Chat or the target has no part for.
Result<Outgoing> write_chat(ir::Request request, const Candidate& candidate,
                            const TranslateOptions& options);

}  // namespace turnpike::dialect
