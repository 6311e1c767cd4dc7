// Everything the decision looks at. References are borrowed for the call only.
#pragma once

#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/difficulty.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/route_inputs.hpp"

namespace turnpike::policy {

struct Situation {
  const RequestFacts& facts;
  const Difficulty& difficulty;
  const Allowance& allowance;
  const Account& account;
  const RouteInputs& inputs;
  Instant now{};
};

}  // namespace turnpike::policy
