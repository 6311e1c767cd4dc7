// First step of the decision: what does the asked name mean here?
#pragma once

#include <cstdint>
#include <variant>

#include "catalog/catalog.hpp"
#include "policy/policy.hpp"
#include "policy/situation.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::policy {

struct Route {
  std::variant<ToAuto, ToTier, ToTarget> to;
  Why why;
};

/// In this order: override headers; protected steps; the plain name in [models]; "provider/model";
/// the wildcards of [models]; names of the catalog; names nobody knows. Unless that gave a single
/// target, the first matching [[rule]] has the last word.
Result<Route> resolve(const Policy& policy, const catalog::Catalog& catalog,
                      const Situation& situation);

}  // namespace turnpike::policy
