// The reading half of a session; the answering half is in session_sink.cpp.
#include "server/session.hpp"

#include <algorithm>
#include <typeinfo>

#include "server/head_parser.hpp"
#include "turnpike/log.hpp"

namespace turnpike::server {

namespace {

/// simdjson reads up to this far behind the end of a document.
constexpr std::size_t body_slack_bytes = 64;
/// Requests of one connection answered on their heads alone before others of the loop have their
/// turn.
constexpr int turns_max = 16;

void ensure_slack(std::string& body) {
  if (body.capacity() - body.size() < body_slack_bytes)
    body.reserve(body.size() + body_slack_bytes);
}

}  // namespace

Session::Session(std::shared_ptr<SessionHost> host, Socket socket, std::string peer)
    : host_(std::move(host)),
      limits_(host_->limits),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      since_(host_->clock.monotonic()),
      guard_(limits_) {}

Session::~Session() { close(); }

void Session::start() {
  if (host_->tls) {
    if (!transport_.secure(*host_->tls)) return close();
    phase_ = Phase::handshake;
  }
  arm_read();
}

void Session::arm_read() {
  if (read_armed_ || phase_ == Phase::closed) return;
  read_armed_ = true;
  if (transport_.holds_input()) {
    host_->loop.post([self = shared_from_this()] {
      self->read_armed_ = false;
      self->on_readable();
    });
    return;
  }
  socket_.async_wait(transport_.reading_waits_to_write() ? Socket::wait_write : Socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code&) {
                       self->read_armed_ = false;
                       self->on_readable();
                     });
}

void Session::on_readable() {
  switch (phase_) {
    case Phase::handshake:
      return shake_hands();
    case Phase::head:
      return read_head();
    case Phase::body:
      return read_body();
    case Phase::answering:
      return read_ahead();
    case Phase::lingering:
      return read_and_discard();
    case Phase::closed:
      return;
  }
}

void Session::shake_hands() {
  switch (transport_.tls()->handshake()) {
    case Handshake::again:
      return arm_read();
    case Handshake::done:
      host_->handshake_ended(transport_.tls()->resumed() ? HandshakeEnd::resumed
                                                         : HandshakeEnd::full);
      phase_ = Phase::head;
      since_ = host_->clock.monotonic();
      return read_head();
    case Handshake::plain_http:
      host_->handshake_ended(HandshakeEnd::failed);
      return refuse_plain_http();
    case Handshake::failed:
      host_->handshake_ended(HandshakeEnd::failed);
      return close();
  }
}

/// A client that was given an http:// URL for this port is told so instead of being left to guess.
void Session::refuse_plain_http() {
  transport_.drop_tls();
  refuse(client_error("tls_required", "this port speaks HTTPS: use an https:// URL"), {}, 0);
}

void Session::read_head() {
  // The start of a head that is kept is shorter than the limit of heads, so there is always room
  // for a byte.
  const auto room =
      std::max(limits_.pipelined_bytes_max, limits_.head_bytes_max + 1) - backlog_.size();
  const auto scratch = host_->loop.scratch();
  const auto got = transport_.read(scratch.first(std::min(room, scratch.size())));
  if (!got) return close();
  if (*got == 0) return arm_read();
  const std::string_view fresh{scratch.data(), *got};
  if (backlog_.empty()) return pump(fresh);
  backlog_.append(fresh);
  pump(backlog_.view());
}

void Session::read_body() {
  if (!chunks_) {
    const auto got = receive_into_body(content_length_ - body_.size());
    if (!got) return close();
    if (body_.size() < content_length_) return arm_read();
    return dispatch();
  }
  const auto scratch = host_->loop.scratch();
  const auto got = transport_.read(scratch);
  if (!got) return close();
  if (*got == 0) return arm_read();
  pump({scratch.data(), *got});
}

/// Reads straight to the end of the body, which has been reserved: large bodies are copied once, by
/// the kernel.
std::optional<std::size_t> Session::receive_into_body(std::size_t left) {
  std::optional<std::size_t> got;
  const auto before = body_.size();
  body_.resize_and_overwrite(before + left, [&](char* bytes, std::size_t size) {
    got = transport_.read({bytes + before, size - before});
    return before + got.value_or(0);
  });
  return got;
}

