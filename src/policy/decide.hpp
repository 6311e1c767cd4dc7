// The decision: which targets may answer, in which order, and why. Pure: no clock, no randomness,
// no I/O; the same policy, catalog and situation give the same decision, whether live, explained,
// replayed or tested.
#pragma once

#include "catalog/catalog.hpp"
#include "policy/policy.hpp"
#include "policy/situation.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::policy {

/// Errors: 404 model_not_found, 410 model_retired, 400 no_price, 403 model_not_allowed or
/// route_override_not_allowed, 400 unsupported_capability, context_length_exceeded or (continuing a
/// response that no target keeps) unsupported_parameter, 402 budget_exhausted (only frontier models
/// could answer and the budget allows none), 503 provider_key_missing.
Result<RouteDecision> decide(const Policy& policy, const catalog::Catalog& catalog,
                             const Situation& situation);

}  // namespace turnpike::policy
