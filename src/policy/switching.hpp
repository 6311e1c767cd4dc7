// What a change of model would cost a conversation and what it would save, as long as the two ways differ: until a later
// human turn asks for the tier that is left, or the conversation ends. Source: product specification, "The decision", step 5.
//
//   staying  this step with what the old cache still gives      + the later steps, warm
//   moving   this step with what the new cache gives, if any,
//            + thinking again what the new model cannot read
//            + downwards: the chance of coming back x reading all in anew  + the later steps, warm
#pragma once

#include <string_view>

#include "policy/candidates.hpp"
#include "policy/policy.hpp"
#include "policy/situation.hpp"

namespace turnpike::policy {

struct Weighing {
  std::string_view target;  // that would take over; of the policy
  Credits staying;
  Credits moving;
  Credits lost;           // of `moving`, what a warm start would not cost
  bool possible = false;  // false: one of the two is not on sale, or no target of the tier can serve the request
};

/// `steps_after`: likely further steps of the conversation; 0: this one is all.
Weighing weigh(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation, const Stay& stay,
               TierIndex to, std::int64_t steps_after);

/// How far into the hard share the step is: 0 at the threshold as used (`threshold`, a thin budget's raise included), 1 at
/// the top. By percentiles where they are known, else by scores.
float margin_above(const Difficulty& difficulty, float threshold, const RouteInputs& inputs, const Policy& policy);

}  // namespace turnpike::policy
