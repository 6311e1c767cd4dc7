// Where a score stands among the recent ones of its scope, and how sure a decision by it can be.
#pragma once

#include "gateway/snapshot.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::gateway {

/// Share of the recent steps in the account's scope that are easier than this score, 0..1.
float percentile_among_recent(const Snapshot& snapshot, const Account& account, float score);

/// Fills in the percentiles of the difficulty and of the threshold and, by their distance, confidence and abstention. After the
/// inputs of the decision are known.
void place_among_recent(Exchange& exchange, const Snapshot& snapshot);

/// What is left of the confidence that the wording allows, for a score so many percentiles away from the threshold:
/// half at the threshold, all of it from a fifth of the traffic on.
float confidence_at(float evidence, float distance);

}  // namespace turnpike::gateway