/// While a request is being answered: keeps what comes ahead of its turn, and notices a client that
/// leaves.
void Session::read_ahead() {
  const auto room =
      limits_.pipelined_bytes_max - std::min(limits_.pipelined_bytes_max, backlog_.size());
  if (room == 0) return;  // reading goes on when the answer has left
  const auto scratch = host_->loop.scratch();
  const auto got = transport_.read(scratch.first(std::min(room, scratch.size())));
  if (!got) {
    peer_closed_ = response_.complete && out_.empty();
    if (!peer_closed_) lose_client(Telling::now);
    return;
  }
  backlog_.append({scratch.data(), *got});
  if (backlog_.size() < limits_.pipelined_bytes_max) arm_read();
}

void Session::read_and_discard() {
  const auto scratch = host_->loop.scratch();
  const auto got = transport_.read(scratch.first(std::min(scratch.size(), drain_left_)));
  if (!got) return close();
  drain_left_ -= *got;
  if (drain_left_ > 0) arm_read();  // else the linger time-out closes; what else comes stays unread
}

/// Takes requests out of `input` and then out of the backlog until bytes or an answer must be
/// waited for.
void Session::pump(std::string_view input) {
  for (int turn = 1; advance(input) && phase_ == Phase::head && !backlog_.empty(); ++turn) {
    if (turn == turns_max) {
      host_->loop.post([self = shared_from_this()] { self->next_request(); });
      return;
    }
    input = backlog_.view();
  }
  const bool room = backlog_.size() < limits_.pipelined_bytes_max;
  if (phase_ == Phase::head || phase_ == Phase::body || (phase_ == Phase::answering && room))
    arm_read();
}

/// Reads one request, or a part of one. What is not used is in the backlog afterwards. True: a
/// request was taken whole.
bool Session::advance(std::string_view input) {
  std::size_t used = 0;
  if (phase_ == Phase::head) {
    if (!head_begun_) {
      head_begun_ = true;
      since_ = host_->clock.monotonic();
    }
    const auto complete = guard_.scan(input);
    if (!complete) {
      refuse(complete.error(), guard_.target_seen(), input.size() - guard_.head_bytes());
      return false;
    }
    if (!*complete) {
      keep_rest(input, 0);
      return false;
    }
    used = guard_.head_bytes();
    if (!take_head(input.substr(0, used), input.size() - used)) {
      if (phase_ == Phase::closed) return false;
      if (afterwards_ == Afterwards::keep) keep_rest(input, used);
      end_answer_if_done();
      return true;
    }
  }
  const auto taken = take_body(input.substr(used));
  if (!taken) {
    refuse(taken.error(), target_, 0);
    return false;
  }
  keep_rest(input, used + *taken);
  const bool complete = chunks_ ? chunks_->complete() : body_.size() == content_length_;
  if (complete) dispatch();
  return complete;
}

/// False: the head alone has been answered.
bool Session::take_head(std::string_view raw, std::size_t bytes_behind) {
  const HeadFacts& facts = guard_.facts();
  http_1_1_ = facts.http_1_1;
  keep_alive_ = facts.keep_alive;
  head_request_ = facts.method == "HEAD";
  auto head = parse_head(raw, facts, peer_);
  if (!head) {
    refuse(head.error(), facts.target, bytes_behind);
    return false;
  }
  head_ = std::move(*head);
  target_.assign(head_.path, 0, 256);
  if (!admit(facts.has_body(), bytes_behind)) return false;
  // Second to who asks: a stranger learns nothing of our limits.
  if (facts.content_length > limits_.body_bytes_max) {
    const Error error =
        client_error("body_too_large", "the request body is larger than the limit", {}, 413);
    refuse(error, target_, bytes_behind);
    return false;
  }

  phase_ = Phase::body;
  since_ = host_->clock.monotonic();
  content_length_ = static_cast<std::size_t>(facts.content_length);
  chunks_ = facts.framing == BodyFraming::chunked ? std::make_unique<ChunkGuard>(limits_) : nullptr;
  body_.reserve(content_length_ + body_slack_bytes);
  const bool asked_to_go_on = facts.expect_continue && facts.has_body() && bytes_behind == 0;
  return !asked_to_go_on || send({"HTTP/1.1 100 Continue\r\n\r\n"});
}

/// Asks the handler whether the body is wanted. False: no, and its answer is under way.
bool Session::admit(bool has_body, std::size_t bytes_behind) {
  std::expected<std::shared_ptr<const Admission>, WholeReply> admitted;
  try {
    admitted = host_->handler.on_head(head_);
  } catch (const std::exception& failure) {
    log(LogLevel::error, "handler_exception", {{"type", std::string_view{typeid(failure).name()}}});
    admitted =
        std::unexpected{error_reply(target_, gateway_error(500, "internal", "internal error"))};
  }
  if (admitted) {
    admission_ = std::move(*admitted);
    return true;
  }
  begin_answer(false);
  if (has_body || admitted.error().close) afterwards_ = Afterwards::linger;
  if (has_body) {
    backlog_.clear();
    limit_drain(bytes_behind);
  }
  reply(admitted.error().head, admitted.error().body);
  return false;
}

