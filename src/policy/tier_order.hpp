// The order of a tier's able targets: by expected price, measured speed or weight, with those near their provider's rate
// limit behind. Source: product specification, "The decision", step 7.
#pragma once

#include <string>
#include <vector>

#include "policy/expected_cost.hpp"
#include "policy/policy.hpp"
#include "policy/situation.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::policy {

/// A target that can serve the request. Points into policy and catalog.
struct Pick {
  const Target* target = nullptr;
  const catalog::Model* model = nullptr;
  const std::string* tier = nullptr;  // name of the tier it is taken from
};

/// `keep`: the target that comes first wherever it stands, unless its provider's limit is used up; may be empty.
void put_in_order(const Policy& policy, const Tier& tier, const CostOutlook& outlook, const Situation& situation,
                  std::string_view keep, std::vector<Pick>& picks, std::vector<Why>& why);

}  // namespace turnpike::policy
