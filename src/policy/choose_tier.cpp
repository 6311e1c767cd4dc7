#include "policy/choose_tier.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace turnpike::policy {
namespace {

constexpr std::int64_t output_tokens_expected = 600;

std::string score_against(float score, float threshold) {
  return fmt::format("score {:.3f}, threshold {:.3f}", score, threshold);
}

/// The sign that the model at work is out of its depth, or nothing.
std::string trouble(const Escalation& limits, const TraceCounters& trace, const Stay* stay) {
  const auto reached = [](std::int32_t value, std::int32_t limit) {
    return limit > 0 && value >= limit;
  };
  if (reached(trace.error_streak, limits.error_streak))
    return fmt::format("error_streak {}", trace.error_streak);
  if (reached(trace.errors_recent, limits.errors_recent))
    return fmt::format("errors_recent {}", trace.errors_recent);
  if (reached(trace.repeats_recent, limits.repeats_recent))
    return fmt::format("repeats_recent {}", trace.repeats_recent);
  if (limits.unusable_answer && stay != nullptr && stay->unusable_answer) return "unusable_answer";
  return "";
}

Credits step_cost(const PriceQuote& quote, std::int64_t prompt, std::int64_t cached,
                  std::int64_t output) {
  Usage usage;
  usage.input_cache_read = std::min(prompt, cached);
  usage.input_fresh = prompt - usage.input_cache_read;
  usage.output_text = output;
  return charge(quote, usage).value_or(Credits::max());
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
    } else {
      choice_.tier = by_difficulty();
      if (stay_ != nullptr) at_human_turn();
    }
    choice_.tier = within_budget(policy_, s_, choice_.tier, why_);
    if (stay_ != nullptr && choice_.tier == stay_tier_) choice_.keep = stay_->target;
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
    if (staying && stay_->escalated) {
      why_.push_back({Reason::escalated, "until the loop ends"});
      return;
    }
    const auto sign = trouble(policy_.escalation, s_.facts.trace, stay_);
    const auto up = policy_.tiers[choice_.tier].escalate_to;
    const bool may = s_.inputs.escalation_allowed && s_.allowance.pressure != Pressure::cheap_only;
    if (!sign.empty() && up && may) {
      choice_.tier = *up;
      why_.push_back({Reason::escalated, sign});
    } else if (staying) {
      why_.push_back({Reason::stayed_in_tool_loop, stay_->target});
    }
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

  /// A switch upwards is what the difficulty asks for. One downwards must pay for the lost cache.
  void at_human_turn() {
    if (choice_.tier == stay_tier_ || s_.facts.step != StepKind::human_turn) return;
    const bool down = policy_.tiers[stay_tier_].frontier && !policy_.tiers[choice_.tier].frontier;
    const auto saving = down ? switch_saving() : 1.0;
    if (saving >= double{policy_.switching.saving_min}) {
      why_.push_back({Reason::switched_at_human_turn, fmt::format("from {}", stay_->target)});
      return;
    }
    choice_.tier = stay_tier_;
    why_.push_back(
        {Reason::stayed_for_cache, fmt::format("{} holds the cache; a switch would save {:.0f} %",
                                             stay_->target, saving * 100)});
  }

  /// Share of the cost of the conversation's likely rest that moving to the chosen tier saves, the
  /// lost cache and the lost thoughts paid for; negative if it costs.
  double switch_saving() const {
    const auto& targets = policy_.tiers[choice_.tier].targets;
    const auto usable = std::find_if(targets.begin(), targets.end(), [this](const Target& t) {
      return !catalog_.unusable(catalog_.models()[t.model], s_.now);
    });
    if (usable == targets.end()) return 0;
    const auto old_price = catalog::quote_at(stay_model_->prices, s_.now, policy_.price_horizon);
    const auto new_price =
        catalog::quote_at(catalog_.models()[usable->model].prices, s_.now, policy_.price_horizon);
    if (!old_price || !new_price) return 0;
    const auto prompt = std::max(likely_prompt_tokens(s_.facts), stay_->cached_tokens);
    const auto rest = static_cast<double>(policy_.switching.steps_expected - 1);
    const auto nano = [&](const PriceQuote& quote, std::int64_t cached, std::int64_t more = 0) {
      return static_cast<double>(
          step_cost(quote, prompt, cached, output_tokens_expected + more).nano());
    };
    const double stay = nano(*old_price, stay_->cached_tokens) + rest * nano(*old_price, prompt);
    const bool thoughts_lost =
        stay_->thinking_kept && catalog_.models()[usable->model].family != stay_model_->family;
    const auto rethinking = thoughts_lost ? policy_.switching.rethink_tokens : 0;
    const double move = nano(*new_price, 0, rethinking) + rest * nano(*new_price, prompt);
    return stay > 0 ? (stay - move) / stay : 0;
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

Credits expected_cost(const PriceQuote& quote, std::int64_t prompt, std::int64_t cached) {
  return step_cost(quote, prompt, cached, output_tokens_expected);
}

std::int64_t likely_prompt_tokens(const RequestFacts& facts) { return facts.text_bytes / 4 + 1; }

}  // namespace turnpike::policy
