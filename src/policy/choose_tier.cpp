#include "policy/choose_tier.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "policy/escalation.hpp"
#include "policy/expected_cost.hpp"
#include "policy/switching.hpp"

namespace turnpike::policy {
namespace {

std::string score_against(float score, float threshold) {
  return fmt::format("score {:.3f}, threshold {:.3f}", score, threshold);
}

double ratio(Credits part, Credits whole) {
  return whole.nano() > 0 ? static_cast<double>(part.nano()) / static_cast<double>(whole.nano()) : 0.0;
}

class Chooser {
 public:
  Chooser(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation,
          std::vector<Why>& why)
      : policy_(policy), catalog_(catalog), s_(situation), why_(why) {}

  TierChoice run() {
    choice_.threshold = s_.inputs.threshold;
    find_stay();
    if (s_.facts.in_tool_loop) {
      in_loop();
    } else if (stay_ != nullptr && not_calm()) {
      choice_.tier = stay_tier_;
    } else {
      choice_.tier = by_difficulty();
      if (stay_ != nullptr && choice_.tier != stay_tier_) at_human_turn();
    }
    choice_.tier = within_budget(policy_, s_, choice_.tier, why_);
    const bool stays = stay_ != nullptr && choice_.tier == stay_tier_;
    if (stays && worth_keeping()) choice_.keep = stay_->target;
    // A thin budget may have had the last word over what was weighed.
    const auto wanted = stays ? SwitchVerdict::Move::avoided : SwitchVerdict::Move::made;
    if (choice_.switching.move != wanted) choice_.switching = {};
    return std::move(choice_);
  }

 private:
  /// The previous answer counts only while its model is one of this policy's and can still be
  /// called.
  void find_stay() {
    if (!s_.inputs.stay) return;
    const auto* model = catalog_.find(s_.inputs.stay->target);
    if (model == nullptr || catalog_.unusable(*model, s_.now)) return;
    const auto index = catalog_.index_of(*model);
    const auto named = policy_.tier_named(s_.inputs.stay->tier);
    const auto tier = named ? named : policy_.tier_of(index);
    if (!tier) return;
    stay_ = &*s_.inputs.stay;
    stay_model_ = model;
    stay_tier_ = *tier;
  }

  void in_loop() {
    const bool staying = stay_ != nullptr && policy_.switching.stay_in_tool_loop;
    choice_.tier = staying ? stay_tier_ : by_difficulty();
    const bool escalated = staying && stay_->escalated;
    if (escalate(escalated)) return;
    if (escalated) {
      why_.push_back({Reason::escalated, "until the loop ends"});
    } else if (staying) {
      why_.push_back({Reason::stayed_in_tool_loop, stay_->target});
    }
  }

  /// Where a tier is in an order of its own, a conversation whose cache is known to be gone, and with it nothing else,
  /// begins anew with the first of that order.
  bool worth_keeping() const {
    const auto order = policy_.tiers[stay_tier_].order;
    const bool ranked = order == TierOrder::cheapest || order == TierOrder::fastest || order == TierOrder::balanced;
    if (!ranked || s_.facts.in_tool_loop || stay_->thinking_kept) return true;
    const auto found = CostOutlook{policy_, catalog_, s_}.prospect(*stay_model_, stay_->target);
    return !found || found->held == 0 || found->readable > 0;
  }

  /// True if signs of trouble have moved the loop to the next tier.
  bool escalate(bool escalated) {
    auto sign = trouble(policy_.escalation, s_.facts.trace, stay_ != nullptr && stay_->unusable_answer);
    if (sign.empty()) return false;
    // The counters look back over several steps: right after a move they still tell of the model before.
    if (escalated && stay_->tier_steps < policy_.escalation.settle_steps) return false;
    const auto up = policy_.tiers[choice_.tier].escalate_to;
    if (!up && (escalated || policy_.tiers[choice_.tier].frontier)) return false;  // nowhere further up
    auto bar = up ? barred(policy_, catalog_, s_, choice_.tier, *up)
                  : fmt::format("tier {} has none above it", policy_.tiers[choice_.tier].name);
    if (!bar.empty()) {
      why_.push_back({Reason::escalation_refused, sign + "; " + bar});
      return false;
    }
    choice_.tier = *up;
    why_.push_back({Reason::escalated, std::move(sign)});
    return true;
  }

  /// Hysteresis: a loop that was in trouble a moment ago does not hand the conversation down.
  bool not_calm() {
    const bool bounces = s_.facts.step == StepKind::human_turn && stay_->escalated &&
                         stay_->calm_steps < policy_.escalation.calm_steps;
    if (bounces)
      why_.push_back({Reason::escalated, fmt::format("{} of {} calm steps", stay_->calm_steps,
                                                     policy_.escalation.calm_steps)});
    return bounces;
  }

