// From answers to what the next decision is told: the pure part of learning, which the gateway and the economics benchmark
// share. Neither clock nor connection; what it changes is handed in.
#pragma once

#include <string>
#include <vector>

#include "catalog/catalog.hpp"
#include "gateway/held_cache.hpp"
#include "gateway/route_learning.hpp"
#include "gateway/token_meter.hpp"
#include "policy/policy.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/route_inputs.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::gateway {

/// What all of it looks at; borrowed for the call.
struct LearningView {
  const policy::Policy& policy;
  const catalog::Catalog& catalog;
  const RequestFacts& facts;
};

/// An answer, as far as routing cares.
struct Answered {
  std::string target;
  std::string tier;
  Usage usage;
  bool usage_told = false;     // by the provider, and it can be true
  bool unusable = false;       // empty, refused, cut or with invalid calls
  bool thinking_kept = false;  // it left opaque reasoning
  Instant asked_at{};
  Instant ended_at{};
};

/// Fills warm, steps_left, output_tokens and paces, and corrects stay->cached_tokens by what the prompt still begins with.
/// `beginning_kept`: the provider itself has what stood before, so that the prompt does not show it.
void tell_learned(const LearningView& view, const RouteLearning& learned, const TokenMeter& tokens,
                  const std::vector<HeldCache>& held, Instant at, bool beginning_kept, RouteInputs& inputs);

/// Learns how much of `before` (what this target had, or null) was read, and returns what it has now.
HeldCache learn_cache(const LearningView& view, RouteLearning& learned, const HeldCache* before, const Answered& answered);

/// What the conversation's next step is told of this one. `before`: of the step before, or null.
Stay stay_after(const LearningView& view, const RouteDecision& decision, const Stay* before, const Answered& answered);

}  // namespace turnpike::gateway
