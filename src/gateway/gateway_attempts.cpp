// Between a decision and an answer: which backend is asked next, with which key, how often and when. Source of every rule:
// reliability specification §9. A retry is an attempt at a provider that has failed this request before; a fallback goes
// to another one, at once.

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cctype>
#include <optional>
#include <utility>

#include "gateway/client_watch.hpp"
#include "gateway/gateway.hpp"

namespace turnpike::gateway {
namespace {

constexpr std::chrono::milliseconds busy_patience{500};    // for a place among a key's attempts
constexpr std::chrono::milliseconds probe_patience{80};    // for somebody else's probe to tell
constexpr std::chrono::milliseconds look_again_after{5};
constexpr int unavailable_retry_s_max = 30;                // no client is asked to stay away longer than an ejection's step

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer{executor};
  timer.expires_after(time);
  co_await timer.async_wait(asio::use_awaitable);
}

bool was_asked(const Exchange& exchange, std::string_view provider) {
  return std::ranges::any_of(exchange.attempts, [&](const Attempt& attempt) { return attempt.provider == provider; });
}

/// A kept connection died before a byte came back: the same backend at once, on a new one, one time. Whoever closes such a
/// connection does so before it has read the request; later it may have worked on it, and that may be on its bill.
constexpr std::string_view kept_connection_closed = "kept_connection_closed";
constexpr std::chrono::seconds unread_for{1};

/// Another backend is better; where there is none, the same one may do a moment later. Not so a time-out: its wait is over.
bool may_pass(const Error& error) {
  static constexpr std::array<std::string_view, 4> passing{"connect_failed", "upstream_closed", kept_connection_closed, "bad_upstream"};
  return std::ranges::find(passing, error.code) != passing.end();
}

/// The key's own fault: others of the provider may do, and trying them burdens it with nothing.
bool about_key(const Error& error) { return error.code == "upstream_auth" || error.code == "upstream_quota"; }

/// A page of some proxy, or a stream where a whole answer was asked for. Servers that say nothing are believed.
bool may_hold_answer(std::string_view content_type, bool stream) {
  if (content_type.empty()) return true;
  std::string type{content_type.substr(0, content_type.find(';'))};
  std::ranges::transform(type, type.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return stream ? type.starts_with("text/event-stream") : type.find("json") != std::string::npos;
}

}  // namespace

Task<> Gateway::try_candidates(Call& call) {
  Course course;
  while (course.sent < limits_.attempts_max) {
    auto chosen = co_await choose_patiently(call, course);
    if (!chosen) {
      if (!course.last) co_return std::unexpected{std::move(chosen.error())};
      break;
    }
    if (!*chosen) break;  // the client has left
    if ((*chosen)->pause) {
      chosen->reset();  // who waits holds no place
      course.others_first = false;
      co_await pause_before_retry(*course.last, course.sent);
      continue;
    }
    Chosen& next = **chosen;
    const std::size_t tried_before = call.exchange.attempts.size();
    const auto& candidate = call.exchange.decision.candidates[next.index];
    const auto patience = hedge_after(call, course, next);
    // A record stays where it is while its attempt lasts.
    call.exchange.attempts.reserve(patience ? static_cast<std::size_t>(limits_.attempts_max) : tried_before + 1);
    const Listener alone{.sink = call.sink, .fresh_connection = course.at_once};
    Result<void> outcome;
    if (patience) {
      outcome = co_await attempt_hedged(call, course, next, *patience);
    } else {
      outcome = co_await attempt(call, candidate, next.slot, alone);
    }
    if (outcome) co_return outcome;
    // A refusal by the ledger costs no attempt: nothing has left.
    course.sent += static_cast<int>(call.exchange.attempts.size() - tried_before);
    if (!go_on_after(call, course, next, outcome.error())) break;
  }
  Error last = course.last ? std::move(*course.last) : gateway_error(499, "client_gone", "The client has left.");
  if (last.origin == Origin::upstream && !last.should_retry) last.should_retry = false;
  co_return std::unexpected{std::move(last)};
}

/// Where the course stands after an attempt that failed; false if it ends there.
bool Gateway::go_on_after(const Call& call, Course& course, const Chosen& chosen, const Error& error) {
  if (course.at != chosen.index) course.keys_tried = 0;
  course.at = chosen.index;
  course.at_once = false;
  course.others_first = false;
  course.budgeted = true;
  // What a provider said tells more than a later refusal by the ledger.
  if (!course.last || error.origin != Origin::gateway) course.last = error;
  if (error.retry == Retry::never || call.sink.gone() || call.sink.head_sent()) return false;
  if (error.code == kept_connection_closed && !course.repeated) {
    course.repeated = course.at_once = true;
    course.budgeted = false;
  } else if (about_key(error) || error.code == "rate_limit_exceeded") {
    course.keys_tried |= std::uint64_t{1} << chosen.slot.key();
    course.budgeted = !about_key(error);
  } else if (error.retry == Retry::same_then_next || may_pass(error)) {
    course.others_first = true;
  } else {
    ++course.at;
    course.keys_tried = 0;
  }
  return true;
}

// --- Which backend is next.

BackendWanted Gateway::wanted_of(const Call& call, const Course& course, std::size_t index) const {
  const Exchange& exchange = call.exchange;
  const Candidate& candidate = exchange.decision.candidates[index];
  return {.provider = *call.snapshot->catalog.provider(candidate.provider),
          .model = candidate.model,
          .conversation = exchange.facts.conversation,
          .keys_tried = index == course.at ? course.keys_tried : 0,
          .retry = course.budgeted && was_asked(exchange, candidate.provider)};
}

std::expected<Gateway::Chosen, Refusal> Gateway::choose(const Call& call, const Course& course) {
  const std::size_t count = call.exchange.decision.candidates.size();
  Refusal refusal;
  const auto look_at = [&](std::size_t index) -> std::optional<Chosen> {
    auto slot = shared_.backends.take(wanted_of(call, course, index));
    if (slot) return Chosen{index, std::move(*slot), course.others_first && index == course.at};
    const Refusal& reason = slot.error();
    if (reason.why < refusal.why) refusal.why = reason.why;
    if (reason.until != Monotonic{} && (refusal.until == Monotonic{} || reason.until < refusal.until)) refusal.until = reason.until;
    return std::nullopt;
  };
  for (std::size_t index = course.at + (course.others_first ? 1 : 0); index < count; ++index) {
    if (auto chosen = look_at(index)) return std::move(*chosen);
  }
  if (course.others_first) {
    if (auto chosen = look_at(course.at)) return std::move(*chosen);
  }
  if (refusal.why <= Unavailable::probing) return std::unexpected{refusal};
  std::vector<BackendWanted> rest;
  for (std::size_t index = course.at; index < count; ++index) rest.push_back(wanted_of(call, course, index));
  if (auto last_resort = shared_.backends.take_least_recently_ejected(rest))
    return Chosen{course.at + last_resort->first, std::move(last_resort->second), false};
  return std::unexpected{refusal};
}

/// Waits a moment for a place; nullopt: the client has left meanwhile.
Task<std::optional<Gateway::Chosen>> Gateway::choose_patiently(Call& call, Course& course) {
  const Monotonic begun = shared_.clock.monotonic();
  while (!call.sink.gone()) {
    if (ticker_.ended()) co_return std::unexpected{draining_error()};
    auto chosen = choose(call, course);
    if (chosen) co_return std::optional<Chosen>{std::move(*chosen)};
    const Refusal refusal = chosen.error();
    const auto patience = refusal.why == Unavailable::busy      ? busy_patience
                          : refusal.why == Unavailable::probing ? probe_patience
                                                                : std::chrono::milliseconds{0};
    if (shared_.clock.monotonic() - begun >= patience) co_return std::unexpected{refused(refusal)};
    co_await sleep_for(look_again_after);
  }
  co_return std::optional<Chosen>{};
}

/// What the client reads if nobody could be asked.
Error Gateway::refused(const Refusal& refusal) const {
  const auto wait = std::chrono::ceil<std::chrono::seconds>(std::max(Monotonic::duration{0}, refusal.until - shared_.clock.monotonic()));
  const int seconds = std::max(1, static_cast<int>(wait.count()));
  const auto shed = [](int status, std::string code, std::string message, int retry_after_s) {
    Error error = upstream_error(status, Retry::never, std::move(code), std::move(message));
    error.retry_after_s = retry_after_s;
    error.should_retry = true;
    return error;
  };
  switch (refusal.why) {
    case Unavailable::busy:
      return shed(503, "upstream_busy", "As many requests as the providers take are in flight; try again in a moment.", 1);
    case Unavailable::cooling:
      return shed(429, "rate_limit_exceeded", "The provider's rate limit is reached; try again later.", seconds);
    case Unavailable::probing:
    case Unavailable::ejected:
    case Unavailable::retry_budget:
      return shed(503, "upstream_unavailable", "No provider that may serve this request is answering; try again later.",
                  std::min(seconds, unavailable_retry_s_max));
    case Unavailable::out_of_credit:
      return upstream_error(502, Retry::never, "upstream_quota", "The gateway's account with the provider is out of credit or over its spend limit.");
    case Unavailable::refused:
      return upstream_error(502, Retry::never, "upstream_auth", "The provider refuses the gateway's credential; its operator has to look at the key.");
    case Unavailable::no_key:
      break;
  }
  return gateway_error(503, "provider_key_missing", "No key of the provider is configured.");
}

/// Full jitter in [0, min(8 s, 250 ms x 2^n)], or the provider's Retry-After if it is at most 10 s.
asio::awaitable<void> Gateway::pause_before_retry(const Error& error, int attempt) {
  const std::int64_t ceiling_ms = std::min<std::int64_t>(8000, std::int64_t{250} << std::min(attempt, 6));
  auto wait = std::chrono::milliseconds{shared_.randomness.next() % static_cast<std::uint64_t>(ceiling_ms + 1)};
  if (error.retry_after_s && *error.retry_after_s <= 10) wait = std::chrono::seconds{*error.retry_after_s};
  co_await sleep_for(wait);
}

// --- One attempt.

Task<> Gateway::attempt(Call& call, const Candidate& candidate, BackendSlot& backend, const Listener& listener) {
  Exchange& exchange = call.exchange;
  // Translation comes first: what it adds is part of the bound, and what it refuses costs nothing.
  auto draft = make_draft(call, candidate, std::nullopt);
  if (!draft) co_return std::unexpected{draft.error()};
  auto reservation = co_await reserve((*draft)->wanted);
  if (!reservation) {
    Error refusal = reservation.error();
    refusal.retry = Retry::next_candidate;  // a cheaper one may still fit
    co_return std::unexpected{std::move(refusal)};
  }
  if (listener.second && not_worth_sending(listener, *reservation)) {
    reservation->settle_void("hedge_not_sent");
    co_return std::unexpected{lost_race()};
  }
  if (ticker_.ended()) {  // who has ended everything has not seen this one
    reservation->settle_void("gateway_draining");
    co_return std::unexpected{draining_error()};
  }
  if (exchange.reserved == Monotonic{}) exchange.reserved = shared_.clock.monotonic();
  if (auto refusal = fit_cap(call, candidate, *reservation, **draft)) co_return std::unexpected{std::move(*refusal)};
  const Sent sent = send(call, candidate, backend, listener, *reservation, **draft);
  Try current{listener, candidate, sent.record, *reservation, *sent.transfer, backend, sent.endpoint->timeouts,
              std::move((*draft)->additions), (*draft)->estimate, std::move((*draft)->outgoing.tools), std::move((*draft)->outgoing.echo)};
  draft->reset();
  Result<void> outcome = co_await converse(call, current);
  sent.record.ended = shared_.clock.monotonic();
  if (!outcome) sent.record.error_code = outcome.error().code;
  tell_backend(current, outcome);
  co_return outcome;
}

/// Where the budgets leave less room for the answer than was asked for, the request says so.
std::optional<Error> Gateway::fit_cap(const Call& call, const Candidate& candidate, const account::Reservation& reservation,
                                      Draft& draft) const {
  const auto cap = reservation.output_tokens_cap();
  if (!cap) return std::nullopt;
  auto capped = make_draft(call, candidate, cap);
  if (!capped) return std::move(capped.error());
  draft.outgoing = std::move((*capped)->outgoing);
  return std::nullopt;
}

Gateway::Sent Gateway::send(Call& call, const Candidate& candidate, const BackendSlot& backend, const Listener& listener,
                            account::Reservation& reservation, Draft& draft) {
  Exchange& exchange = call.exchange;
  dialect::Outgoing& outgoing = draft.outgoing;
  for (const auto& field : outgoing.losses) {
    metrics_.add(metrics::Family::translation_lossy_total,
                 {to_string(exchange.facts.dialect), to_string(candidate.dialect), field});
    exchange.losses.push_back(field);
  }
  Attempt& record = begin_record(call, candidate, reservation, draft.bound);
  auto endpoint = call.snapshot->catalog.endpoint(candidate.provider, candidate.dialect, backend.key());
  UpstreamRequest request{reservation.dispatch(), endpoint, std::move(outgoing.path), std::move(outgoing.body)};
  request.headers = std::move(outgoing.headers);
  request.stream = call.view.stream;
  request.fresh_connection = listener.fresh_connection;
  auto transfer = upstream_.send(std::move(request));
  if (exchange.sent_upstream == Monotonic{}) exchange.sent_upstream = shared_.clock.monotonic();
  return {record, std::move(endpoint), std::move(transfer)};
}

Attempt& Gateway::begin_record(Call& call, const Candidate& candidate, const account::Reservation& reservation, const PromptBound& bound) {
  Attempt& record = call.exchange.attempts.emplace_back();
  record.id = reservation.attempt_id();
  record.target = candidate.target();
  record.provider = candidate.provider;
  record.model = candidate.model;
  record.price_id = candidate.quote.price_id;
  record.reserved = reservation.held();
  record.prompt_tokens_bound = bound.tokens;
  record.prompt_tokens_known = bound.known;
  record.started = shared_.clock.monotonic();
  return record;
}

Task<> Gateway::converse(Call& call, Try& current) {
  const bool drained = !current.candidate.cancel_stops_billing || !call.view.stream;
  const WhenGone when_gone = drained && drains_ < limits_.drains_max ? WhenGone::drain : WhenGone::cancel;
  std::optional<ClientWatch> watch;
  watch.emplace(current.listener.sink, current.transfer, when_gone, shared_.clock, ticker_, drains_);
  Result<UpstreamHead> head = co_await current.transfer.head();
  if (!head && current.listener.lost()) {
    settle_unanswered(current, lost_race(), true);
    co_return std::unexpected{lost_race()};
  }
  if (!head) {
    // An unusable head (a redirect, an odd status) is a refusal without usage: nothing was generated. Nor was it where the
    // provider had closed a kept connection while the request was on its way.
    const std::string& code = head.error().code;
    const bool unread = code == kept_connection_closed && shared_.clock.monotonic() - current.record.started <= unread_for;
    if (code == "bad_upstream" || unread) {
      note(current.record, current.reservation.settle_void(code));
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
  learn_limits(call, current, head->headers);
  if (head->status < 200 || head->status > 299) co_return co_await refuse_upstream(call, current, *head);
  if (!may_hold_answer(head->content_type, call.view.stream)) {
    note(current.record, current.reservation.settle_void("bad_upstream"));
    co_return std::unexpected{upstream_error(502, Retry::next_candidate, "bad_upstream", "The provider's answer has a content type that no answer has.")};
  }
  head->headers = {};  // a stream lasts
  if (!call.view.stream) co_return co_await answer_whole(call, current);
  watch.reset();  // the relay watches from here on
  co_return co_await stream_back(call, current);
}

void Gateway::tell_backend(Try& current, const Result<void>& outcome) {
  if (outcome) {
    const bool answered = current.record.first_content_at != Monotonic{} || current.record.cause != "client_gone";
    return current.backend.end(answered ? Told::served : Told::nothing);
  }
  const Error& error = outcome.error();
  current.backend.end(told_by(error, current.record.upstream_status), std::chrono::seconds{error.retry_after_s.value_or(0)}, current.spends_again);
}

}  // namespace turnpike::gateway