  TierIndex by_difficulty() {
    const auto& difficulty = s_.difficulty;
    if (!policy_.hard_tier || *policy_.hard_tier == policy_.easy_tier) {
      why_.push_back({Reason::below_threshold, "the policy has one tier"});
      return policy_.easy_tier;
    }
    if (difficulty.abstained) {
      why_.push_back(
          {Reason::low_confidence, fmt::format("confidence {:.2f}", difficulty.confidence)});
      return policy_.default_tier;
    }
    const bool dear = difficulty.score >= s_.inputs.threshold;
    if (s_.allowance.pressure == Pressure::prefer_cheap)
      choice_.threshold += policy_.pressure.prefer_cheap_raise;
    if (difficulty.score >= choice_.threshold) {
      why_.push_back({Reason::above_threshold, score_against(difficulty.score, choice_.threshold)});
      return *policy_.hard_tier;
    }
    why_.push_back({Reason::below_threshold, score_against(difficulty.score, choice_.threshold)});
    if (dear)
      why_.push_back({Reason::budget_pressure, s_.allowance.pressure_scope + ":prefer_cheap"});
    return policy_.easy_tier;
  }

  /// The difficulty asks for another tier than that of the running conversation. A summary of it is one step, after which
  /// the conversation is another one.
  void at_human_turn() {
    const auto step = s_.facts.step;
    if (step != StepKind::human_turn && step != StepKind::compaction) return;
    const CostOutlook outlook{policy_, catalog_, s_};
    const auto steps_after = step == StepKind::compaction ? 0 : outlook.steps_after();
    const auto weighed = weigh(policy_, catalog_, s_, *stay_, choice_.tier, steps_after);
    if (!weighed.possible) return stay_for("its tier's targets cannot answer");
    if (choice_.tier > stay_tier_) {
      up(weighed);
    } else {
      down(weighed);
    }
  }

  /// Upwards the difficulty asks, and the share pays; but a step that is barely hard does not throw a large cache away.
  void up(const Weighing& weighed) {
    const float margin = margin_above(s_.difficulty, choice_.threshold, s_.inputs, policy_);
    const double lost = std::min(1.0, ratio(weighed.lost, weighed.moving));
    const double needed = lost * static_cast<double>(policy_.switching.climb_margin);
    if (static_cast<double>(margin) >= needed) return move(weighed, Reason::switched_at_human_turn);
    avoid(weighed);
    stay_for(fmt::format("{:.0f} % into the hard share, {:.0f} % needed", margin * 100, needed * 100));
  }

  void down(const Weighing& weighed) {
    const double saving = ratio(weighed.staying - weighed.moving, weighed.staying);
    if (saving >= static_cast<double>(policy_.switching.saving_min))
      return move(weighed, stay_->escalated ? Reason::deescalated : Reason::switched_at_human_turn);
    avoid(weighed);
    stay_for(fmt::format("a switch would save {:.0f} %", saving * 100));
  }

  void move(const Weighing& weighed, Reason reason) {
    choice_.switching = {SwitchVerdict::Move::made, stay_->target, weighed.staying - weighed.moving};
    why_.push_back({reason, fmt::format("from {}", stay_->target)});
  }

  void avoid(const Weighing& weighed) {
    choice_.switching = {SwitchVerdict::Move::avoided, std::string{weighed.target},
                         weighed.moving - weighed.staying};
  }

  void stay_for(std::string_view cause) {
    choice_.tier = stay_tier_;
    why_.push_back({Reason::stayed_for_cache,
                    fmt::format("{} holds the cache; {}", stay_->target, cause)});
  }

  const Policy& policy_;
  const catalog::Catalog& catalog_;
  const Situation& s_;
  std::vector<Why>& why_;
  TierChoice choice_;
  const Stay* stay_ = nullptr;
  const catalog::Model* stay_model_ = nullptr;
  TierIndex stay_tier_ = 0;
};

}  // namespace

TierChoice choose_tier(const Policy& policy, const catalog::Catalog& catalog,
                       const Situation& situation, std::vector<Why>& why) {
  return Chooser{policy, catalog, situation, why}.run();
}

TierIndex within_budget(const Policy& policy, const Situation& situation, TierIndex tier,
                        std::vector<Why>& why) {
  if (situation.allowance.pressure != Pressure::cheap_only || !policy.tiers[tier].frontier)
    return tier;
  why.push_back({Reason::budget_pressure, situation.allowance.pressure_scope + ":cheap_only"});
  return policy.easy_tier;
}

}  // namespace turnpike::policy
