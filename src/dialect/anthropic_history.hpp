// The messages of a Messages client made fit for one candidate: thinking of other vendors out,
// thinking that the client has dropped back in, roles and ends that the candidate refuses put
// differently. Raw JSON in and out; messages that need nothing stay the bytes they were.
//
// Thinking: Claude's newest families bind each block to all that stood before it, so one block that
// is not theirs takes all out (wire-formats "Preserved thinking"). Older Claude families, DeepSeek
// and others look at single turns: only what is not theirs goes.
//
// Deterministic: the same messages, candidate and stored state give the same bytes, and what stands
// before a message does not depend on what comes after it, all-or-nothing excepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/losses.hpp"
#include "dialect/opaque_store.hpp"
#include "dialect/translate.hpp"
#include "turnpike/decision.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

struct HistoryRules {
  bool thinking_on = false;         // the client asks for it, or the model always does
  bool opaque_state = true;         // false: the caller knows that there is no thinking
  bool restore = true;              // thinking that the client has dropped may be put back
  bool system_to_user = false;      // role system is refused
  bool end_with_user = false;       // a trailing assistant message is refused
  bool references_to_text = false;  // tool_reference blocks are refused
};

struct FittedHistory {
  std::optional<std::string> messages;  // the new array; nothing: no message has changed
  bool thinking_left = false;           // some block of thinking goes upstream
  bool restored = false;                // some of it comes from the store
  bool loop_gap = false;  // the current tool loop lacks thinking on which the family insists
};

FittedHistory fit_history(wire::JsonView messages, const Candidate& candidate,
                          const TranslateOptions& options, const HistoryRules& rules,
                          Losses& losses);

/// Whether a signature or redacted data was made by another vendor than the candidate's, as far as
/// `state` (of the same turn; may be null) or its form tells. Unknown forms count as its own.
bool is_foreign_thinking(std::string_view signature, bool redacted, const OpaqueState* state,
                         const Candidate& candidate);

}  // namespace turnpike::dialect
