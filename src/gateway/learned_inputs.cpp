#include "gateway/learned_inputs.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "policy/escalation.hpp"

namespace turnpike::gateway {
namespace {

/// Within a running loop the next step comes about so soon.
constexpr std::chrono::seconds loop_pause{20};
/// Below this providers do not cache, or not reliably.
constexpr std::int64_t tokens_worth_learning = 1024;

CacheWarmth::Entry entry_of(const catalog::Provider& provider, bool hour) {
  if (hour && provider.cache_marked) return {provider.id, CacheWarmth::Kind::hour, std::chrono::hours{1}};
  return {provider.id, CacheWarmth::Kind::usual, provider.cache_lifetime};
}

/// Prompt tokens that the target has in its cache after an answer.
std::int64_t cached_after(const Usage& usage, bool marked) {
  return marked ? usage.input_cache_read + usage.input_cache_write_5m + usage.input_cache_write_1h : usage.input();
}

void tell_warmth(const LearningView& view, const RouteLearning& learned, const std::vector<HeldCache>& held, Instant at,
                 bool beginning_kept, RouteInputs& inputs) {
  inputs.warm.reserve(held.size());
  for (const auto& one : held) {
    const auto* model = view.catalog.find(one.target);
    if (model == nullptr) continue;
    Warmth warmth;
    warmth.target = one.target;
    warmth.cached_tokens = beginning_kept ? one.tokens : one.readable(view.facts);
    warmth.alive = learned.cache.alive(entry_of(view.catalog.provider_of(*model), one.hour), at - one.used_at);
    if (inputs.stay && inputs.stay->target == one.target) inputs.stay->cached_tokens = warmth.cached_tokens;
    inputs.warm.push_back(std::move(warmth));
  }
}

}  // namespace

void tell_learned(const LearningView& view, const RouteLearning& learned, const TokenMeter& tokens,
                  const std::vector<HeldCache>& held, Instant at, bool beginning_kept, RouteInputs& inputs) {
  tell_warmth(view, learned, held, at, beginning_kept, inputs);
  inputs.steps_left = learned.lengths.left(view.policy.name, (inputs.stay ? inputs.stay->steps : 0) + 1);
  inputs.output_tokens = learned.outputs.expected(view.policy.name, view.facts.step);
  inputs.paces.reserve(view.policy.everyone.size());
  for (const auto& target : view.policy.everyone) {
    const auto& provider = view.catalog.provider_of(view.catalog.models()[target.model]);
    TargetPace pace;
    pace.target = target.name;
    learned.paces.fill(pace, at);
    pace.tokens_per_byte = static_cast<float>(tokens.learned_tokens_per_byte(target.name));
    pace.cache_hit = learned.cache.alive(entry_of(provider, view.facts.hour_cache), loop_pause);
    inputs.paces.push_back(std::move(pace));
  }
}

HeldCache learn_cache(const LearningView& view, RouteLearning& learned, const HeldCache* before, const Answered& answered) {
  const auto* model = view.catalog.find(answered.target);
  if (model == nullptr || !answered.usage_told) return held_cache(answered.target, view.facts, 0, answered.ended_at);
  const auto& provider = view.catalog.provider_of(*model);
  const std::int64_t cached = cached_after(answered.usage, provider.cache_marked);
  const std::int64_t readable = before == nullptr ? 0 : before->readable(view.facts);
  // A prompt without marks reads nothing, whatever lives.
  const bool asked = !provider.cache_marked || cached > 0;
  if (readable >= tokens_worth_learning && asked) {
    const auto share = static_cast<float>(answered.usage.input_cache_read) / static_cast<float>(readable);
    learned.cache.learn(entry_of(provider, before->hour), answered.asked_at - before->used_at, share);
  }
  return held_cache(answered.target, view.facts, cached, answered.ended_at);
}

Stay stay_after(const LearningView& view, const RouteDecision& decision, const Stay* before, const Answered& answered) {
  Stay stay;
  stay.target = answered.target;
  stay.tier = answered.tier.empty() ? decision.tier : answered.tier;
  // Escalation lasts to the end of the tool loop; where a fallback answered it has not come about.
  const bool escalated_now = std::ranges::any_of(decision.why, [](const Why& why) { return why.reason == Reason::escalated; }) ||
                             (view.facts.in_tool_loop && before != nullptr && before->escalated);
  stay.escalated = escalated_now && stay.tier != view.policy.tiers[view.policy.easy_tier].name;
  stay.unusable_answer = answered.unusable;
  stay.thinking_kept = answered.thinking_kept;
  const auto* model = view.catalog.find(stay.target);
  const bool marked = model != nullptr && view.catalog.provider_of(*model).cache_marked;
  stay.cached_tokens = answered.usage_told ? cached_after(answered.usage, marked) : 0;
  stay.answered_at = answered.ended_at;
  stay.steps = (before == nullptr ? 0 : before->steps) + 1;
  stay.tier_steps = before != nullptr && before->tier == stay.tier ? before->tier_steps + 1 : 1;
  const bool troubled = stay.unusable_answer || !policy::trouble(view.policy.escalation, view.facts.trace,
                                                                 before != nullptr && before->unusable_answer)
                                                     .empty();
  stay.calm_steps = troubled ? 0 : (before == nullptr ? 0 : before->calm_steps) + 1;
  return stay;
}

}  // namespace turnpike::gateway
