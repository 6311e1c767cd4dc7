// One client connection: reads requests one at a time, has each answered, writes the answers in
// order.
//
//   [handshake ->] head -> body -> answering -> head ...   a request and its answer
//   any -> answering -> lingering -> closed                after an answer that ends the connection
//
// It waits by callbacks: at most one pending wait for readability (which also notices a client that
// leaves while the model thinks) and one for writability. No timer of its own: the host calls
// on_tick() for all its sessions.
#pragma once

#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/backlog.hpp"
#include "server/chunk_guard.hpp"
#include "server/event_loop.hpp"
#include "server/http_guard.hpp"
#include "server/limits.hpp"
#include "server/out_queue.hpp"
#include "server/tls_context.hpp"
#include "server/transport.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::server {

class Session;

enum class HandshakeEnd : std::uint8_t { full, resumed, failed, timed_out };

/// Written on one loop, read from anywhere.
struct SlowClients {
  std::atomic<std::size_t> paused{0};
  std::atomic<std::uint64_t> cut{0};
};

/// Where sessions live: one loop's part of a listener. Used on the loop's thread only.
class SessionHost {
 public:
  SessionHost(EventLoop& on_loop, Handler& with_handler, const ServerLimits& with_limits,
              const Clock& with_clock)
      : loop(on_loop), handler(with_handler), limits(with_limits), clock(with_clock) {}
  virtual ~SessionHost() = default;
  SessionHost(const SessionHost&) = delete;
  SessionHost& operator=(const SessionHost&) = delete;

  /// Runs the handler's coroutine and calls Session::answered() when it has ended, never from
  /// inside this call.
  virtual void answer(std::shared_ptr<Session> session, ClientRequest request) = 0;
  /// The session's socket has closed; its handler may still be running.
  virtual void closed(Session& session) = 0;
  /// How a session's TLS handshake went.
  virtual void handshake_ended(HandshakeEnd end) = 0;

  EventLoop& loop;
  Handler& handler;
  const ServerLimits limits;
  const Clock& clock;
  bool draining = false;                            // every response says Connection: close
  std::shared_ptr<const TlsContext> tls = nullptr;  // of new connections; null: plain
  SlowClients slow;
};

/// Owned by its own pending waits and, while a request is being answered, by the handler's
/// coroutine.
class Session final : public ResponseSink, public std::enable_shared_from_this<Session> {
 public:
  using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

  /// `peer` is the client's address, for logs. The socket is non-blocking.
  Session(std::shared_ptr<SessionHost> host, Socket socket, std::string peer);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();
  void on_tick(Monotonic now);
  /// An idle connection is from now on kept only for drain_idle_timeout.
  void on_drain(Monotonic now);
  /// Closes it if it waits for a next request.
  bool close_if_idle();
  /// Closes at once; a running handler is told that its client has gone.
  void cut();
  /// The handler's coroutine has ended, with an exception or without.
  void answered(const std::exception_ptr& failure);

  // ResponseSink, for the request being answered.
  void reply(const ResponseHead& head, std::string_view body) override;
  /// A begun head of which nothing was sent may still be replaced by reply().
  void begin(const ResponseHead& head) override;
  SinkState write(std::string_view bytes) override;
  void finish() override;
  void write_last(std::string_view bytes) override;
  void abort() override;
  [[nodiscard]] bool head_sent() const override { return response_.head_sent; }
  [[nodiscard]] bool gone() const override { return gone_; }
  void watch(SinkWatcher* watcher) override;

  std::size_t place = 0;  // in the host's list; the host's own

 private:
  enum class Phase : std::uint8_t { handshake, head, body, answering, lingering, closed };
  enum class Afterwards : std::uint8_t { keep, linger, close };  // what follows the answer
  enum class Telling : std::uint8_t {
    now,
    posted
  };  // posted: we are inside a call of the watcher's owner

  struct Response {
    std::string head;  // begun, not yet sent
    bool begun = false;
    bool chunked = false;
    bool bodyless = false;  // HEAD, 204, 304: the head alone
    bool head_sent = false;
    bool complete = false;
    bool full = false;  // SinkState::full was given, on_drained is owed
  };

  // Reading (session.cpp).
  void arm_read();
  void on_readable();
  void shake_hands();
  void refuse_plain_http();
  void read_head();
  void read_body();
  void read_ahead();
  void read_and_discard();
  std::optional<std::size_t> receive_into_body(std::size_t left);
  void pump(std::string_view input);
  bool advance(std::string_view input);
  bool take_head(std::string_view raw, std::size_t bytes_behind);
  bool admit(bool has_body, std::size_t bytes_behind);
  void limit_drain(std::size_t bytes_unread);
  std::expected<std::size_t, Error> take_body(std::string_view input);
  void keep_rest(std::string_view input, std::size_t used);
  void dispatch();
  void refuse(const Error& error, std::string_view target, std::size_t bytes_unread);
  void check_body_rate(Monotonic now);
  void time_out(const char* what);

  // Answering and closing (session_sink.cpp).
  bool send(std::initializer_list<std::string_view> parts);
  void arm_write();
  void on_writable();
  void begin_answer(bool with_handler);
  void reply_error(std::string_view target, const Error& error);
  WholeReply error_reply(std::string_view target, const Error& error);
  std::string head_text(const ResponseHead& head, std::optional<std::size_t> length);
  void end_answer_if_done();
  void next_request();
  void end_sending();
  void set_full(bool full);
  void lose_client(Telling telling);
  void tell_gone();
  void close();
  void reset_connection();

  const std::shared_ptr<SessionHost> host_;
  const ServerLimits& limits_;
  Socket socket_;
  Transport transport_{socket_.native_handle()};
  const std::string peer_;

  Phase phase_ = Phase::head;
  Afterwards afterwards_ = Afterwards::keep;
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool head_begun_ = false;   // a byte of the next head has come
  bool peer_closed_ = false;  // after a complete answer: not a client that left
  bool handler_done_ = true;
  bool gone_ = false;
  bool gone_told_ = false;
  Monotonic since_{};           // when the present phase began; idle: since when
  Monotonic write_progress_{};  // when the client last took bytes that were queued

  HttpGuard guard_;
  Backlog backlog_;
  // The request being read.
  RequestHead head_;
  std::string target_;  // its path, for an error reply after the head has gone to the handler
  std::shared_ptr<const Admission> admission_;
  std::string body_;
  std::size_t content_length_ = 0;
  std::unique_ptr<ChunkGuard> chunks_;  // set for a chunked body
  bool http_1_1_ = true;
  bool keep_alive_ = false;
  bool head_request_ = false;
  std::size_t drain_left_ = 0;  // bytes that may still be read and thrown away while lingering

  Response response_;
  OutQueue out_;
  SinkWatcher* watcher_ = nullptr;
};

}  // namespace turnpike::server
