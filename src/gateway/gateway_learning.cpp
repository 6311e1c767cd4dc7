// What routing learns from each answer, and what of it the next decision is told.

#include <chrono>
#include <utility>

#include "gateway/gateway.hpp"
#include "gateway/learned_inputs.hpp"

namespace turnpike::gateway {
namespace {

using Milliseconds = std::chrono::duration<float, std::milli>;

LearningView view_of(const Call& call) { return {call.snapshot->policy, call.snapshot->catalog, call.exchange.facts}; }

}  // namespace

void Gateway::fill_learned(const Call& call, RouteInputs& inputs) const {
  static const std::vector<HeldCache> nothing;
  tell_learned(view_of(call), shared_.learned, shared_.tokens, call.previous ? call.previous->held : nothing, call.exchange.at,
               !call.view.previous_response_id.empty(), inputs);
}

/// Routing goes by what the best of the provider's keys has left; which key is taken, Backends decides.
void Gateway::learn_limits(const Call& call, Try& current, const HeaderList& headers) {
  const auto headroom = headroom_of(headers, call.exchange.at);
  if (headroom) shared_.learned.paces.learn(current.record.target, current.backend.learn(*headroom));
}

void Gateway::learn_refusal(const Call& call, Try& current, const Error& error) {
  if (error.code != "rate_limit_exceeded") return;
  shared_.learned.paces.learn(current.record.target, current.backend.learn(exhausted(error.retry_after_s, call.exchange.at)));
}

void Gateway::learn_answer(const Call& call, const Try& current, const dialect::Tally& tally) {
  if (!tally.usage_reported || !tally.usage_plausible) return;
  const Exchange& exchange = call.exchange;
  const std::int64_t output = tally.usage.output();
  shared_.learned.outputs.learn(exchange.decision.policy, exchange.facts.step, output);
  const Monotonic first = current.record.first_content_at;
  if (first == Monotonic{}) return;  // not streamed: when the first token was there nobody saw
  if (limits_.hedge) hedging_.learn(current.record.target, std::chrono::duration_cast<std::chrono::milliseconds>(first - current.record.started));
  TargetPaces::Sample sample;
  sample.first_token_ms = std::chrono::duration_cast<Milliseconds>(first - current.record.started).count();
  if (output > 1) {
    const auto rest = std::chrono::duration_cast<Milliseconds>(shared_.clock.monotonic() - first);
    sample.token_ms = rest.count() / static_cast<float>(output - 1);
  }
  shared_.learned.paces.learn(current.record.target, sample, exchange.at);
}

/// For the conversation's next step. A side call changes nothing of it.
void Gateway::remember_step(const Call& call, const Candidate& candidate, const dialect::Tally& tally) {
  const Exchange& exchange = call.exchange;
  if (is_side_call(exchange.facts.step)) return;
  const LearningView view = view_of(call);
  const Answered answered{.target = candidate.target(),
                          .tier = candidate.tier,
                          .usage = tally.usage,
                          .usage_told = tally.usage_reported && tally.usage_plausible,
                          .unusable = exchange.answer && exchange.answer->unusable(),
                          .thinking_kept = tally.state_left,
                          .asked_at = exchange.at,
                          .ended_at = shared_.ledger.time()};
  const bool known = call.previous && !call.previous->stay.target.empty();
  Stay stay = stay_after(view, exchange.decision, known ? &call.previous->stay : nullptr, answered);
  shared_.learned.lengths.learn(exchange.decision.policy, stay.steps);
  const std::string& owner = exchange.account->key_id;
  const std::int64_t billed = answered.usage_told ? tally.usage.input() : 0;
  shared_.conversations.remember(owner, exchange.facts.conversation, std::move(stay), {answered.target, billed, exchange.facts.text_bytes});
  const auto* before = call.previous ? held_by(call.previous->held, answered.target) : nullptr;
  shared_.conversations.hold(owner, exchange.facts.conversation, learn_cache(view, shared_.learned, before, answered));
}

}  // namespace turnpike::gateway
