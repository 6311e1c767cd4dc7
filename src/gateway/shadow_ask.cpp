#include "gateway/shadow_ask.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "dialect/response_translator.hpp"
#include "dialect/translate.hpp"
#include "dialect/upstream_error.hpp"
#include "gateway/answer_measures.hpp"
#include "gateway/billed_prompts.hpp"
#include "gateway/body_collector.hpp"
#include "gateway/patient_reserve.hpp"
#include "policy/shadow.hpp"
#include "turnpike/server_tools.hpp"

namespace turnpike::gateway {
namespace {

std::int64_t micros_between(Monotonic from, Monotonic to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

/// Ends a call that takes too long, and every call when the process ends.
class ShadowWatch final : public Ticked {
 public:
  ShadowWatch(Transfer& transfer, Ticker& ticker, Monotonic deadline) : transfer_(transfer), ticker_(ticker), deadline_(deadline) {
    ticker_.add(*this);
  }
  ~ShadowWatch() override { ticker_.remove(*this); }
  ShadowWatch(const ShadowWatch&) = delete;
  ShadowWatch& operator=(const ShadowWatch&) = delete;

  void on_tick(Monotonic now) override {
    if (expired_ || now < deadline_) return;
    expired_ = true;
    transfer_.cancel();
  }
  void on_shutdown() override { transfer_.cancel(); }
  [[nodiscard]] bool expired() const { return expired_; }

 private:
  Transfer& transfer_;
  Ticker& ticker_;
  Monotonic deadline_;
  bool expired_ = false;
};

/// Reads a streamed answer for its measures alone.
class ShadowReader final : public BodyReceiver {
 public:
  ShadowReader(dialect::StreamTranslator& translator, account::Reservation& reservation, const Clock& clock)
      : translator_(translator), reservation_(reservation), clock_(clock) {}

  /// Await once.
  Task<> read(Transfer& transfer) {
    transfer_ = &transfer;
    transfer.receive(*this);
    co_return co_await done_.wait();
  }
  [[nodiscard]] Monotonic first_content() const { return first_content_; }

  Flow on_bytes(std::string_view bytes) override {
    translator_.feed(bytes, unread_);
    unread_.clear();
    const std::int64_t seen = translator_.output_bytes_seen();
    const Monotonic now = clock_.monotonic();
    if (first_content_ == Monotonic{} && (seen > 0 || translator_.content_started())) first_content_ = now;
    reservation_.observe(tokens_of_bytes(seen), now);
    if (translator_.failure()) transfer_->cancel();
    return Flow::proceed;
  }
  void on_end(const Result<void>& outcome) override {
    translator_.end(outcome, unread_);
    if (const auto& failure = translator_.failure()) return done_.set(std::unexpected{*failure});
    done_.set({});
  }

 private:
  dialect::StreamTranslator& translator_;
  account::Reservation& reservation_;
  const Clock& clock_;
  Transfer* transfer_ = nullptr;
  std::string unread_;
  Monotonic first_content_{};
  OneShot<Result<void>> done_;
};

struct Draft {
  dialect::Outgoing outgoing;
  PromptBound bound;
  std::int64_t estimate = 0;  // tokens of the prompt
};

/// One call, in the frame of ask_shadow().
struct Asked {
  const ShadowParts& parts;
  const ShadowLimits& limits;
  const Candidate& candidate;
  const ShadowQuestion& question;
  Draft& draft;
  account::Reservation& reservation;
  Transfer& transfer;
  dialect::ActionRecorder& recorder;
  ShadowSide& side;
  Monotonic sent;
};

Result<Draft> make_draft(const ShadowParts& parts, const Candidate& candidate, const ShadowQuestion& question) {
  dialect::PutBack put_back;
  dialect::TranslateOptions options;
  options.opaque = question.owner.empty() ? nullptr : &parts.opaque;
  options.owner = question.owner;
  options.client_headers = &question.headers;
  options.put_back = &put_back;
  auto outgoing = dialect::translate(question.client, question.body, question.view, candidate, options);
  if (!outgoing) return std::unexpected{std::move(outgoing.error())};
  Additions additions;
  additions.growth = static_cast<std::int64_t>(outgoing->body.size()) - static_cast<std::int64_t>(question.body.size());
  additions.put_back = std::move(put_back.sizes);
  Draft draft;
  draft.bound = plain_bound(question.facts, additions, {.tokens_per_media = candidate.tokens_per_image_max});
  draft.estimate = parts.tokens.estimate(candidate.target(), question.facts, nullptr, candidate.tokens_per_image_max);
  draft.outgoing = std::move(*outgoing);
  return draft;
}

account::ReserveRequest wanted_for(const Account& account, const Candidate& candidate, const ShadowQuestion& question, const Draft& draft) {
  return {.account = &account,
          .decision_id = question.decision_id,
          .attempt = question.attempt,
          .provider = candidate.provider,
          .model = candidate.model,
          .tier = "shadow",
          .conversation = {},
          .quote = &candidate.quote,
          .prompt_tokens_bound = draft.bound.tokens,
          .prompt_tokens_estimate = draft.estimate,
          .input_classes = question.facts.hour_cache ? InputClasses::all : InputClasses::no_hour_cache,
          .output_tokens_max = std::min(question.view.output_tokens_max.value_or(candidate.output_tokens_max), candidate.output_tokens_max),
          .choices = question.view.choices,
          // A shorter answer than the client's could not be compared with it: it is paid whole or not asked for.
          .client_gave_max = true,
          .streaming = question.view.stream,
          .context_tokens = candidate.context_tokens};
}

dialect::StreamOptions stream_options(const Asked& asked) {
  dialect::StreamOptions options;
  options.client = asked.question.client;
  options.include_usage = true;
  options.id = "shadow";
  options.model = asked.candidate.model;
  options.tools = asked.draft.outgoing.tools;
  options.echo = asked.draft.outgoing.echo;
  options.action = &asked.recorder;
  return options;  // no store: what a shadow thought belongs to no conversation
}

/// Source of every case: reliability specification, "Settlement".
void settle(const Asked& asked, const dialect::Tally& tally, const std::optional<Error>& broken) {
  ShadowSide& side = asked.side;
  account::Settled settled;
  if (!broken && tally.usage_reported) {
    settled = tally.usage_plausible ? asked.reservation.settle_exact(tally.usage) : asked.reservation.settle_at_reservation("implausible_usage");
    if (tally.usage_plausible && !settled.implausible) side.usage = tally.usage;
  } else {
    side.usage = estimated_usage(tally, asked.draft.estimate);
    settled = asked.reservation.settle_estimated(side.usage, broken ? std::string_view{broken->code} : "usage_missing");
  }
  side.cost = settled.cost;
}

/// Nothing of an answer has come.
void settle_unanswered(const Asked& asked, const Error& error) {
  if (!asked.transfer.fully_sent() || error.code == "bad_upstream") {
    asked.side.cost = asked.reservation.settle_void(error.code).cost;
  } else if (asked.question.view.stream) {
    asked.side.cost = asked.reservation.settle_estimated(estimated_usage({}, asked.draft.estimate), error.code).cost;
  } else {
    asked.side.cost = asked.reservation.settle_at_reservation(error.code).cost;
  }
}

Task<> read_stream(const Asked& asked) {
  dialect::StreamTranslator translator{asked.candidate, stream_options(asked)};
  ShadowReader reader{translator, asked.reservation, asked.parts.clock};
  Result<void> outcome = co_await reader.read(asked.transfer);
  // A terminator that has been seen is the end, however the connection closes.
  if (translator.complete()) outcome = {};
  std::optional<Error> broken;
  if (!outcome) broken = outcome.error();
  settle(asked, translator.tally(), broken);
  asked.side.answer = measures_of(translator.tally());
  if (reader.first_content() != Monotonic{}) asked.side.first_token_us = micros_between(asked.sent, reader.first_content());
  co_return outcome;
}

Task<> read_whole(const Asked& asked) {
  BodyCollector collector{asked.limits.answer_bytes_max, Overflow::fail};
  auto body = co_await collector.read(asked.transfer);
  if (!body) {
    asked.side.cost = asked.reservation.settle_at_reservation(body.error().code).cost;
    co_return std::unexpected{body.error()};
  }
  const auto options = stream_options(asked);
  auto answer = dialect::translate_response(asked.candidate, options, std::move(*body));
  if (!answer) {
    asked.side.cost = asked.reservation.settle_at_reservation("bad_upstream").cost;
    co_return std::unexpected{answer.error()};
  }
  settle(asked, answer->tally, std::nullopt);
  asked.side.answer = measures_of(answer->tally);
  co_return Result<void>{};
}

Task<> converse(const Asked& asked) {
  Result<UpstreamHead> head = co_await asked.transfer.head();
  if (!head) {
    settle_unanswered(asked, head.error());
    co_return std::unexpected{head.error()};
  }
  if (head->status < 200 || head->status > 299) {
    BodyCollector collector{asked.limits.error_bytes_max, Overflow::keep_head};
    auto body = co_await collector.read(asked.transfer);
    const std::string text = body ? std::move(*body) : std::string{};
    asked.reservation.settle_void("upstream_refused");
    co_return std::unexpected{dialect::read_upstream_error(asked.candidate, asked.question.client, head->status, head->headers, text)};
  }
  if (asked.question.view.stream) co_return co_await read_stream(asked);
  co_return co_await read_whole(asked);
}

ShadowSkip skip_of(const Error& error) {
  // Whatever the ledger says, nothing could be paid for.
  return error.code == "ledger_unavailable" || error.http_status == 402 || error.http_status == 429 ? ShadowSkip::budget : ShadowSkip::untranslatable;
}

}  // namespace

asio::awaitable<std::expected<ShadowReply, ShadowSkip>> ask_shadow(const ShadowParts& parts, const ShadowLimits& limits, const Snapshot& snapshot,
                                                                   const Candidate& candidate, const ShadowQuestion& question) {
  auto draft = make_draft(parts, candidate, question);
  if (!draft) co_return std::unexpected{ShadowSkip::untranslatable};
  const auto* provider = snapshot.catalog.provider(candidate.provider);
  const auto key = provider == nullptr ? std::nullopt : parts.backends.key_for(*provider, candidate.model, question.facts.conversation);
  if (!key) co_return std::unexpected{ShadowSkip::unhealthy};
  Account account;
  account.key_id = policy::shadow_key_id(snapshot.policy.name);
  account.key_name = account.key_id;
  account.org = policy::shadow_org;
  const account::ReserveRequest wanted = wanted_for(account, candidate, question, *draft);
  auto reservation = co_await reserve_patiently(parts.ledger, parts.clock, wanted);
  if (!reservation) co_return std::unexpected{skip_of(reservation.error())};

  ShadowReply reply;
  reply.side.target = candidate.target();
  reply.side.price_id = candidate.quote.price_id;
  // The end may have come while the reservation was waited for: nobody would end a call that begins now.
  if (parts.ticker.ended()) {
    reservation->settle_void("cancelled");
    reply.side.error_code = "cancelled";
    co_return reply;
  }
  UpstreamRequest request{reservation->dispatch(), snapshot.catalog.endpoint(candidate.provider, candidate.dialect, *key), std::move(draft->outgoing.path),
                          std::move(draft->outgoing.body)};
  request.headers = std::move(draft->outgoing.headers);
  request.stream = question.view.stream;
  const Monotonic sent = parts.clock.monotonic();
  const auto transfer = parts.upstream.send(std::move(request));
  const ShadowWatch watch{*transfer, parts.ticker, sent + limits.total};
  dialect::ActionRecorder recorder{question.text_bytes_max};
  const Asked asked{parts, limits, candidate, question, *draft, *reservation, *transfer, recorder, reply.side, sent};
  const Result<void> outcome = co_await converse(asked);
  reply.side.total_us = micros_between(sent, parts.clock.monotonic());
  if (!outcome) reply.side.error_code = watch.expired() ? "timeout_total" : outcome.error().code;
  reply.action = recorder.action();
  co_return reply;
}

}  // namespace turnpike::gateway
