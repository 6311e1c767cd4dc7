// Blocks to a Gemini generateContent body.
#pragma once

#include "dialect/ir.hpp"
#include "dialect/translate.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

Result<Outgoing> emit_gemini(ir::Request request, const Candidate& candidate,
                             const TranslateOptions& options);

}  // namespace turnpike::dialect
