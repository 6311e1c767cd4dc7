#include "routers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "classify/classifier.hpp"
#include "gateway/learned_inputs.hpp"

namespace turnpike::economics {
namespace {

const std::string scope = "key:bench";

/// First target of the tier that is on sale; of another one if there is none.
Choice first_of(const Setting& setting, policy::TierIndex wanted, Instant at) {
  const auto usable = [&](policy::TierIndex index) -> std::optional<Choice> {
    const auto& tier = setting.policy.tiers[index];
    for (const auto& target : tier.targets) {
      if (!setting.catalog.unusable(setting.catalog.models()[target.model], at)) return Choice{target.name, tier.name, tier.frontier};
    }
    return std::nullopt;
  };
  if (auto found = usable(wanted)) return *found;
  for (policy::TierIndex i = 0; i < setting.policy.tiers.size(); ++i) {
    if (auto found = usable(i)) return *found;
  }
  throw std::runtime_error{"no target of the policy is on sale"};
}

class Fixed final : public Router {
 public:
  Fixed(const Setting& setting, bool frontier) : setting_(setting), frontier_(frontier) {}
  Choice choose(const Step& step, const Difficulty&) override {
    return first_of(setting_, frontier_ ? *setting_.policy.hard_tier : setting_.policy.easy_tier, step.at);
  }

 private:
  Setting setting_;
  bool frontier_;
};

class Random final : public Router {
 public:
  explicit Random(const Setting& setting) : setting_(setting), chance_(setting.seed ^ 0xC01) {}
  Choice choose(const Step& step, const Difficulty&) override {
    const bool frontier = chance_.of(step.conversation->id, step.number) < setting_.policy.share->target;
    return first_of(setting_, frontier ? *setting_.policy.hard_tier : setting_.policy.easy_tier, step.at);
  }

 private:
  Setting setting_;
  Chance chance_;
};

class PerStep final : public Router {
 public:
  explicit PerStep(const Setting& setting)
      : setting_(setting), share_(*setting.policy.share, classify::Classifier::built_in().quantiles()) {}
  Choice choose(const Step& step, const Difficulty& difficulty) override {
    const bool frontier = difficulty.score >= share_.threshold(scope);
    auto choice = first_of(setting_, frontier ? *setting_.policy.hard_tier : setting_.policy.easy_tier, step.at);
    share_.observe(scope, {.score = difficulty.score, .frontier = choice.frontier, .at = step.at});
    return choice;
  }

 private:
  Setting setting_;
  policy::ShareController share_;
};

class Turnpike final : public Router {
 public:
  explicit Turnpike(const Setting& setting)
      : setting_(setting), share_(*setting.policy.share, classify::Classifier::built_in().quantiles()) {
    account_.key_id = "bench";
  }

  Choice choose(const Step& step, const Difficulty& scored) override {
    const auto& known = conversations_[step.conversation->id];
    const auto steering = share_.steer(scope);
    RouteInputs inputs;
    inputs.threshold = steering.threshold;
    inputs.escalation_allowed = steering.escalation_allowed;
    inputs.stay = known.stay;
    gateway::tell_learned({setting_.policy, setting_.catalog, step.facts}, learned_, tokens_, known.held, step.at, false, inputs);
    Difficulty difficulty = scored;
    difficulty.percentile = share_.percentile(scope, difficulty.score);
    inputs.threshold_percentile = share_.percentile(scope, inputs.threshold);
    auto decision = policy::decide(setting_.policy, setting_.catalog,
                                   {step.facts, difficulty, allowance_, account_, inputs, step.at});
    if (!decision) throw std::runtime_error{decision.error().message};
    decision_ = std::move(*decision);
    const auto& first = decision_.candidates.front();
    share_.observe(scope, {.score = difficulty.score, .frontier = decision_.frontier, .at = step.at, .course = course()});
    return {first.target(), first.tier, decision_.frontier};
  }

  void answered(const Step& step, const Choice& choice, const Answer& answer) override {
    auto& known = conversations_[step.conversation->id];
    const gateway::LearningView view{setting_.policy, setting_.catalog, step.facts};
    const gateway::Answered told{.target = choice.target, .tier = choice.tier, .usage = answer.usage, .usage_told = true, .thinking_kept = true,
                                 .asked_at = step.at, .ended_at = answer.ended};
    known.stay = gateway::stay_after(view, decision_, known.stay ? &*known.stay : nullptr, told);
    learned_.lengths.learn(setting_.policy.name, known.stay->steps);
    learned_.outputs.learn(setting_.policy.name, step.facts.step, answer.usage.output());
    tokens_.learn(choice.target, step.facts, answer.usage.input());
    gateway::hold(known.held, gateway::learn_cache(view, learned_, gateway::held_by(known.held, choice.target), told));
  }

 private:
  struct Known {
    std::optional<Stay> stay;
    std::vector<gateway::HeldCache> held;
  };

  /// As the gateway tells its share controller.
  [[nodiscard]] policy::ShareCourse course() const {
    const auto has = [this](Reason reason) {
      return std::ranges::any_of(decision_.why, [reason](const Why& why) { return why.reason == reason; });
    };
    const bool by_score = has(Reason::above_threshold) || has(Reason::below_threshold);
    const bool overruled = has(Reason::stayed_in_tool_loop) || has(Reason::stayed_for_cache) || has(Reason::escalated);
    return by_score && !overruled ? policy::ShareCourse::steered : policy::ShareCourse::bound;
  }

  Setting setting_;
  policy::ShareController share_;
  Account account_;
  Allowance allowance_;
  gateway::RouteLearning learned_;
  gateway::TokenMeter tokens_;
  std::unordered_map<std::uint64_t, Known> conversations_;
  RouteDecision decision_;  // of the step that is being answered
};

}  // namespace

std::unique_ptr<Router> always_frontier(const Setting& setting) { return std::make_unique<Fixed>(setting, true); }
std::unique_ptr<Router> always_bulk(const Setting& setting) { return std::make_unique<Fixed>(setting, false); }
std::unique_ptr<Router> random_share(const Setting& setting) { return std::make_unique<Random>(setting); }
std::unique_ptr<Router> per_step(const Setting& setting) { return std::make_unique<PerStep>(setting); }
std::unique_ptr<Router> turnpike_itself(const Setting& setting) { return std::make_unique<Turnpike>(setting); }

}  // namespace turnpike::economics
