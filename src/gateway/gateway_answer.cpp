// The second half of an attempt: what came back from the provider, told to the client and settled.

#include <algorithm>
#include <cmath>
#include <utility>

#include "dialect/error_body.hpp"
#include "dialect/response_translator.hpp"
#include "dialect/upstream_error.hpp"
#include "gateway/answer_measures.hpp"
#include "gateway/body_collector.hpp"
#include "gateway/gateway.hpp"

namespace turnpike::gateway {
namespace {

std::string joined_reasons(const RouteDecision& decision) {
  std::string names;
  for (const auto& why : decision.why) {
    if (why.reason == Reason::fallback) continue;  // says which targets stand by; the record has it
    const auto name = to_string(why.reason);
    if (names.find(name) != std::string::npos) continue;
    if (!names.empty()) names += ',';
    names += name;
  }
  return names;
}

/// Over Responses, DeepSeek keeps nothing of what it answers.
bool keeps_answers(const Candidate& candidate) {
  return candidate.dialect == Dialect::openai_responses && candidate.thinking != ThinkingStyle::deepseek_effort;
}

std::string_view id_prefix(Dialect client) {
  switch (client) {
    case Dialect::anthropic_messages:
      return "msg_";
    case Dialect::openai_responses:
      return "resp_";
    case Dialect::gemini_generate:
      return "";
    case Dialect::openai_chat:
      break;
  }
  return "chatcmpl-";
}

std::string short_decimal(float value) {
  const int thousandths = static_cast<int>(std::lround(std::clamp(value, 0.0F, 1.0F) * 1000));
  std::string text = std::to_string(thousandths / 1000) + '.' + std::to_string(1000 + thousandths % 1000).substr(1);
  return text;
}

}  // namespace

Task<> Gateway::refuse_upstream(Call& call, Try& current, const UpstreamHead& head) {
  BodyCollector collector{limits_.error_bytes_max, Overflow::keep_head};
  auto body = co_await collector.read(current.transfer);
  const std::string text = body ? std::move(*body) : std::string{};
  Error error = dialect::read_upstream_error(current.candidate, call.head.route.dialect, head.status, head.headers, text);
  note(current.record, current.reservation.settle_void("upstream_refused"));
  learn_refusal(call, current, error);
  if (error.code == "upstream_quota") current.spends_again = dialect::spends_again_at(text);
  co_return std::unexpected{std::move(error)};
}

/// What an answer tells of its model. Where the client or its budget has left it little room, a cut tells nothing.
AnswerMeasures Gateway::measured(const Call& call, const Try& current, const dialect::Tally& tally) {
  constexpr std::int64_t roomy = 4096;  // tokens; harnesses that set a limit leave more
  AnswerMeasures measures = measures_of(tally);
  const bool capped = current.reservation.output_tokens_cap().has_value();
  measures.own_limit = measures.length_stop && (capped || call.exchange.facts.output_tokens_max.value_or(roomy) < roomy);
  return measures;
}

Task<> Gateway::answer_whole(Call& call, Try& current) {
  BodyCollector collector{limits_.answer_bytes_max, Overflow::fail};
  auto body = co_await collector.read(current.transfer);
  if (!body) {
    settle_unanswered(current, body.error(), false);
    co_return std::unexpected{body.error()};
  }
  const auto options = stream_options(call, current);
  auto answer = dialect::translate_response(current.candidate, options, std::move(*body));
  if (!answer) {
    note(current.record, current.reservation.settle_at_reservation("bad_upstream"));
    co_return std::unexpected{answer.error()};
  }
  settle_answer(current, answer->tally, {});
  call.exchange.answer = measured(call, current, answer->tally);
  remember(call, current, answer->tally);
  call.exchange.first_content = shared_.clock.monotonic();
  call.exchange.status = 200;
  ResponseHead reply = answer_head(call, current, "application/json");
  if (call.snapshot->decision_headers) {
    reply.headers.emplace_back("x-turnpike-cost", to_string(call.exchange.cost()));
  }
  call.sink.reply(reply, answer->body);
  co_return Result<void>{};
}

Task<> Gateway::stream_back(Call& call, Try& current) {
  dialect::StreamTranslator translator{current.candidate, stream_options(call, current)};
  std::string* const body = call.shadow ? nullptr : &call.request.body;  // a shadow asks with it afterwards
  const RelayParts parts{current.transfer, current.listener.sink, translator, current.reservation, current.backend, shared_.clock, body};
  const bool cancel_when_gone = current.candidate.cancel_stops_billing || drains_ >= limits_.drains_max;
  RelayLimits limits = limits_.relay;
  const bool reasons = current.candidate.thinking != ThinkingStyle::none;
  limits.first_content = reasons ? current.timeouts.first_content_reasoning : current.timeouts.first_content;
  limits.between_content = current.timeouts.between_content;
  Relay relay{parts, answer_head(call, current, "text/event-stream; charset=utf-8"), limits, cancel_when_gone, drains_};
  ticker_.add(relay);
  const RelayOutcome outcome = co_await relay.run();
  ticker_.remove(relay);
  co_return end_stream(call, current, translator, outcome);
}

/// No part of the coroutine: what it needs would have its place in the frame for as long as the stream lasts.
Result<void> Gateway::end_stream(Call& call, Try& current, const dialect::StreamTranslator& translator, const RelayOutcome& outcome) {
  current.record.first_content_at = outcome.first_content;
  if (current.listener.lost()) {
    settle_answer(current, translator.tally(), translator.complete() ? "" : "hedge_lost");
    return std::unexpected{lost_race()};
  }
  if (call.exchange.first_content == Monotonic{}) call.exchange.first_content = outcome.first_content;
  call.exchange.status = 200;
  switch (outcome.end) {
    case RelayEnd::complete:
      call.exchange.end = StreamEnd::complete;
      settle_answer(current, translator.tally(), {});
      call.exchange.answer = measured(call, current, translator.tally());
      remember(call, current, translator.tally());
      return Result<void>{};
    case RelayEnd::client_gone:
      call.exchange.end = StreamEnd::client_gone;
      settle_answer(current, translator.tally(), translator.complete() ? "" : "client_gone");
      return Result<void>{};
    case RelayEnd::failed:
      break;
  }
  const Error error = outcome.error.value_or(upstream_error(502, Retry::never, "upstream_error", "The stream broke."));
  call.exchange.end = error.code.starts_with("timeout") ? StreamEnd::timed_out
                      : error.code == "stream_truncated" || error.code == "upstream_closed" ? StreamEnd::truncated
                                                                                       : StreamEnd::upstream_error;
  settle_answer(current, translator.tally(), error.code);
  return std::unexpected{error};
}

// --- Settling. Source of every case: reliability specification, "Settlement".

void Gateway::settle_unanswered(Try& current, const Error& error, bool streaming) {
  if (!current.transfer.fully_sent()) {
    note(current.record, current.reservation.settle_void(error.code));
  } else if (streaming) {
    note(current.record, current.reservation.settle_estimated(estimated_usage({}, current.prompt_estimate), error.code));
  } else {
    note(current.record, current.reservation.settle_at_reservation(error.code));
  }
}

void Gateway::settle_answer(Try& current, const dialect::Tally& tally, std::string_view cause_if_broken) {
  Attempt& record = current.record;
  if (cause_if_broken.empty() && tally.usage_reported) {
    // A usage that cannot be true is as good as none: the reservation is booked, an alarm raised, and the figures go
    // into no sum.
    const auto settled = tally.usage_plausible ? current.reservation.settle_exact(tally.usage)
                                               : current.reservation.settle_at_reservation("implausible_usage");
    if (tally.usage_plausible && !settled.implausible) record.usage = tally.usage;
    note(record, settled);
    return;
  }
  record.usage = estimated_usage(tally, current.prompt_estimate);
  note(record, current.reservation.settle_estimated(record.usage, cause_if_broken.empty() ? "usage_missing" : cause_if_broken));
}

void Gateway::note(Attempt& record, const account::Settled& settled) {
  record.cost = settled.cost;
  record.settlement = settled.settlement;
  record.cause = settled.cause;
}

/// An answer that its provider keeps can be continued, there and nowhere else.
void Gateway::remember_kept_answer(const Call& call, const Candidate& candidate, const dialect::Tally& tally) {
  if (call.head.route.dialect != Dialect::openai_responses || !keeps_answers(candidate) || tally.response_id.empty()) return;
  const std::string key = dialect::response_key(tally.response_id);
  const std::string& owner = call.exchange.account->key_id;
  dialect::OpaqueState kept;
  kept.vendor = candidate.provider;
  kept.family = candidate.family;
  shared_.opaque.put(owner, key, std::move(kept));
  if (!tally.usage_reported || !tally.usage_plausible) return;
  shared_.conversations.remember(owner, key, {}, {candidate.target(), tally.usage.input() + tally.usage.output(), 0});
}

void Gateway::remember(Call& call, const Try& current, const dialect::Tally& tally) {
  const Exchange& exchange = call.exchange;
  const Candidate& candidate = current.candidate;
  remember_kept_answer(call, candidate, tally);
  learn_answer(call, current, tally);
  if (exchange.facts.conversation.empty()) return;
  const std::string target = candidate.target();
  const std::int64_t billed = tally.usage_reported && tally.usage_plausible ? tally.usage.input() : 0;
  const std::string& owner = exchange.account->key_id;
  remember_step(call, candidate, tally);
  if (billed == 0) return;
  shared_.tokens.learn(target, exchange.facts, billed);
  // What the provider remembered itself is in the bill and not in the prompt.
  if (!call.view.previous_response_id.empty()) return;
  shared_.conversations.add_billed(owner, exchange.facts.conversation,
                                   billed_step(target, exchange.facts, current.additions, billed), exchange.facts);
}

// --- What the client sees beside the answer.

ResponseHead Gateway::answer_head(const Call& call, const Try& current, std::string content_type) const {
  ResponseHead head;
  head.content_type = std::move(content_type);
  if (call.view.stream) {
    head.headers.emplace_back("cache-control", "no-cache");
    head.headers.emplace_back("x-accel-buffering", "no");
  }
  if (const auto cap = current.reservation.output_tokens_cap()) {
    head.headers.emplace_back("x-turnpike-max-tokens", std::to_string(*cap));
  }
  if (!call.snapshot->decision_headers) return head;
  const Exchange& exchange = call.exchange;
  head.headers.emplace_back("x-turnpike-decision", exchange.decision_id);
  head.headers.emplace_back("x-turnpike-model", current.record.target);
  head.headers.emplace_back("x-turnpike-tier", current.candidate.tier);
  head.headers.emplace_back("x-turnpike-difficulty", short_decimal(exchange.difficulty.score));
  head.headers.emplace_back("x-turnpike-reason", joined_reasons(exchange.decision));
  if (exchange.allowance.remaining) {
    head.headers.emplace_back("x-turnpike-budget-remaining", to_string(*exchange.allowance.remaining));
  }
  if (exchange.allowance.pressure == Pressure::prefer_cheap || exchange.allowance.pressure == Pressure::cheap_only) {
    head.headers.emplace_back("x-turnpike-downgraded",
                              exchange.allowance.pressure_scope +
                                  (exchange.allowance.pressure == Pressure::cheap_only ? ":cheap_only" : ":prefer_cheap"));
  }
  return head;
}

dialect::StreamOptions Gateway::stream_options(const Call& call, const Try& current) {
  dialect::StreamOptions options;
  options.client = call.head.route.dialect;
  options.include_reasoning = options.client != Dialect::gemini_generate || call.view.wants_thoughts;
  const bool kept_there = keeps_answers(current.candidate);
  if (call.view.refers_to_items) options.keep_items = kept_there ? dialect::KeepItems::ids : dialect::KeepItems::whole;
  options.include_usage = call.view.include_usage;
  options.id = std::string{id_prefix(options.client)} + call.exchange.decision_id;
  options.created = std::chrono::duration_cast<std::chrono::seconds>(call.exchange.at.time_since_epoch()).count();
  options.model = current.candidate.model;
  options.tools = current.tools;
  options.echo = current.echo;
  options.opaque = &shared_.opaque;
  options.owner = call.exchange.account->key_id;
  if (call.shadow) {
    call.shadow->live.clear();  // what an earlier target said before it failed
    options.action = &call.shadow->live;
  }
  return options;
}

// --- Answers that reach no provider.

namespace {

/// Lists of models share a path between dialects: the header that only one vendor's clients send tells them apart.
Dialect list_shape(const dialect::Route& route, const RequestHead& head) {
  if (head.header("anthropic-version")) return Dialect::anthropic_messages;
  if (head.header("x-goog-api-key")) return Dialect::gemini_generate;
  return route.dialect;
}

}  // namespace

WholeReply Gateway::local_reply(const HeadVerdict& verdict, const RequestHead& head) const {
  using dialect::Endpoint;
  const Dialect shape = list_shape(verdict.route, head);
  WholeReply reply;
  switch (verdict.route.endpoint) {
    case Endpoint::models:
    case Endpoint::gemini_models:
      reply.body = dialect::models_body(shape, snapshot_->models);
      return reply;
    case Endpoint::model:
    case Endpoint::gemini_model: {
      const auto& models = snapshot_->models;
      const auto found = std::ranges::find(models, verdict.route.argument, &dialect::ModelInfo::id);
      if (found == models.end()) {
        return dialect::error_reply(shape, client_error("model_not_found",
                                                        "No model " + quoted_for_message(verdict.route.argument) +
                                                            "; GET /v1/models lists the names.",
                                                        "model", 404));
      }
      reply.body = dialect::model_body(shape, *found);
      return reply;
    }
    case Endpoint::ready:
      if (!ready_ || !shared_.ledger.writable()) {
        reply.head.status = 503;
        reply.body = ready_ ? R"({"status":"ledger_unavailable"})" : R"({"status":"draining"})";
        return reply;
      }
      reply.body = R"({"status":"ready"})";
      return reply;
    case Endpoint::root:
      reply.body = R"({"name":"turnpike","chat":"/v1/chat/completions","responses":"/v1/responses","messages":"/v1/messages","gemini":"/v1beta/models","models":"/v1/models"})";
      return reply;
    default:
      if (shared_.loops_tick && !shared_.loops_tick()) {
        reply.head.status = 503;
        reply.body = R"({"status":"stuck"})";
        return reply;
      }
      reply.body = R"({"status":"ok"})";
      return reply;
  }
}

void Gateway::answer_local(const HeadVerdict& verdict, const RequestHead& head, ResponseSink& sink) const {
  const WholeReply reply = local_reply(verdict, head);
  sink.reply(reply.head, reply.body);
}

}  // namespace turnpike::gateway
