// What a request meets before anything is decided about it: priorities, rates, the bound on requests at once.

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <utility>

#include "dialect/error_body.hpp"
#include "gateway/gateway.hpp"
#include "gateway/head_rules.hpp"
#include "gateway/queued_request.hpp"

namespace turnpike::gateway {
namespace {

/// Of the body, where its length is known before it comes.
std::size_t announced_bytes(const RequestHead& head) {
  const auto text = head.header("content-length").value_or("0");
  std::size_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes;
}

std::int64_t tokens_used(const Exchange& exchange) {
  std::int64_t sum = 0;
  for (const Attempt& attempt : exchange.attempts) sum += attempt.usage.input() + attempt.usage.output();
  return sum;
}

}  // namespace

/// The series exist from the start, so that a first refusal is a rise.
void Gateway::announce_refusals() {
  for (const Priority priority : {Priority::interactive, Priority::batch}) {
    for (const Shed why : {Shed::queue_full, Shed::queue_wait, Shed::memory})
      metrics_.add(metrics::Family::shed_total, {to_string(why), to_string(priority)}, 0);
  }
  for (const RateKind kind : {RateKind::requests, RateKind::tokens}) metrics_.add(metrics::Family::rate_refusals_total, {to_string(kind)}, 0);
}

WholeReply Gateway::shed(Dialect caller, Priority priority, Shed why) {
  shared_.overload->shed.fetch_add(1, std::memory_order_relaxed);
  metrics_.add(metrics::Family::shed_total, {to_string(why), to_string(priority)});
  return dialect::error_reply(caller, overloaded(why));
}

WholeReply Gateway::refuse_rate(Dialect caller, const RateRefusal& refusal) {
  metrics_.add(metrics::Family::rate_refusals_total, {to_string(refusal.kind)});
  WholeReply reply = dialect::error_reply(caller, rate_exceeded(refusal));
  for (auto& field : rate_headers(caller, refusal, shared_.clock.now())) reply.head.headers.push_back(std::move(field));
  return reply;
}

/// On the head alone, so that nothing is read that will not be served.
std::optional<WholeReply> Gateway::refuse_early(HeadVerdict& verdict, const RequestHead& head) {
  Overload& overload = *shared_.overload;
  const Account& account = *verdict.account;
  const Dialect caller = verdict.route.dialect;
  const auto priority = priority_of(account, head);
  if (!priority) return dialect::error_reply(caller, priority.error());
  verdict.priority = *priority;
  const MemoryLevel memory = overload.memory.load(std::memory_order_relaxed);
  if (memory == MemoryLevel::critical || (memory == MemoryLevel::tight && *priority == Priority::batch))
    return shed(caller, *priority, Shed::memory);
  if (overload.gate.waiting() > 0 &&
      overload.gate.hopeless({account.key_id, *priority, account.weight, announced_bytes(head)}))
    return shed(caller, *priority, Shed::queue_full);
  if (const auto refusal = overload.rates.take_request(account)) return refuse_rate(caller, *refusal);
  return std::nullopt;
}

/// Waits in line for a place. Without one the client has been answered, or has left.
asio::awaitable<AdmissionGate::Place> Gateway::wait_for_place(const HeadVerdict& verdict, std::size_t body_bytes, ResponseSink& sink) {
  Overload& overload = *shared_.overload;
  const Account& account = *verdict.account;
  const Dialect caller = verdict.route.dialect;
  const Monotonic begun = shared_.clock.monotonic();
  const Standing standing{account.key_id, verdict.priority, account.weight, body_bytes};
  auto executor = co_await asio::this_coro::executor;
  const auto queued = std::make_shared<QueuedRequest>(overload.gate, standing, sink, ticker_, executor);
  Waited waited = co_await QueuedRequest::wait(queued);
  metrics_.observe(metrics::Family::queue_wait_seconds, {to_string(verdict.priority)},
                   std::chrono::duration<double>(shared_.clock.monotonic() - begun).count());
  if (waited.end == WaitEnd::entered && !sink.gone()) co_return std::move(waited.place);
  overload.rates.give_back_request(account);
  if (waited.end == WaitEnd::client_gone || sink.gone()) co_return AdmissionGate::Place{};
  const WholeReply refusal = waited.end == WaitEnd::draining
                                 ? dialect::error_reply(caller, draining_error())
                                 : shed(caller, verdict.priority, waited.end == WaitEnd::waited_too_long ? Shed::queue_wait : Shed::queue_full);
  sink.reply(refusal.head, refusal.body);
  co_return AdmissionGate::Place{};
}

/// Takes what the request is likely to use out of the key's tokens of this minute: its prompt, and an answer of usual
/// length.
Result<void> Gateway::take_tokens(Call& call) {
  constexpr std::int64_t usual_answer = 1024;  // tokens
  const Exchange& exchange = call.exchange;
  if (shared_.overload == nullptr) return {};
  const auto limit = shared_.overload->rates.tokens_of(*exchange.account);
  if (!limit) return {};
  const std::int64_t estimate = prompt_estimate(call, exchange.decision.candidates.front()) +
                                std::min(call.view.output_tokens_max.value_or(usual_answer), usual_answer);
  const auto refusal = shared_.overload->rates.take_tokens(*exchange.account, estimate);
  if (!refusal) {
    // The bucket gives a minute's worth at most, and only that is put right afterwards.
    call.tokens_taken = std::min<std::int64_t>(estimate, *limit);
    return {};
  }
  metrics_.add(metrics::Family::rate_refusals_total, {to_string(refusal->kind)});
  call.refusal_headers = rate_headers(exchange.facts.dialect, *refusal, shared_.clock.now());
  return std::unexpected{rate_exceeded(*refusal)};
}

void Gateway::settle_tokens(const Call& call) {
  if (call.tokens_taken == 0) return;
  shared_.overload->rates.correct_tokens(*call.exchange.account, tokens_used(call.exchange) - call.tokens_taken);
}

}  // namespace turnpike::gateway
