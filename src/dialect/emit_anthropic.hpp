// Blocks to an Anthropic Messages body.
#pragma once

#include "dialect/ir.hpp"
#include "dialect/translate.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// Refuses (400, next_candidate) what the API has no form for: several choices, audio.
Result<Outgoing> emit_anthropic(ir::Request request, const Candidate& candidate,
                                const TranslateOptions& options);

}  // namespace turnpike::dialect
