#include "policy/switching.hpp"

#include <algorithm>
#include <cmath>

#include "policy/expected_cost.hpp"

namespace turnpike::policy {
namespace {

/// Share of the human turns that ask for the hard tier.
double hard_share(const Policy& policy) { return policy.share ? policy.share->target : FrontierShare{}.target; }

/// Until when two ways differ: some later human turn asks for the tier that is left, and they meet again.
struct Horizon {
  std::int64_t steps = 0;  // expected, after this one
  double meets = 0;        // chance that they do before the conversation ends
};

Horizon horizon_of(const TraceCounters& trace, std::int64_t steps_after, double asked_back) {
  const auto steps_per_turn = std::max<std::int64_t>(1, trace.assistant_turns / std::max(1, trace.human_turns));
  const auto turns_left = (steps_after + steps_per_turn / 2) / steps_per_turn;
  double apart = 1;  // chance that they have not met yet
  double turns = 0;  // expected until then
  for (std::int64_t i = 0; i < turns_left && apart > 1e-6; ++i) {
    turns += apart;
    apart *= 1 - asked_back;
  }
  if (turns_left == 0) return {steps_after, 0};
  return {std::min<std::int64_t>(steps_after, std::llround(turns * static_cast<double>(steps_per_turn))), 1 - apart};
}

Credits part_of(Credits amount, double share) {
  constexpr std::int64_t whole = 1'000'000;
  const auto parts = static_cast<std::int64_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(whole));
  // In two steps, of which neither can leave 64 bits.
  return Credits::from_nano(amount.nano() / whole * parts + amount.nano() % whole * parts / whole);
}

/// A thin budget raises the threshold to a score whose percentile nobody looked up: it lies on the line between the
/// threshold's and the step's. Records that do not hold the threshold's were decided from 1 - target.
float percentile_at(float threshold, const Difficulty& difficulty, const RouteInputs& inputs, const Policy& policy) {
  const float base = inputs.threshold_percentile;
  if (base < 0) return static_cast<float>(1 - hard_share(policy));
  const float rise = threshold - inputs.threshold;
  const float way = difficulty.score - inputs.threshold;
  if (rise <= 0 || way <= 0) return base;
  return base + (difficulty.percentile - base) * std::min(rise / way, 1.0F);
}

}  // namespace

Weighing weigh(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation, const Stay& stay,
               TierIndex to, std::int64_t steps_after) {
  Weighing weighing;
  const auto* model = catalog.find(stay.target);
  const auto first = first_able(policy, catalog, situation, to);
  if (model == nullptr || !first) return weighing;
  const CostOutlook outlook{policy, catalog, situation};
  const auto old = outlook.prospect(*model, stay.target);
  const auto fresh = outlook.prospect(*first->model, first->target->name);
  if (!old || !fresh) return weighing;

  const bool down = to < policy.tier_named(stay.tier).value_or(to);
  const double hard = hard_share(policy);
  const auto horizon = horizon_of(situation.facts.trace, steps_after, down ? hard : 1 - hard);
  weighing.staying = outlook.step(*old, old->readable) + outlook.later_steps(*old, horizon.steps);
  weighing.lost = outlook.step(*fresh, fresh->readable) - outlook.step(*fresh, fresh->prompt);
  if (stay.thinking_kept && fresh->model->family != old->model->family)
    weighing.lost += outlook.more_output(*fresh, policy.switching.rethink_tokens);
  // By the time of the way back the old entry is as good as gone: its life is minutes.
  if (down) weighing.lost += part_of(outlook.step(*old, 0) - outlook.step(*old, old->readable), horizon.meets);
  weighing.moving = outlook.step(*fresh, fresh->prompt) + weighing.lost + outlook.later_steps(*fresh, horizon.steps);
  weighing.target = first->target->name;
  weighing.possible = true;
  return weighing;
}

float margin_above(const Difficulty& difficulty, float threshold, const RouteInputs& inputs, const Policy& policy) {
  if (difficulty.abstained) return 0;
  const bool ranked = difficulty.percentile >= 0;
  const float from = ranked ? percentile_at(threshold, difficulty, inputs, policy) : threshold;
  const float reached = ranked ? difficulty.percentile : difficulty.score;
  return std::clamp((reached - from) / std::max(1 - from, 0.01F), 0.0F, 1.0F);
}

}  // namespace turnpike::policy
