// How many tokens a prompt has, for the model that would answer it: the provider's own count where
// it has one, else an estimate learned from what it billed. Costs nothing; still no call leaves
// without a permit.

#include <utility>

#include "dialect/token_count.hpp"
#include "dialect/translate.hpp"
#include "gateway/body_collector.hpp"
#include "gateway/gateway.hpp"

namespace turnpike::gateway {
namespace {

constexpr std::size_t count_bytes_max = std::size_t{64} << 10U;

/// Counting is free at every provider that offers it.
PriceQuote free_of_charge() {
  PriceQuote quote;
  quote.price_id = "token_count";
  return quote;
}

}  // namespace

Task<> Gateway::count_tokens(Call& call) {
  const Candidate& candidate = call.exchange.decision.candidates.front();
  std::int64_t tokens = 0;
  bool counted = false;
  if (candidate.counts_tokens) {
    const Result<std::int64_t> answer = co_await count_at_provider(call, candidate);
    counted = answer.has_value();
    if (counted) tokens = *answer;
  }
  if (!counted) tokens = prompt_estimate(call, candidate);
  call.exchange.status = 200;
  ResponseHead head;
  if (call.snapshot->decision_headers) {
    head.headers.emplace_back("x-turnpike-decision", call.exchange.decision_id);
    head.headers.emplace_back("x-turnpike-model", candidate.target());
    head.headers.emplace_back("x-turnpike-token-count", counted ? "provider" : "estimate");
  }
  call.sink.reply(head, dialect::token_count_body(call.head.route.dialect, tokens));
  co_return Result<void>{};
}

Task<std::int64_t> Gateway::count_at_provider(Call& call, const Candidate& candidate) {
  const auto& catalog = call.snapshot->catalog;
  const auto* provider = catalog.provider(candidate.provider);
  const auto key = provider == nullptr ? std::nullopt : shared_.backends.key_for(*provider, candidate.model, call.exchange.facts.conversation);
  if (!key) co_return std::unexpected{upstream_error(503, Retry::never, "upstream_unavailable", "No key of the provider is in order.")};
  const PriceQuote quote = free_of_charge();
  account::ReserveRequest wanted;
  wanted.account = call.exchange.account.get();
  wanted.decision_id = call.exchange.decision_id;
  wanted.attempt = 1;
  wanted.provider = candidate.provider;
  wanted.model = candidate.model;
  wanted.quote = &quote;
  wanted.output_tokens_max = 1;
  wanted.context_tokens = candidate.context_tokens;
  auto reservation = shared_.ledger.reserve(wanted);
  if (!reservation) co_return std::unexpected{reservation.error()};
  dialect::TranslateOptions options;
  options.opaque = &shared_.opaque;
  options.owner = call.exchange.account->key_id;
  options.client_headers = &call.request.head.headers;
  options.count_only = true;
  auto outgoing =
      dialect::translate(call.head.route.dialect, call.request.body, call.view, candidate, options);
  if (!outgoing) co_return std::unexpected{outgoing.error()};
  UpstreamRequest request{reservation->dispatch(),
                          catalog.endpoint(candidate.provider, candidate.dialect, *key),
                          std::move(outgoing->path), std::move(outgoing->body)};
  request.headers = std::move(outgoing->headers);
  const auto transfer = upstream_.send(std::move(request));
  Result<UpstreamHead> head = co_await transfer->head();
  if (!head) {
    reservation->settle_void("token_count");
    co_return std::unexpected{head.error()};
  }
  BodyCollector collector{count_bytes_max, Overflow::keep_head};
  auto body = co_await collector.read(*transfer);
  reservation->settle_void("token_count");
  if (head->status != 200 || !body) {
    co_return std::unexpected{upstream_error(502, Retry::never, "bad_upstream",
                                             "The provider did not count the tokens.")};
  }
  co_return dialect::read_token_count(candidate.dialect, *body);
}

}  // namespace turnpike::gateway
