// The first part of an attempt: what would be sent, what it can cost at most, and holding that. Nothing has left by then.

#include <algorithm>
#include <utility>

#include "dialect/opaque_store.hpp"
#include "gateway/gateway.hpp"
#include "gateway/patient_reserve.hpp"
#include "turnpike/server_tools.hpp"

namespace turnpike::gateway {

std::int64_t Gateway::prompt_estimate(const Call& call, const Candidate& candidate) const {
  return shared_.tokens.estimate(candidate.target(), call.exchange.facts, call.previous ? &call.previous->billed : nullptr,
                                 candidate.tokens_per_image_max);
}

/// What the provider adds from its own memory: the prompt and the answer that are continued.
std::int64_t Gateway::continued_tokens(const Call& call, const Candidate& candidate) const {
  const std::string& id = call.view.previous_response_id;
  if (id.empty()) return 0;
  const auto kept = shared_.conversations.find(call.exchange.account->key_id, dialect::response_key(id));
  if (kept && kept->billed.tokens > 0) return kept->billed.tokens;
  return candidate.context_tokens;  // no prompt can be longer
}

PromptBound Gateway::prompt_bound(const Call& call, const Candidate& candidate, const Additions& additions) const {
  const RequestFacts& facts = call.exchange.facts;
  const std::string target = candidate.target();
  BoundRates rates;
  rates.tokens_per_media = candidate.tokens_per_image_max;
  if (limits_.admission.calibrated) rates.tokens_per_kib = shared_.tokens.calibrated_per_kib(target);
  const BilledPrompts* billed =
      limits_.admission.prefix_tightening && call.previous ? call.previous->prompts.get() : nullptr;
  PromptBound bound = billed == nullptr ? plain_bound(facts, additions, rates) : billed->bound(target, facts, additions, rates);
  bound.tokens += continued_tokens(call, candidate);
  return bound;
}

/// On the heap: it is large, and gone long before the answer is.
Result<std::unique_ptr<Gateway::Draft>> Gateway::make_draft(const Call& call, const Candidate& candidate, std::optional<std::int64_t> cap) const {
  dialect::PutBack put_back;
  dialect::TranslateOptions options;
  options.opaque = &shared_.opaque;
  options.owner = call.exchange.account->key_id;
  options.output_tokens_cap = cap;
  options.client_headers = &call.request.head.headers;
  options.continues_own_response = !call.view.previous_response_id.empty();  // decide() has seen to it
  options.put_back = &put_back;
  auto outgoing = dialect::translate(call.head.route.dialect, call.request.body, call.view, candidate, options);
  if (!outgoing) return std::unexpected{std::move(outgoing.error())};
  auto draft = std::make_unique<Draft>();
  draft->additions.growth =
      static_cast<std::int64_t>(outgoing->body.size()) - static_cast<std::int64_t>(call.request.body.size());
  draft->additions.put_back = std::move(put_back.sizes);
  draft->outgoing = std::move(*outgoing);
  draft->bound = prompt_bound(call, candidate, draft->additions);
  draft->estimate = prompt_estimate(call, candidate);
  draft->quote = quote_for(call, candidate, draft->bound.tokens);
  draft->wanted = wanted_for(call, candidate, *draft);
  return draft;
}

/// The price of the decision; of its ceiling without the sizes that this prompt cannot reach. What documents, sound and
/// server tools add to a prompt is not bounded.
PriceQuote Gateway::quote_for(const Call& call, const Candidate& candidate, std::int64_t prompt_tokens) const {
  const RequestFacts& facts = call.exchange.facts;
  const bool grows = facts.files > 0 || facts.needs.documents || facts.needs.audio || facts.server_calls != PerServerTool{};
  const auto& catalog = call.snapshot->catalog;
  const auto* model = catalog.find(candidate.target());
  if (grows || candidate.quote.tier_count == 1 || model == nullptr) return candidate.quote;
  const auto horizon = catalog.provider_of(*model).price_horizon(call.snapshot->policy.price_horizon);
  PriceQuote quote = candidate.quote;
  if (const auto narrowed = catalog::quote_at(model->prices, call.exchange.at, horizon, prompt_tokens))
    quote.ceiling = narrowed->ceiling;
  return quote;
}

account::ReserveRequest Gateway::wanted_for(const Call& call, const Candidate& candidate, const Draft& draft) const {
  const Exchange& exchange = call.exchange;
  return {
      .account = exchange.account.get(),
      .decision_id = exchange.decision_id,
      .attempt = static_cast<int>(exchange.attempts.size()) + 1,
      .provider = candidate.provider,
      .model = candidate.model,
      .tier = candidate.tier,
      .conversation = exchange.facts.conversation,
      .quote = &draft.quote,
      .prompt_tokens_bound = draft.bound.tokens,
      .prompt_tokens_known = draft.bound.known,
      .prompt_tokens_estimate = draft.estimate,
      // The gateway's own marks ask for five minutes.
      .input_classes = exchange.facts.hour_cache ? InputClasses::all : InputClasses::no_hour_cache,
      .output_tokens_max = std::min(call.view.output_tokens_max.value_or(candidate.output_tokens_max),
                                    candidate.output_tokens_max),
      .choices = call.view.choices,
      .items_max = server_calls_bound(exchange.facts, candidate),
      // A thin budget shortens an answer whose length the client left open, but never that of a protected step.
      .client_gave_max = call.view.output_tokens_max.has_value() || exchange.facts.step == StepKind::permission_check,
      .streaming = call.view.stream,
      .context_tokens = billed_tokens_bound(exchange.facts, candidate)};
}

Task<account::Reservation> Gateway::reserve(account::ReserveRequest wanted) {
  co_return co_await reserve_patiently(shared_.ledger, shared_.clock, std::move(wanted));
}

}  // namespace turnpike::gateway
