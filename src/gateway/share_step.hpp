// What the frontier share is told of a request: at the decision what was chosen, at the end what really ran.
#pragma once

#include <optional>

#include "gateway/snapshot.hpp"
#include "policy/share.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::gateway {

/// Absent if the policy holds no share. The exchange has its decision.
std::optional<policy::OpenShareStep> open_share_step(const Snapshot& snapshot, const Exchange& exchange);

/// Once all attempts have ended. What ran is the last attempt that was charged or that answered: one that served, or one
/// whose client left, or that broke on the way. Refused and unsent ones did not run; neither did a decision whose every
/// candidate the ledger refused.
policy::ShareOutcome share_outcome(const Exchange& exchange, const Snapshot& snapshot);

}  // namespace turnpike::gateway
