#include "gateway/gateway.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <optional>
#include <utility>

#include "dialect/error_body.hpp"
#include "dialect/facts.hpp"
#include "dialect/request_rules.hpp"
#include "dialect/responses_items_kept.hpp"
#include "gateway/client_watch.hpp"
#include "gateway/confidence.hpp"
#include "gateway/head_rules.hpp"
#include "gateway/share_step.hpp"
#include "policy/decide.hpp"
#include "turnpike/log.hpp"
#include "wire/json_document.hpp"

namespace turnpike::gateway {
namespace {

void log_request(const Exchange& exchange) {
  const std::string target = exchange.attempts.empty() ? std::string{} : exchange.attempts.back().target;
  const double seconds = std::chrono::duration<double>(exchange.finished - exchange.received).count();
  log(exchange.error ? LogLevel::warn : LogLevel::info, "request",
      {{"decision", std::string_view{exchange.decision_id}},
       {"key", std::string_view{exchange.account->key_id}},
       {"status", std::int64_t{exchange.status}},
       {"step", to_string(exchange.facts.step)},
       {"tier", std::string_view{exchange.decision.tier}},
       {"target", std::string_view{target}},
       {"attempts", static_cast<std::int64_t>(exchange.attempts.size())},
       {"difficulty", static_cast<double>(exchange.difficulty.score)},
       {"cost_nano", exchange.cost().nano()},
       {"seconds", seconds},
       {"error", exchange.error ? std::string_view{exchange.error->code} : std::string_view{}}});
}

/// A declared permission check would go to the asked model whatever the policy, the share and the budgets say: that is a
/// choice of route, which takes the same permission as the other headers.
Result<void> believe_step(const Exchange& exchange) {
  const RequestFacts& facts = exchange.facts;
  if (!facts.step_declared || facts.step != StepKind::permission_check || exchange.account->may_override_route) return {};
  return std::unexpected{client_error("route_override_not_allowed",
                                      "this key may not declare a permission check by x-turnpike-step or "
                                      "metadata.turnpike_step; an operator can permit it",
                                      {}, 403)};
}

}  // namespace

Gateway::Gateway(Shared shared, Upstream& upstream, metrics::Shard& metrics,
                 std::shared_ptr<const Snapshot> snapshot, GatewayLimits limits)
    : shared_(shared), upstream_(upstream), metrics_(metrics), snapshot_(std::move(snapshot)), limits_(limits),
      shadows_({shared.ledger, shared.opaque, shared.tokens, shared.clock, upstream, ticker_}, shared.health, metrics, shared.shadows,
               shared.learning, shared.conversations.hash_key()) {}

std::expected<std::shared_ptr<const Admission>, WholeReply> Gateway::on_head(const RequestHead& head) {
  auto verdict = std::make_shared<HeadVerdict>();
  verdict->route = dialect::route_of(head.path);
  const Dialect caller = verdict->route.dialect;
  if (auto checked = check_head(verdict->route, head); !checked) {
    WholeReply refusal = dialect::error_reply(caller, checked.error());
    if (checked.error().http_status == 405) {
      refusal.head.headers.emplace_back("allow", dialect::allow_header(verdict->route));
    }
    if (checked.error().http_status == 426) refusal.head.headers.emplace_back("upgrade", "HTTP/1.1");
    return std::unexpected{std::move(refusal)};
  }
  if (is_public(verdict->route)) return verdict;
  auto account = shared_.ledger.authenticate(head.headers);
  if (!account) return std::unexpected{dialect::error_reply(caller, account.error())};
  verdict->account = std::move(*account);
  return verdict;
}

asio::awaitable<void> Gateway::handle(ClientRequest request, ResponseSink& sink) {
  const auto admission = request.admission;  // keeps the verdict alive for the whole call
  const auto& verdict = static_cast<const HeadVerdict&>(*admission);
  if (!takes_body(verdict.route)) {
    answer_local(verdict, request.head, sink);
    co_return;
  }
  Call call{std::move(request), sink, verdict, snapshot_, {}, {}, {}};
  Result<void> outcome = plan(call);
  if (outcome && counts_tokens(verdict.route)) {
    outcome = co_await count_tokens(call);
  } else if (outcome) {
    call.shadow = shadows_.draw(call);
    outcome = co_await try_candidates(call);
  }
  if (!outcome) tell_error(call, outcome.error());
  auto shadow = shadows_.prepare(call);  // finish() gives the exchange away
  finish(call);
  shadows_.offer(std::move(shadow));
}

WholeReply Gateway::error_reply(std::string_view target, const Error& error) {
  return dialect::error_reply(dialect::route_of(target.substr(0, target.find('?'))).dialect, error);
}

// --- What to do, without doing any of it: no waiting, no I/O.

Result<void> Gateway::plan(Call& call) {
  Exchange& exchange = call.exchange;
  exchange.at = shared_.ledger.time();
  exchange.received = call.request.received;
  exchange.decision_id = make_id(exchange.at, shared_.randomness);
  exchange.account = call.head.account;
  exchange.config_version = call.snapshot->version;
  exchange.facts.dialect = call.head.route.dialect;

  if (auto done = read(call); !done) return done;
  exchange.parsed = shared_.clock.monotonic();
  auto allowance = shared_.ledger.admit(*exchange.account, exchange.facts.conversation);
  if (!allowance) return std::unexpected{allowance.error()};
  exchange.allowance = std::move(*allowance);
  exchange.difficulty = difficulty_of(call);
  auto decision = decide(call);
  if (!decision) return std::unexpected{decision.error()};
  exchange.decision = std::move(*decision);
  if (!counts_tokens(call.head.route)) {
    if (auto counted = open_share_step(*call.snapshot, exchange)) call.share_step.emplace(std::move(*counted));
  }
  exchange.decided = shared_.clock.monotonic();
  return {};
}

Difficulty Gateway::difficulty_of(const Call& call) const {
  const Exchange& exchange = call.exchange;
  if (shared_.learning == nullptr) return call.snapshot->classifier->classify(exchange.facts);
  return shared_.learning->classify(Learning::group_of(call.snapshot->policy, *exchange.account), exchange.facts);
}

/// The body once: what is spliced later, and what is decided on.
Result<void> Gateway::read(Call& call) {
  const dialect::Route& route = call.head.route;
  Exchange& exchange = call.exchange;
  if (route.dialect == Dialect::openai_responses) {
    auto body = dialect::with_kept_items(std::move(call.request.body), shared_.opaque, exchange.account->key_id);
    if (!body) return std::unexpected{body.error()};
    call.request.body = std::move(*body);
  }
  const auto document = wire::JsonDocument::parse(call.request.body);
  if (!document) return std::unexpected{document.error()};
  const auto purpose = counts_tokens(route) ? dialect::Purpose::count : dialect::Purpose::answer;
  auto view = dialect::read_view(route.dialect, call.request.body, *document, purpose);
  if (!view) return std::unexpected{view.error()};
  call.view = std::move(*view);
  auto facts = dialect::read_facts(route.dialect, *document, call.request.head, shared_.conversations.hash_key());
  if (!facts) return std::unexpected{facts.error()};
  exchange.facts = std::move(*facts);
  if (purpose == dialect::Purpose::count) {  // what is counted is the prompt, once
    exchange.facts.needs.many_choices = false;
    exchange.facts.choices = call.view.choices = 1;
  }
  if (route.dialect == Dialect::gemini_generate) {  // the path has what other dialects say in the body
    if (auto fault = dialect::model_name_fault(route.argument)) return std::unexpected{std::move(*fault)};
    call.view.model = route.argument;
    call.view.stream = route.endpoint == dialect::Endpoint::gemini_stream;
    exchange.facts.model = call.view.model;
  }
  if (auto believed = believe_step(exchange); !believed) return believed;
  exchange.facts.stream = call.view.stream;
  exchange.facts.body_bytes = static_cast<std::int64_t>(call.request.body.size());
  return {};
}

/// Who keeps the answer that this request continues. Nobody else can go on from it.
Result<std::optional<std::string>> Gateway::provider_of_previous(const Call& call) const {
  const std::string& id = call.view.previous_response_id;
  if (id.empty()) return std::nullopt;
  auto state = shared_.opaque.find(call.exchange.account->key_id, dialect::response_key(id));
  if (state) return std::move(state->vendor);
  return std::unexpected{client_error("unsupported_parameter",
                                      "No provider behind this gateway keeps that answer for this key; send the whole "
                                      "conversation as input, with store set to false.",
                                      "previous_response_id")};
}

/// What has been learned or told beside the request, as it is at this moment.
Result<RouteInputs> Gateway::inputs_of(Call& call) {
  const Snapshot& snapshot = *call.snapshot;
  const Exchange& exchange = call.exchange;
  RouteInputs inputs;
  inputs.health = shared_.health.view();
  call.previous = shared_.conversations.find(exchange.account->key_id, exchange.facts.conversation);
  if (call.previous && !call.previous->stay.target.empty()) inputs.stay = call.previous->stay;
  fill_learned(call, inputs);
  auto keeper = provider_of_previous(call);
  if (!keeper) return std::unexpected{keeper.error()};
  inputs.required_provider = std::move(*keeper);
  if (snapshot.share) {
    const auto steering = snapshot.share->steer(snapshot.share->scope_of(*exchange.account));
    inputs.threshold = steering.threshold;
    inputs.escalation_allowed = steering.escalation_allowed;
  }
  if (const auto model = call.request.head.header("x-turnpike-model")) inputs.override_target = *model;
  if (const auto tier = call.request.head.header("x-turnpike-tier")) inputs.override_tier = *tier;
  return inputs;
}

Result<RouteDecision> Gateway::decide(Call& call) {
  const Snapshot& snapshot = *call.snapshot;
  Exchange& exchange = call.exchange;
  auto inputs = inputs_of(call);
  if (!inputs) return std::unexpected{inputs.error()};
  exchange.inputs = std::move(*inputs);
  place_among_recent(exchange, snapshot);
  auto decision = policy::decide(snapshot.policy, snapshot.catalog,
                                 {.facts = exchange.facts,
                                  .difficulty = exchange.difficulty,
                                  .allowance = exchange.allowance,
                                  .account = *exchange.account,
                                  .inputs = exchange.inputs,
                                  .now = exchange.at});
  return decision;
}

// --- Doing it.

Task<> Gateway::try_candidates(Call& call) {
  const auto& candidates = call.exchange.decision.candidates;
  // Nothing below runs without a candidate, so this text is for a broken invariant only.
  Error last = gateway_error(500, "no_candidate", "The decision named no target.");
  int sent = 0;
  for (std::size_t i = 0; i < candidates.size() && sent < limits_.attempts_max;) {
    const std::size_t tried_before = call.exchange.attempts.size();
    Result<void> outcome = co_await attempt(call, candidates[i]);
    if (outcome) co_return outcome;
    // A refusal by the ledger costs no attempt: nothing has left.
    if (call.exchange.attempts.size() > tried_before) ++sent;
    // What a provider said tells more than a later refusal by the ledger.
    if (last.code == "no_candidate" || outcome.error().origin != Origin::gateway) last = outcome.error();
    const Retry retry = outcome.error().retry;
    if (retry == Retry::never || call.sink.gone() || call.sink.head_sent()) break;
    const bool alone = i + 1 >= candidates.size();
    if (!alone) {
      ++i;
    } else if (retry == Retry::same_then_next && sent < limits_.attempts_max) {
      co_await pause_before_retry(outcome.error(), sent);
    } else {
      break;
    }
  }
  if (last.origin == Origin::upstream && !last.should_retry) last.should_retry = false;
  co_return std::unexpected{std::move(last)};
}

Task<> Gateway::attempt(Call& call, const Candidate& candidate) {
  Exchange& exchange = call.exchange;
  // Translation comes first: what it adds is part of the bound, and what it refuses costs nothing.
  auto draft = make_draft(call, candidate, std::nullopt);
  if (!draft) co_return std::unexpected{draft.error()};
  const account::ReserveRequest wanted = wanted_for(call, candidate, *draft);
  auto reservation = co_await reserve(wanted);
  if (!reservation) {
    Error refusal = reservation.error();
    refusal.retry = Retry::next_candidate;  // a cheaper one may still fit
    co_return std::unexpected{std::move(refusal)};
  }
  if (exchange.reserved == Monotonic{}) exchange.reserved = shared_.clock.monotonic();
  if (const auto cap = reservation->output_tokens_cap()) {
    auto capped = make_draft(call, candidate, cap);
    if (!capped) co_return std::unexpected{capped.error()};
    draft->outgoing = std::move(capped->outgoing);
  }
  dialect::Outgoing& outgoing = draft->outgoing;
  for (const auto& field : outgoing.losses) {
    metrics_.add(metrics::Family::translation_lossy_total,
                 {to_string(exchange.facts.dialect), to_string(candidate.dialect), field});
    exchange.losses.push_back(field);
  }

  Attempt& record = exchange.attempts.emplace_back();
  record.id = reservation->attempt_id();
  record.target = candidate.target();
  record.provider = candidate.provider;
  record.model = candidate.model;
  record.price_id = candidate.quote.price_id;
  record.reserved = reservation->held();
  record.prompt_tokens_bound = draft->bound.tokens;
  record.prompt_tokens_known = draft->bound.known;
  record.started = shared_.clock.monotonic();
  UpstreamRequest request{reservation->dispatch(), call.snapshot->catalog.endpoint(candidate.provider, candidate.dialect),
                          std::move(outgoing.path), std::move(outgoing.body)};
  request.headers = std::move(outgoing.headers);
  request.stream = call.view.stream;
  const auto transfer = upstream_.send(std::move(request));
  if (exchange.sent_upstream == Monotonic{}) exchange.sent_upstream = shared_.clock.monotonic();
  Try current{candidate,       record,    *reservation, *transfer, draft->additions, draft->estimate, std::move(outgoing.tools),
              std::move(outgoing.echo)};
  Result<void> outcome = co_await converse(call, current);
  record.ended = shared_.clock.monotonic();
  if (outcome) {
    shared_.health.succeeded(record.target);
  } else {
    record.error_code = outcome.error().code;
    judge_health(candidate, outcome.error());
  }
  co_return outcome;
}

Task<> Gateway::converse(Call& call, Try& current) {
  const bool drained = !current.candidate.cancel_stops_billing || !call.view.stream;
  const WhenGone when_gone = drained && drains_ < limits_.drains_max ? WhenGone::drain : WhenGone::cancel;
  std::optional<ClientWatch> watch;
  watch.emplace(call.sink, current.transfer, when_gone, shared_.clock, ticker_, drains_);
  Result<UpstreamHead> head = co_await current.transfer.head();
  if (!head) {
    // An unusable head (a redirect, an odd status) is a refusal without usage: nothing was generated.
    if (head.error().code == "bad_upstream") {
      note(current.record, current.reservation.settle_void(head.error().code));
    } else {
      settle_unanswered(current, head.error(), call.view.stream);
    }
    co_return std::unexpected{head.error()};
  }
  current.record.head_at = shared_.clock.monotonic();
  current.record.upstream_status = head->status;
  for (const auto& [name, value] : head->headers) {
    if (name == "request-id" || name == "x-request-id" || name == "x-ds-trace-id") {
      current.record.upstream_request_id = value;
      break;
    }
  }
  learn_limits(call, current.candidate, head->headers);
  if (head->status < 200 || head->status > 299) co_return co_await refuse_upstream(call, current, *head);
  if (!call.view.stream) co_return co_await answer_whole(call, current, *head);
  watch.reset();  // the relay watches from here on
  co_return co_await stream_back(call, current, *head);
}

/// Full jitter in [0, min(8 s, 250 ms x 2^n)], or the provider's Retry-After if it is at most 10 s.
asio::awaitable<void> Gateway::pause_before_retry(const Error& error, int attempt) {
  const std::int64_t ceiling_ms = std::min<std::int64_t>(8000, std::int64_t{250} << std::min(attempt, 6));
  auto wait = std::chrono::milliseconds{shared_.randomness.next() % static_cast<std::uint64_t>(ceiling_ms + 1)};
  if (error.retry_after_s && *error.retry_after_s <= 10) wait = std::chrono::seconds{*error.retry_after_s};
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer{executor};
  timer.expires_after(wait);
  co_await timer.async_wait(asio::use_awaitable);
}

// --- Telling.

void Gateway::tell_error(Call& call, const Error& error) {
  call.exchange.error = error;
  call.exchange.status = error.http_status;
  if (call.sink.head_sent() || call.sink.gone()) return;  // a stream has its error event already
  WholeReply reply = dialect::error_reply(call.head.route.dialect, error, call.exchange.decision_id);
  call.exchange.status = reply.head.status;
  if (!call.exchange.decision_id.empty()) {
    reply.head.headers.emplace_back("x-turnpike-decision", call.exchange.decision_id);
  }
  call.sink.reply(reply.head, reply.body);
}

void Gateway::finish(Call& call) {
  Exchange& exchange = call.exchange;
  exchange.finished = shared_.clock.monotonic();
  if (call.share_step) call.share_step->settle(share_outcome(exchange, *call.snapshot));
  metrics_.record(exchange);
  if (call.snapshot->log_requests) log_request(exchange);
  if (shared_.learning != nullptr) shared_.learning->watch(call.snapshot->policy, exchange);
  shared_.ledger.record(std::move(exchange));
}

}  // namespace turnpike::gateway
