// Blocks to a Chat Completions body, for clients of other dialects.
#pragma once

#include "dialect/ir.hpp"
#include "dialect/translate.hpp"

namespace turnpike::dialect {

Result<Outgoing> write_chat(ir::Request request, const Candidate& candidate, const TranslateOptions& options);

}  // namespace turnpike::dialect
