// Puts back what clients have dropped or could not be given: signed thinking and thought
// signatures, found in the OpaqueStore by the ids of a turn's calls or by its visible text. Only
// state of the target's own provider and family is put back.
//
// Reasoning that came with the client's messages is removed: as plain text it belongs to nobody but
// its maker, and signatures from elsewhere are refused. The gateway's token beside it tells whose
// it was, so that a loss is known for one.
#pragma once

#include <string_view>

#include "dialect/ir.hpp"
#include "dialect/translate.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::dialect {

/// base64 of "context_engineering_is_the_way_to_go": recorded as accepted (wire-formats "Gemini",
/// signatures).
inline constexpr std::string_view gemini_stand_in_signature =
    "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv";

/// All thinking or none: a conversation with a gap is replayed without any, because newer models
/// bind each block to all that stood before it. A turn that is known to have had none is no gap.
/// Older models (ThinkingStyle::claude_budget) look at the current tool loop only, and insist that
/// it begins with thinking. True if the current tool loop has a gap, or lacks that beginning, so
/// that thinking cannot stay on where a model insists on seeing it. Joins neighbouring messages of
/// the assistant.
bool restore_claude_thinking(ir::Request& request, const Candidate& candidate,
                             const TranslateOptions& options);

/// Signatures onto calls and texts: the store's, or what a client brought of Gemini's own where the
/// store knows of no other maker. Where the model insists and none is known, the documented
/// stand-in goes on the first call of each step: after the last user turn because it is insisted on,
/// before it because that is how the call was sent while its loop ran, so that prompt caches hold.
void restore_gemini_signatures(ir::Request& request, const Candidate& candidate,
                               const TranslateOptions& options);

}  // namespace turnpike::dialect
