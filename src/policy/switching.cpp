#include "policy/switching.hpp"

#include <algorithm>

#include "policy/expected_cost.hpp"

namespace turnpike::policy {
namespace {

/// The chance that a conversation which moves down is asked up again: the share of steps that are hard.
double return_chance(const Policy& policy) { return policy.share ? policy.share->target : FrontierShare{}.target; }

Credits part_of(Credits amount, double share) {
  constexpr std::int64_t whole = 1'000'000;
  const auto parts = static_cast<std::int64_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(whole));
  return Credits::from_nano(static_cast<std::int64_t>(static_cast<__int128>(amount.nano()) * parts / whole));
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

  weighing.staying = outlook.step(*old, old->readable) + outlook.later_steps(*old, steps_after);
  weighing.lost = outlook.step(*fresh, fresh->readable) - outlook.step(*fresh, fresh->prompt);
  if (stay.thinking_kept && fresh->model->family != old->model->family)
    weighing.lost += outlook.more_output(*fresh, policy.switching.rethink_tokens);
  const bool down = to < policy.tier_named(stay.tier).value_or(to);
  if (down && steps_after > 0) {
    // By then the old entry is as good as gone: its life is minutes.
    const auto reload = outlook.step(*old, 0) - outlook.step(*old, old->readable);
    weighing.lost += part_of(reload, return_chance(policy));
  }
  weighing.moving = outlook.step(*fresh, fresh->prompt) + weighing.lost + outlook.later_steps(*fresh, steps_after);
  weighing.target = first->target->name;
  weighing.possible = true;
  return weighing;
}

float margin_above(const Difficulty& difficulty, float threshold, const Policy& policy) {
  if (difficulty.abstained) return 0;
  const auto share = static_cast<float>(return_chance(policy));
  const bool ranked = difficulty.percentile >= 0 && share > 0;
  const float margin = ranked ? (difficulty.percentile - (1 - share)) / share
                              : (difficulty.score - threshold) / std::max(1 - threshold, 0.01F);
  return std::clamp(margin, 0.0F, 1.0F);
}

}  // namespace turnpike::policy
