#include "gateway/gateway.hpp"

#include <optional>
#include <utility>

#include "dialect/error_body.hpp"
#include "dialect/facts.hpp"
#include "dialect/request_rules.hpp"
#include "dialect/responses_items_kept.hpp"
#include "gateway/confidence.hpp"
#include "gateway/head_rules.hpp"
#include "gateway/hedge_metrics.hpp"
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
      shadows_({shared.ledger, shared.opaque, shared.tokens, shared.clock, upstream, ticker_, shared.backends}, metrics, shared.shadows,
               shared.learning, shared.conversations.hash_key()) {
  if (shared_.overload != nullptr) announce_refusals();
  if (limits_.hedge) announce_hedges(metrics_, snapshot_->catalog);
}

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
  if (shared_.overload != nullptr && takes_body(verdict->route)) {
    if (auto refusal = refuse_early(*verdict, head)) return std::unexpected{std::move(*refusal)};
  }
  return verdict;
}

asio::awaitable<void> Gateway::handle(ClientRequest request, ResponseSink& sink) {
  const auto admission = request.admission;  // keeps the verdict alive for the whole call
  const auto& verdict = static_cast<const HeadVerdict&>(*admission);
  if (!takes_body(verdict.route)) {
    answer_local(verdict, request.head, sink);
    co_return;
  }
  AdmissionGate::Place place;  // until the request is finished
  bool waited = false;
  if (shared_.overload != nullptr) {
    place = shared_.overload->gate.try_enter();
    waited = !place.held();
    if (waited) place = co_await wait_for_place(verdict, request.body.size(), sink);
    if (!place.held()) co_return;
  }
  Call call{std::move(request), sink, verdict, snapshot_, {}, {}, {}};
  if (waited) call.exchange.admitted = shared_.clock.monotonic();
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
    if (auto taken = take_tokens(call); !taken) return taken;
    if (auto counted = open_share_step(*call.snapshot, exchange)) call.share_step.emplace(std::move(*counted));
  }
  exchange.decided = shared_.clock.monotonic();
  return {};
}

Difficulty Gateway::difficulty_of(Call& call) const {
  const Exchange& exchange = call.exchange;
  const policy::Policy& policy = call.snapshot->policy;
  if (shared_.learning == nullptr) return call.snapshot->classifier->classify(exchange.facts);
  return shared_.learning->classify(Learning::group_of(policy, *exchange.account), exchange.facts,
                                    policy.classifier.weak_signals ? &call.footprint : nullptr);
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
  inputs.health = shared_.backends.view(snapshot.catalog);
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

// --- Telling.

void Gateway::tell_error(Call& call, const Error& error) {
  call.exchange.error = error;
  call.exchange.status = error.http_status;
  if (call.sink.head_sent() || call.sink.gone()) return;  // a stream has its error event already
  WholeReply reply = dialect::error_reply(call.head.route.dialect, error, call.exchange.decision_id);
  call.exchange.status = reply.head.status;
  for (const auto& field : call.refusal_headers) reply.head.headers.push_back(field);
  if (!call.exchange.decision_id.empty()) {
    reply.head.headers.emplace_back("x-turnpike-decision", call.exchange.decision_id);
  }
  call.sink.reply(reply.head, reply.body);
}

void Gateway::finish(Call& call) {
  Exchange& exchange = call.exchange;
  exchange.finished = shared_.clock.monotonic();
  settle_tokens(call);
  if (call.share_step) call.share_step->settle(share_outcome(exchange, *call.snapshot));
  metrics_.record(exchange);
  if (call.snapshot->log_requests) log_request(exchange);
  if (shared_.learning != nullptr) shared_.learning->watch(call.snapshot->policy, exchange, std::move(call.footprint));
  shared_.ledger.record(std::move(exchange));
}

}  // namespace turnpike::gateway
