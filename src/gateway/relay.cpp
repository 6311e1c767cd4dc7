#include "gateway/relay.hpp"

#include <utility>

namespace turnpike::gateway {
namespace {

Error timed_out(std::string code, std::string message) {
  return upstream_error(504, Retry::next_candidate, std::move(code), std::move(message));
}

constexpr std::size_t spare_bytes_max = std::size_t{128} << 10U;

/// A stream at rest holds no buffer, and a stream that flows does not allocate one for each wake-up.
std::string& spare_buffer() {
  thread_local std::string buffer;
  return buffer;
}

void borrow(std::string& out) {
  if (out.empty()) out.swap(spare_buffer());
}

void give_back(std::string& out) {
  out.clear();
  if (out.capacity() <= spare_bytes_max) out.swap(spare_buffer());
  std::string{}.swap(out);
}

}  // namespace

Error draining_error() {
  Error draining = gateway_error(503, "gateway_draining", "The gateway is shutting down; send the request again.");
  draining.should_retry = true;
  return draining;
}

Relay::Relay(const RelayParts& parts, ResponseHead head, const RelayLimits& limits, bool cancel_when_gone,
             int& drains)
    : parts_(parts), head_(std::move(head)), limits_(limits), cancel_when_gone_(cancel_when_gone), drains_(drains) {}

Relay::~Relay() {
  parts_.sink.watch(nullptr);
  if (client_gone_ && !cancel_when_gone_) --drains_;
}

// No coroutine itself: its frame would be held for as long as the stream lasts.
asio::awaitable<RelayOutcome> Relay::run() {
  started_ = last_write_ = parts_.clock.monotonic();
  parts_.sink.watch(this);
  if (parts_.sink.gone()) on_gone();
  parts_.transfer.receive(*this);
  return done_.wait();
}

Flow Relay::on_bytes(std::string_view bytes) {
  if (ended_) return Flow::proceed;
  borrow(out_);
  parts_.translator.feed(bytes, out_);
  if (const auto& failure = parts_.translator.failure()) {
    give_up(*failure);
    return Flow::proceed;
  }
  const Monotonic now = parts_.clock.monotonic();
  observe(now);
  if (!begun_ && !parts_.translator.content_started()) {
    give_back(out_);  // the translator appends nothing before content
    return Flow::proceed;
  }
  begin();
  if (completed_ || !parts_.translator.complete()) return push(now);
  completed_ = true;
  completed_at_ = now;
  push_last();
  return Flow::proceed;
}

void Relay::on_end(const Result<void>& outcome) {
  if (ended_) return;
  if (completed_) return end_with(RelayEnd::complete);
  if (client_gone_) {
    // Nobody reads on, but the usage of an answer that was drained to its end counts.
    parts_.translator.end(outcome, out_);
    out_.clear();
    return end_with(RelayEnd::client_gone);
  }
  parts_.translator.end(outcome, out_);
  if (const auto& failure = parts_.translator.failure()) return give_up(*failure);
  observe(parts_.clock.monotonic());
  begin();
  push_last();
  end_with(RelayEnd::complete);
}

void Relay::on_drained() {
  if (!ended_) parts_.transfer.resume();
}

void Relay::on_gone() {
  if (client_gone_ || ended_) return;
  client_gone_ = true;
  gone_at_ = parts_.clock.monotonic();
  if (!cancel_when_gone_) ++drains_;
  // A finished answer needs no cancelling: closing after the last event is how some clients hang up.
  if (completed_) return;
  if (cancel_when_gone_) {
    parts_.transfer.cancel();
  } else {
    parts_.transfer.resume();
  }
}

void Relay::on_shutdown() {
  if (ended_ || completed_) return;
  give_up(draining_error());
}

void Relay::on_tick(Monotonic now) {
  if (ended_) return;
  if (completed_) {
    if (now - completed_at_ > limits_.linger) end_with(RelayEnd::complete);
    return;
  }
  if (client_gone_) {
    if (now - gone_at_ > limits_.drain) end_with(RelayEnd::client_gone);
    return;
  }
  if (last_content_ == Monotonic{} && now - started_ > limits_.first_content) {
    return give_up(timed_out("timeout_first_content", "The provider accepted the request but sent no content in time."));
  }
  if (last_content_ != Monotonic{} && now - last_content_ > limits_.between_content) {
    return give_up(timed_out("timeout_content", "The provider stopped sending content."));
  }
  const bool silent = begun_ ? now - last_write_ > limits_.heartbeat : now - started_ > limits_.head_hold;
  if (!silent) return;
  begin();
  parts_.translator.heartbeat(out_);
  push(now);
}

void Relay::begin() {
  if (begun_) return;
  begun_ = true;
  if (parts_.body != nullptr) std::string{}.swap(*parts_.body);
  if (!parts_.sink.gone()) parts_.sink.begin(head_);
  head_ = ResponseHead{};
}

Flow Relay::push(Monotonic now) {
  SinkState state = SinkState::open;
  if (!out_.empty()) {
    last_write_ = now;
    state = client_gone_ ? SinkState::gone : parts_.sink.write(out_);
  }
  give_back(out_);
  return state == SinkState::full ? Flow::pause : Flow::proceed;
}

void Relay::push_last() {
  if (client_gone_) {
    parts_.sink.finish();
  } else {
    parts_.sink.write_last(out_);
  }
  give_back(out_);
}

void Relay::observe(Monotonic now) {
  const std::int64_t seen = parts_.translator.output_bytes_seen();
  if (seen == output_seen_) return;
  output_seen_ = seen;
  last_content_ = now;
  if (first_content_ == Monotonic{}) {
    first_content_ = now;
    parts_.backend.answering();
  }
  parts_.reservation.observe(tokens_of_bytes(seen), now);
}

/// Before the head has left, the error goes back to the gateway, which may try another target. Afterwards the client
/// learns of it in its own dialect, and the HTTP body ends tidily.
void Relay::give_up(const Error& error) {
  Error cause = error;
  if (begun_) {
    cause.retry = Retry::never;
    parts_.translator.fail(cause, out_);  // nothing if the translator has told the client already
    push_last();
  }
  end_with(RelayEnd::failed, std::move(cause));
}

/// Resumes the awaiting coroutine, which may destroy this object: always the last call.
void Relay::end_with(RelayEnd end, std::optional<Error> error) {
  ended_ = true;
  done_.set(RelayOutcome{end, std::move(error), first_content_});
}

}  // namespace turnpike::gateway
