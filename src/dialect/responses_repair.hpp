// Input items of a Responses request for a vendor other than the one that invented them (DeepSeek:
// wire-formats specification §2). Items that the vendor takes stay the bytes they were.
//
// What such a vendor refuses, and what is done about it:
//   text or thinking between the calls of a step   moved in front of them
//   a call without an output                       gets one that says so
//   an output without a call                       becomes the user's text
//   an output that is a list of parts              becomes text; its images follow in a message of
//   the user a step with calls but without its thinking     gets it back from the OpaqueStore, else
//   an empty one thinking of others, compactions                left out the vendor's tools of
//   others                   left out, in pairs additional_tools                               left
//   out; the splicer declares them with the other tools custom_tool_call, but for apply_patch a
//   function_call with one string
//
// Local and deterministic: what stands before a step is not changed by what comes after it.
#pragma once

#include <optional>
#include <string>

#include "dialect/losses.hpp"
#include "dialect/responses_tools.hpp"
#include "dialect/translate.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

struct ResponsesRepair {
  const Candidate& candidate;
  const TranslateOptions& options;
  /// Set if no tool may be custom or in a namespace: calls then go by its flat names.
  const ResponsesTools* flat = nullptr;
  bool thinks = true;  // the request does not switch thinking off
};

/// The new array; nothing if all items can stay as they are. Errors: 400 unsupported_parameter for
/// what refers to a store or asks for a compaction.
Result<std::optional<std::string>> repair_responses_input(wire::JsonView input,
                                                          const ResponsesRepair& how,
                                                          Losses& losses);

/// For the vendor that invented them: without the items whose encrypted content is the gateway's
/// token. Nothing if there are none.
std::optional<std::string> without_gateway_tokens(wire::JsonView input, Losses& losses);

}  // namespace turnpike::dialect
