// What binds a key, all told: every budget its spending is charged to, the tightest room among
// them, the bounds on single requests and on requests at once, and the models it may reach. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "account/budget.hpp"
#include "account/key_ring.hpp"
#include "app/page_sources.hpp"
#include "gateway/snapshot.hpp"

namespace turnpike::app {

/// {budgets, room, tightest, request_cost_max, concurrency_max, conversation_max,
/// requests_per_minute, tokens_per_minute, admits, because}; a bound is {max, of}: the key, a
/// budget, or [limits.key], which holds where the key has none of its own.
/// Budgets with a filter are listed but do not narrow `room`: they bind some requests only.
nlohmann::ordered_json effective_caps(const account::KeyInfo& key,
                                      const std::vector<account::BudgetState>& budgets, Instant now,
                                      const KeyDefaults& defaults = {});

/// {all, tiers: [{tier, targets}], pins, unknown}: the key's patterns against policy and catalog.
/// `pins`: targets it may ask for by name. `unknown`: patterns that fit no tier and no target.
nlohmann::ordered_json reachable_models(const Account& key, const gateway::Snapshot& snapshot);

}  // namespace turnpike::app
