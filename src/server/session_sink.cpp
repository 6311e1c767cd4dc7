// The answering half of a session: ResponseSink, what follows an answer, and the ways a connection
// closes.
#include <sys/socket.h>

#include <array>
#include <cassert>
#include <charconv>
#include <typeinfo>

#include "server/response_head.hpp"
#include "server/session.hpp"
#include "turnpike/log.hpp"

namespace turnpike::server {

namespace {

constexpr std::string_view last_chunk = "0\r\n\r\n";
constexpr std::string_view end_and_last_chunk = "\r\n0\r\n\r\n";

/// "1f\r\n" in a buffer of its own.
class ChunkSizeLine {
 public:
  explicit ChunkSizeLine(std::size_t size) {
    char* end = std::to_chars(text_.data(), text_.data() + text_.size() - 2, size, 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    length_ = static_cast<std::size_t>(end - text_.data());
  }
  [[nodiscard]] std::string_view text() const { return {text_.data(), length_}; }

 private:
  std::array<char, 18> text_;
  std::size_t length_ = 0;
};

bool status_without_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

void Session::begin_answer(bool with_handler) {
  phase_ = Phase::answering;
  handler_done_ = !with_handler;
  response_ = {};
  watcher_ = nullptr;
  drain_left_ = limits_.rejected_body_bytes_max;
}

/// Serialises a head and settles, with it, whether the connection survives the answer. No length: a
/// stream.
std::string Session::head_text(const ResponseHead& head, std::optional<std::size_t> length) {
  const bool no_body = status_without_body(head.status);
  response_.bodyless = no_body || head_request_;
  response_.chunked = !length && !no_body && http_1_1_;
  ResponseFrame frame;
  frame.framing = no_body             ? ResponseFraming::no_body
                  : length            ? ResponseFraming::length
                  : response_.chunked ? ResponseFraming::chunked
                                      : ResponseFraming::until_close;
  frame.content_length = length.value_or(0);
  const bool until_close = frame.framing == ResponseFraming::until_close && !response_.bodyless;
  if (afterwards_ == Afterwards::keep && (until_close || !keep_alive_ || host_->draining)) {
    afterwards_ = Afterwards::linger;
  }
  frame.close = afterwards_ != Afterwards::keep;
  frame.announce_keep_alive = !http_1_1_;
  return serialise(head, frame);
}

void Session::reply(const ResponseHead& head, std::string_view body) {
  if (phase_ != Phase::answering || response_.head_sent || response_.complete) return;
  const std::string text = head_text(head, body.size());
  response_.head.clear();
  response_.head_sent = true;
  response_.complete = true;
  send({text, response_.bodyless ? std::string_view{} : body});
}

void Session::begin(const ResponseHead& head) {
  if (phase_ != Phase::answering || response_.head_sent || response_.complete) return;
  response_.begun = true;
  response_.head = head_text(head, std::nullopt);
}

SinkState Session::write(std::string_view bytes) {
  if (phase_ != Phase::answering || response_.complete) return SinkState::gone;
  assert(response_.begun);
  if (bytes.empty())
    return response_.full ? SinkState::full : SinkState::open;  // an empty chunk would end the body
  const std::string head = std::move(response_.head);
  response_.head.clear();
  response_.head_sent = true;
  bool sent = true;
  if (response_.bodyless) {
    sent = head.empty() || send({head});
  } else if (response_.chunked) {
    const ChunkSizeLine size{bytes.size()};
    sent = send({head, size.text(), bytes, "\r\n"});
  } else {
    sent = send({head, bytes});
  }
  if (!sent) return SinkState::gone;
  // The other half is for what the provider's side holds of this stream by then: 64 KiB of a last
  // wake-up, and libcurl's own buffers.
  if (out_.size() <= limits_.write_queue_bytes_max / 2) return SinkState::open;
  set_full(true);
  return SinkState::full;
}

void Session::set_full(bool full) {
  if (response_.full == full) return;
  response_.full = full;
  auto& paused = host_->slow.paused;
  full ? paused.fetch_add(1, std::memory_order_relaxed) : paused.fetch_sub(1, std::memory_order_relaxed);
}

void Session::finish() {
  if (phase_ != Phase::answering || response_.complete) return;
  assert(response_.begun);
  response_.complete = true;
  response_.head_sent = true;
  const std::string head = std::move(response_.head);
  const bool terminated = response_.chunked && !response_.bodyless;
  if (terminated || !head.empty()) send({head, terminated ? last_chunk : std::string_view{}});
}

void Session::write_last(std::string_view bytes) {
  if (phase_ != Phase::answering || response_.complete) return;
  if (!response_.chunked || response_.bodyless || bytes.empty()) {
    write(bytes);
    return finish();
  }
  assert(response_.begun);
  const std::string head = std::move(response_.head);
  response_.head.clear();
  response_.head_sent = true;
  response_.complete = true;
  const ChunkSizeLine size{bytes.size()};
  send({head, size.text(), bytes, end_and_last_chunk});
}

void Session::abort() {
  if (phase_ != Phase::answering) return;
  response_.complete = true;
  reset_connection();  // a bare FIN would let a close-delimited body, and some clients, pass it for
                       // a tidy end
}

void Session::watch(SinkWatcher* watcher) {
  watcher_ = watcher;
  gone_told_ = false;
  if (watcher_ != nullptr && gone_) {
    host_->loop.post([self = shared_from_this()] { self->tell_gone(); });
  }
}

void Session::answered(const std::exception_ptr& failure) {
  handler_done_ = true;
  watcher_ = nullptr;
  if (failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& exception) {
      // Its kind only: what() may quote the request.
      log(LogLevel::error, "handler_exception",
          {{"type", std::string_view{typeid(exception).name()}}});
    } catch (...) {
      log(LogLevel::error, "handler_exception");
    }
  }
  if (phase_ != Phase::answering) return;
  if (!response_.complete && response_.head_sent) return reset_connection();
  if (!response_.complete) reply_error(target_, gateway_error(500, "internal", "internal error"));
  end_answer_if_done();
  next_request();
}

void Session::reply_error(std::string_view target, const Error& error) {
  const WholeReply answer = error_reply(target, error);
  if (answer.close && afterwards_ == Afterwards::keep) afterwards_ = Afterwards::linger;
  reply(answer.head, answer.body);
}

WholeReply Session::error_reply(std::string_view target, const Error& error) {
  WholeReply answer;
  try {
    answer = host_->handler.error_reply(target, error);
  } catch (const std::exception&) {
    answer = WholeReply{};
    answer.head.status = error.http_status;
  }
  if (error.http_status == 405) {
    bool allowed = false;
    for (const auto& [name, value] : answer.head.headers)
      allowed = allowed || name == "allow" || name == "Allow";
    if (!allowed) answer.head.headers.emplace_back("allow", "GET, HEAD, POST");
  }
  return answer;
}

bool Session::send(std::initializer_list<std::string_view> parts) {
  const bool waiting = !out_.empty();
  if (!out_.write(transport_, parts)) {
    lose_client(Telling::posted);
    return false;
  }
  if (!out_.empty()) {
    if (!waiting) write_progress_ = host_->clock.monotonic();
    arm_write();
  }
  return true;
}

void Session::arm_write() {
  if (write_armed_ || phase_ == Phase::closed) return;
  write_armed_ = true;
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code&) {
                       self->write_armed_ = false;
                       self->on_writable();
                     });
}