/// What has been read of an unwanted body counts towards what is drained of it.
void Session::limit_drain(std::size_t bytes_unread) {
  drain_left_ =
      limits_.rejected_body_bytes_max - std::min(limits_.rejected_body_bytes_max, bytes_unread);
}

std::expected<std::size_t, Error> Session::take_body(std::string_view input) {
  if (chunks_) return chunks_->feed(input, body_);
  const auto take = std::min(input.size(), content_length_ - body_.size());
  body_.append(input.substr(0, take));
  return take;
}

void Session::keep_rest(std::string_view input, std::size_t used) {
  if (!backlog_.empty() && input.data() == backlog_.view().data()) {
    backlog_.consume(used);
  } else if (used < input.size()) {
    backlog_.append(input.substr(used));
  }
}

void Session::dispatch() {
  begin_answer(true);
  ensure_slack(body_);
  ClientRequest request{std::move(head_), std::move(body_), std::move(admission_),
                        host_->clock.monotonic()};
  head_ = {};
  body_ = {};
  admission_ = nullptr;
  chunks_ = nullptr;
  if (backlog_.size() < limits_.pipelined_bytes_max) arm_read();
  host_->answer(shared_from_this(), std::move(request));
}

/// Answers a fault in the request itself; nothing that follows on this connection is read as a
/// request.
void Session::refuse(const Error& error, std::string_view target, std::size_t bytes_unread) {
  head_request_ = phase_ == Phase::head ? guard_.facts().method == "HEAD" : head_request_;
  begin_answer(false);
  afterwards_ = Afterwards::linger;
  limit_drain(bytes_unread);
  reply_error(target, error);
  backlog_.clear();  // after the reply: `target` may point into it
  head_ = {};
  body_ = {};
  admission_ = nullptr;
  chunks_ = nullptr;
  end_answer_if_done();
}

void Session::on_tick(Monotonic now) {
  const auto waited = now - since_;
  switch (phase_) {
    case Phase::handshake:
      if (waited < (host_->draining ? limits_.drain_idle_timeout : limits_.handshake_timeout))
        return;
      host_->handshake_ended(HandshakeEnd::timed_out);
      return close();
    case Phase::head:
      if (head_begun_ && waited >= limits_.head_timeout)
        return time_out("the request head did not arrive in time");
      if (!head_begun_ &&
          waited >= (host_->draining ? limits_.drain_idle_timeout : limits_.idle_timeout))
        close();
      return;
    case Phase::body:
      return check_body_rate(now);
    case Phase::answering:
      if (out_.empty() || now - write_progress_ < limits_.slow_reader_timeout) return;
      host_->slow.cut.fetch_add(1, std::memory_order_relaxed);
      return lose_client(Telling::now);
    case Phase::lingering:
      if (waited >= limits_.linger_timeout) close();
      return;
    case Phase::closed:
      return;
  }
}

void Session::check_body_rate(Monotonic now) {
  const auto waited = now - since_;
  if (waited >= limits_.body_timeout) return time_out("the request body did not arrive in time");
  if (waited <= limits_.body_grace) return;
  const std::chrono::duration<double> counted = waited - limits_.body_grace;
  const double wanted = counted.count() * static_cast<double>(limits_.body_bytes_per_second_min);
  if (static_cast<double>(body_.size()) < wanted) time_out("the request body arrives too slowly");
}

void Session::time_out(const char* what) {
  const Error error = client_error("request_timeout", what, {}, 408);
  const std::string target = phase_ == Phase::body ? target_ : std::string{};
  refuse(error, target, 0);
  if (out_.empty()) close();  // who is that slow is not waited for
}

void Session::on_drain(Monotonic now) {
  if (phase_ == Phase::handshake || (phase_ == Phase::head && !head_begun_)) since_ = now;
}

bool Session::close_if_idle() {
  constexpr std::chrono::seconds idle_from{1};  // before that a request may be on its way
  if (phase_ != Phase::head || head_begun_ || host_->clock.monotonic() - since_ < idle_from) return false;
  close();
  return true;
}

void Session::cut() {
  if (phase_ == Phase::answering) return lose_client(Telling::now);
  close();
}

}  // namespace turnpike::server
