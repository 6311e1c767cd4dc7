// Where a score stands among the recent ones of its scope, and how sure a decision by it can be.
#pragma once

#include "gateway/snapshot.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::gateway {

/// Fills in the difficulty's percentile and, by its distance from the threshold, confidence and abstention. After the
/// inputs of the decision are known.
void place_among_recent(Exchange& exchange, const Snapshot& snapshot);

/// What is left of the confidence that the wording allows, for a score so many percentiles away from the threshold:
/// half at the threshold, all of it from a fifth of the traffic on.
float confidence_at(float evidence, float distance);

}  // namespace turnpike::gateway
