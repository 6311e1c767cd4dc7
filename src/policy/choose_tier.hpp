// Second step of the decision, for names that mean "route by difficulty": which tier, given the
// score, the budget and what answered before?
#pragma once

#include <string>
#include <vector>

#include "catalog/catalog.hpp"
#include "policy/policy.hpp"
#include "policy/situation.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::policy {

struct TierChoice {
  TierIndex tier = 0;
  std::string keep;     // target that comes first if it can: it holds this conversation's cache and
                        // opaque state
  float threshold = 0;  // as used, pressure included
  SwitchVerdict switching;
};

/// Appends its reasons to `why`.
TierChoice choose_tier(const Policy& policy, const catalog::Catalog& catalog,
                       const Situation& situation, std::vector<Why>& why);

/// The tier allowed under the budget: a frontier tier becomes the easy one under cheap_only.
TierIndex within_budget(const Policy& policy, const Situation& situation, TierIndex tier,
                        std::vector<Why>& why);

}  // namespace turnpike::policy
