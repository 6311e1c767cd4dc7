// What routing learns from each answer, and what of it the next decision is told.

#include <algorithm>
#include <chrono>
#include <utility>

#include "gateway/gateway.hpp"
#include "policy/escalation.hpp"

namespace turnpike::gateway {
namespace {

using Milliseconds = std::chrono::duration<float, std::milli>;

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

}  // namespace

// --- Telling the decision.

void Gateway::fill_learned(const Call& call, RouteInputs& inputs) const {
  const Exchange& exchange = call.exchange;
  const auto& policy = call.snapshot->policy;
  fill_warmth(call, inputs);
  inputs.steps_left = shared_.learned.lengths.left(policy.name, (inputs.stay ? inputs.stay->steps : 0) + 1);
  inputs.output_tokens = shared_.learned.outputs.expected(policy.name, exchange.facts.step);
  inputs.paces.reserve(policy.everyone.size());
  for (const auto& target : policy.everyone) {
    const auto& model = call.snapshot->catalog.models()[target.model];
    TargetPace pace;
    pace.target = target.name;
    shared_.learned.paces.fill(pace, exchange.at);
    pace.tokens_per_byte = static_cast<float>(shared_.tokens.learned_tokens_per_byte(target.name));
    pace.cache_hit = shared_.learned.cache.alive(entry_of(call.snapshot->catalog.provider_of(model), exchange.facts.hour_cache), loop_pause);
    inputs.paces.push_back(std::move(pace));
  }
}

void Gateway::fill_warmth(const Call& call, RouteInputs& inputs) const {
  if (!call.previous) return;
  const Exchange& exchange = call.exchange;
  const auto& catalog = call.snapshot->catalog;
  const bool continues_there = !call.view.previous_response_id.empty();  // the provider has the beginning, not the client
  inputs.warm.reserve(call.previous->held.size());
  for (const auto& held : call.previous->held) {
    const auto* model = catalog.find(held.target);
    if (model == nullptr) continue;
    Warmth warmth;
    warmth.target = held.target;
    warmth.cached_tokens = continues_there ? held.tokens : held.readable(exchange.facts);
    warmth.alive = shared_.learned.cache.alive(entry_of(catalog.provider_of(*model), held.hour), exchange.at - held.used_at);
    if (inputs.stay && inputs.stay->target == held.target) inputs.stay->cached_tokens = warmth.cached_tokens;
    inputs.warm.push_back(std::move(warmth));
  }
}

// --- Learning.

void Gateway::learn_limits(const Call& call, const Candidate& candidate, const HeaderList& headers) {
  if (const auto headroom = headroom_of(headers, call.exchange.at)) shared_.learned.paces.learn(candidate.target(), *headroom);
}

void Gateway::learn_refusal(const Call& call, const Candidate& candidate, const Error& error) {
  if (error.code == "rate_limit_exceeded") shared_.learned.paces.learn(candidate.target(), exhausted(error.retry_after_s, call.exchange.at));
}

void Gateway::learn_answer(const Call& call, const Try& current, const dialect::Tally& tally) {
  if (!tally.usage_reported || !tally.usage_plausible) return;
  const Exchange& exchange = call.exchange;
  const std::int64_t output = tally.usage.output();
  shared_.learned.outputs.learn(exchange.decision.policy, exchange.facts.step, output);
  const Monotonic first = current.record.first_content_at;
  if (first == Monotonic{}) return;  // not streamed: when the first token was there nobody saw
  TargetPaces::Sample sample;
  sample.first_token_ms = std::chrono::duration_cast<Milliseconds>(first - current.record.started).count();
  if (output > 1) {
    const auto rest = std::chrono::duration_cast<Milliseconds>(shared_.clock.monotonic() - first);
    sample.token_ms = rest.count() / static_cast<float>(output - 1);
  }
  shared_.learned.paces.learn(current.record.target, sample, exchange.at);
}

/// What the answer read against what an earlier one of this target had left, and what it leaves itself.
void Gateway::learn_cache(const Call& call, const Candidate& candidate, const Usage& usage) {
  const Exchange& exchange = call.exchange;
  const auto& catalog = call.snapshot->catalog;
  const auto* model = catalog.find(candidate.target());
  if (model == nullptr) return;
  const auto& provider = catalog.provider_of(*model);
  const std::int64_t cached = cached_after(usage, provider.cache_marked);
  const auto* before = call.previous ? held_by(call.previous->held, candidate.target()) : nullptr;
  const std::int64_t readable = before == nullptr ? 0 : before->readable(exchange.facts);
  // A prompt without marks reads nothing, whatever lives.
  const bool asked = !provider.cache_marked || cached > 0;
  if (readable >= tokens_worth_learning && asked) {
    const auto share = static_cast<float>(usage.input_cache_read) / static_cast<float>(readable);
    shared_.learned.cache.learn(entry_of(provider, before->hour), exchange.at - before->used_at, share);
  }
  shared_.conversations.hold(exchange.account->key_id, exchange.facts.conversation,
                             held_cache(candidate.target(), exchange.facts, cached, shared_.ledger.time()));
}

/// What answered, for the conversation's next step.
Stay Gateway::stay_after(const Call& call, const Try& current, const dialect::Tally& tally) const {
  const Exchange& exchange = call.exchange;
  const auto& policy = call.snapshot->policy;
  const Stay* before = call.previous && !call.previous->stay.target.empty() ? &call.previous->stay : nullptr;
  Stay stay;
  stay.target = current.candidate.target();
  stay.tier = current.candidate.tier.empty() ? exchange.decision.tier : current.candidate.tier;
  // Escalation lasts to the end of the tool loop; where a fallback answered it has not come about.
  const bool escalated_now =
      std::ranges::any_of(exchange.decision.why, [](const Why& why) { return why.reason == Reason::escalated; }) ||
      (exchange.facts.in_tool_loop && before != nullptr && before->escalated);
  stay.escalated = escalated_now && stay.tier != policy.tiers[policy.easy_tier].name;
  stay.unusable_answer = exchange.answer && exchange.answer->unusable();
  stay.thinking_kept = tally.state_left;
  const auto* model = call.snapshot->catalog.find(stay.target);
  const bool marked = model != nullptr && call.snapshot->catalog.provider_of(*model).cache_marked;
  stay.cached_tokens = tally.usage_plausible ? cached_after(tally.usage, marked) : 0;
  stay.answered_at = shared_.ledger.time();
  stay.steps = (before == nullptr ? 0 : before->steps) + 1;
  stay.tier_steps = before != nullptr && before->tier == stay.tier ? before->tier_steps + 1 : 1;
  const bool troubled =
      stay.unusable_answer || !policy::trouble(policy.escalation, exchange.facts.trace, before != nullptr && before->unusable_answer).empty();
  stay.calm_steps = troubled ? 0 : (before == nullptr ? 0 : before->calm_steps) + 1;
  return stay;
}

}  // namespace turnpike::gateway