void Session::on_writable() {
  if (phase_ == Phase::closed) return;
  const auto before = out_.size();
  if (phase_ == Phase::lingering) return end_sending();
  if (!out_.flush(transport_)) return lose_client(Telling::now);
  if (out_.size() < before) write_progress_ = host_->clock.monotonic();
  if (!out_.empty()) return arm_write();
  if (response_.full) {
    set_full(false);
    if (watcher_ != nullptr) watcher_->on_drained();
  }
  end_answer_if_done();
  next_request();
}

/// The answer has left and its handler has ended: on to the next request, or to the end of the
/// connection.
void Session::end_answer_if_done() {
  if (phase_ != Phase::answering || !handler_done_ || !response_.complete || !out_.empty()) return;
  if (peer_closed_ || afterwards_ == Afterwards::close) return close();
  since_ = host_->clock.monotonic();
  if (afterwards_ == Afterwards::keep) {
    phase_ = Phase::head;
    head_begun_ = false;
    guard_.reset();
    return;
  }
  // Closing while bytes of the client lie unread would send a reset that destroys the answer on its
  // way: close our side only, read a bounded rest, and wait a little for the client to close.
  phase_ = Phase::lingering;
  end_sending();
  if (drain_left_ > 0) arm_read();
}

void Session::end_sending() {
  if (!transport_.end_sending()) arm_write();
}

void Session::next_request() {
  if (phase_ != Phase::head) return;
  if (backlog_.empty()) return arm_read();
  pump(backlog_.view());
}

void Session::lose_client(Telling telling) {
  gone_ = true;
  reset_connection();
  if (watcher_ == nullptr) return;
  if (telling == Telling::now) return tell_gone();
  host_->loop.post([self = shared_from_this()] { self->tell_gone(); });
}

void Session::tell_gone() {
  if (watcher_ == nullptr || gone_told_) return;
  gone_told_ = true;
  watcher_->on_gone();
}

void Session::reset_connection() {
  const linger at_once{1, 0};
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  transport_.drop_tls();  // no goodbye: over TLS, too, the client sees a broken answer
  close();
}

void Session::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  set_full(false);
  transport_.part();
  transport_.drop_tls();
  boost::system::error_code ignored;
  socket_.close(ignored);
  out_.clear();
  backlog_.clear();
  host_->closed(*this);
}

}  // namespace turnpike::server
