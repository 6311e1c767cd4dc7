// Signs that the model at work is out of its depth, and whether a tool loop may move up for them. Source: product
// specification, "The decision", step 6.
#pragma once

#include <string>

#include "policy/policy.hpp"
#include "policy/situation.hpp"

namespace turnpike::policy {

/// The sign that the model at work is out of its depth: "error_streak 3"; empty: none.
std::string trouble(const Escalation& limits, const TraceCounters& trace, bool unusable_answer);

/// Why the loop may not move from `from` to `to`: "the frontier share is overdrawn"; empty: it may.
std::string barred(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation, TierIndex from,
                   TierIndex to);

}  // namespace turnpike::policy
