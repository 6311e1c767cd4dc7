// What the contents of a Gemini body may say to a Gemini model when other models have written some
// of them: the gateway's tokens never reach a vendor, thoughts of others neither, and calls get the
// signatures that the model insists on. Source: wire-formats specification, "Upstream: Gemini",
// signatures.
#pragma once

#include "dialect/losses.hpp"
#include "dialect/member_splicer.hpp"
#include "dialect/translate.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// As opaque_restore's rules for Gemini, on the bytes: stored signatures are put back by call id;
/// where the model insists and none is known, the documented stand-in goes on the first call of
/// each step, past loops included: they keep the bytes they were sent with. A vendor's own signatures stay.
void repair_gemini_history(wire::JsonView contents, const RequestView& view,
                           const Candidate& candidate, const TranslateOptions& options,
                           MemberSplicer& splicer, Losses& losses);

}  // namespace turnpike::dialect
