#include "policy/decide.hpp"

#include <cassert>

#include "policy/candidates.hpp"
#include "policy/choose_tier.hpp"
#include "policy/resolve.hpp"

namespace turnpike::policy {
namespace {

/// A tier named by the client or a rule: a tool loop that began on one of its targets stays there.
TierChoice mapped_tier(const Policy& policy, const Situation& situation, TierIndex tier,
                       std::vector<Why>& why) {
  TierChoice choice;
  choice.threshold = situation.inputs.threshold;
  choice.tier = tier;
  if (situation.facts.step == StepKind::permission_check) return choice;  // neither budget nor loop moves it
  choice.tier = within_budget(policy, situation, tier, why);
  const bool staying = situation.inputs.stay && situation.inputs.stay->tier == policy.tiers[choice.tier].name;
  if (!staying) return choice;
  choice.keep = situation.inputs.stay->target;
  if (situation.facts.in_tool_loop) why.push_back({Reason::stayed_in_tool_loop, choice.keep});
  return choice;
}

/// What leaving the model that answered last costs this conversation.
SwitchCost switch_cost(const catalog::Catalog& catalog, const Situation& situation,
                       const Candidate& first) {
  const auto& stay = situation.inputs.stay;
  if (!stay || stay->target == first.target()) return {};
  const auto* left = catalog.find(stay->target);
  const bool readable = left != nullptr && left->family == first.family;
  return {stay->cached_tokens, stay->thinking_kept && !readable};
}

/// The reason that led away says what is lost on the way.
void tell_cost(const SwitchCost& cost, std::vector<Why>& why) {
  const auto lost = to_string(cost);
  if (lost.empty()) return;
  for (auto& entry : why) {
    if (entry.reason == Reason::switched_at_human_turn || entry.reason == Reason::escalated ||
        entry.reason == Reason::deescalated)
      entry.detail += "; loses " + lost;
  }
}

/// A target in trouble, or one that cannot serve, may have undone what was weighed.
void drop_moot_verdict(RouteDecision& decision, const std::optional<Stay>& stay) {
  using Move = SwitchVerdict::Move;
  if (decision.switching.move == Move::none || !stay) return;
  const auto actual = decision.candidates.front().target() == stay->target ? Move::avoided : Move::made;
  if (decision.switching.move != actual) decision.switching = {};
}

}  // namespace

Result<RouteDecision> decide(const Policy& policy, const catalog::Catalog& catalog,
                             const Situation& situation) {
  assert(policy.catalog_hash() == catalog.content_hash() &&
         "the policy was loaded with another catalog");
  auto route = resolve(policy, catalog, situation);
  if (!route) return std::unexpected{std::move(route.error())};
  RouteDecision decision;
  decision.policy = policy.name;
  decision.threshold = situation.inputs.threshold;
  decision.why.push_back(std::move(route->why));

  Result<std::vector<Candidate>> candidates;
  if (const auto* pin = std::get_if<ToTarget>(&route->to)) {
    candidates = pinned_candidate(policy, catalog, situation, pin->model, decision.why);
  } else {
    const auto* mapped = std::get_if<ToTier>(&route->to);
    const auto choice = mapped != nullptr
                            ? mapped_tier(policy, situation, mapped->tier, decision.why)
                            : choose_tier(policy, catalog, situation, decision.why);
    decision.threshold = choice.threshold;
    decision.switching = choice.switching;
    candidates = candidates_of(policy, catalog, situation, choice.tier, choice.keep, decision.why);
  }
  if (!candidates) return std::unexpected{std::move(candidates.error())};
  decision.candidates = std::move(*candidates);
  decision.switch_cost = switch_cost(catalog, situation, decision.candidates.front());
  tell_cost(decision.switch_cost, decision.why);
  drop_moot_verdict(decision, situation.inputs.stay);
  decision.tier = decision.candidates.front().tier;
  const auto tier = policy.tier_named(decision.tier);
  decision.frontier = tier && policy.tiers[*tier].frontier;
  return decision;
}

}  // namespace turnpike::policy
