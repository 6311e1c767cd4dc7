// A listener on a free loopback port, a handler that does what the path says, and a plain blocking
// client.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <charconv>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/event_loop.hpp"
#include "server/listener.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::server::test {

using namespace std::chrono_literals;

/// Polls until `condition` holds; false after `limit`.
template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = 5000ms) {
  const SystemClock clock;
  const auto end = clock.monotonic() + limit;
  while (!condition()) {
    if (clock.monotonic() >= end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// What happened on the server's side; read from the test's thread.
struct Seen {
  std::atomic<int> heads{0};
  std::atomic<int> handled{0};
  std::atomic<int> finished{0};
  std::atomic<int> gone{0};
  std::atomic<int> drained{0};
  std::atomic<int> full{0};
  std::atomic<std::size_t> written{0};
  std::atomic<int> running{0};  // handlers at this moment
  std::atomic<int> running_most{0};
};

/// Waits for what the client does; lives in the handler's coroutine.
class Watch final : public SinkWatcher {
 public:
  Watch(ResponseSink& sink, Seen& seen) : sink_(sink), seen_(seen) { sink_.watch(this); }
  ~Watch() { sink_.watch(nullptr); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void on_drained() override {
    ++seen_.drained;
    if (wake_) std::exchange(wake_, nullptr)->set(true);
  }
  void on_gone() override {
    ++seen_.gone;
    if (wake_) std::exchange(wake_, nullptr)->set(false);
  }
  /// true: drained, false: the client has gone.
  asio::awaitable<bool> wait() {
    OneShot<bool> event;
    wake_ = &event;
    const bool drained = co_await event.wait();
    co_return drained;
  }

 private:
  ResponseSink& sink_;
  Seen& seen_;
  OneShot<bool>* wake_ = nullptr;
};

class PathHandler final : public Handler {
 public:
  explicit PathHandler(Seen& seen) : seen_(seen) {}

  std::expected<std::shared_ptr<const Admission>, WholeReply> on_head(
      const RequestHead& head) override {
    ++seen_.heads;
    if (head.path == "/on-head")
      return std::unexpected{WholeReply{ResponseHead{}, "answered on the head"}};
    if (head.path == "/denied") {
      WholeReply reply;
      reply.head.status = 401;
      reply.body = "denied";
      return std::unexpected{reply};
    }
    if (head.path == "/throw-on-head") throw std::runtime_error("on_head failed");
    return nullptr;
  }

  asio::awaitable<void> handle(ClientRequest request, ResponseSink& sink) override {
    ++seen_.handled;
    seen_.running_most = std::max(seen_.running_most.load(), ++seen_.running);
    struct Leave {
      Seen& seen;
      ~Leave() {
        --seen.running;
        ++seen.finished;
      }
    } const leave{seen_};
    const std::string& path = request.head.path;
    if (path == "/stream") stream(request.head.query, sink);
    if (path == "/last") begin_and(sink, [](ResponseSink& to) { to.write_last(" and last"); });
    if (path == "/only") {
      sink.begin(ResponseHead{});
      sink.write_last(request.head.query);
      sink.write("late");
    }
    if (path == "/abort") begin_and(sink, [](ResponseSink& to) { to.abort(); });
    if (path == "/half") begin_and(sink, [](ResponseSink&) {});
    if (path == "/begin-then-reply") {
      sink.begin(ResponseHead{});
      sink.reply(ResponseHead{.status = 503}, "changed my mind");
    }
    if (path == "/throw") throw std::runtime_error("handler failed");
    if (path == "/throw-late")
      begin_and(sink, [](ResponseSink&) { throw std::runtime_error("handler failed"); });
    if (path == "/echo" || path == "/" || path == "/a/../echo") echo(request, sink);
    if (path == "/no-content") sink.reply(ResponseHead{.status = 204}, "");
    if (path == "/big") sink.reply(ResponseHead{}, std::string(8 * 1024 * 1024, 'b'));
    if (path == "/evil-header") evil_header(sink);
    if (path == "/wait") co_await wait_for_client_to_go(sink);
    if (path == "/flood") co_await flood(sink);
  }

  WholeReply error_reply(std::string_view target, const Error& error) override {
    WholeReply reply;
    reply.head.status = error.http_status;
    reply.body = error.code + "|" + std::string{target};
    return reply;
  }

 private:
  template <typename Then>
  static void begin_and(ResponseSink& sink, Then then) {
    sink.begin(ResponseHead{});
    sink.write("part");
    then(sink);
  }
  static void stream(const std::string& query, ResponseSink& sink) {
    int count = 0;
    std::from_chars(query.data(), query.data() + query.size(), count);
    sink.begin(
        ResponseHead{.content_type = "text/event-stream", .headers = {{"x-kind", "stream"}}});
    for (int i = 0; i < count; ++i) sink.write("data: " + std::to_string(i) + "\n\n");
    sink.finish();
  }
  static void echo(const ClientRequest& request, ResponseSink& sink) {
    const bool slack = request.body.capacity() - request.body.size() >= 64;
    sink.reply(ResponseHead{.content_type = "text/plain"},
               request.head.method + " " + request.head.target + " " + (slack ? "" : "no slack ") +
                   request.body);
  }
  static void evil_header(ResponseSink& sink) {
    ResponseHead head;
    head.headers = {{"x-good", "1"},
                    {"x-bad", "1\r\nx-split: 2"},
                    {"Content-Length", "999"},
                    {"bad name", "1"}};
    sink.reply(head, "ok");
  }
  asio::awaitable<void> wait_for_client_to_go(ResponseSink& sink) {
    Watch watch{sink, seen_};
    co_await watch.wait();
  }
  asio::awaitable<void> flood(ResponseSink& sink) {
    Watch watch{sink, seen_};
    const std::string chunk(64 * 1024, 'f');
    sink.begin(ResponseHead{});
    for (int i = 0; i < 256; ++i) {  // 16 MiB
      const auto state = sink.write(chunk);
      seen_.written += chunk.size();
      if (state == SinkState::gone) co_return;
      if (state == SinkState::open) continue;
      ++seen_.full;
      const bool drained = co_await watch.wait();
      if (!drained) co_return;
    }
    sink.finish();
  }

  Seen& seen_;
};

/// Limits short enough for tests.
inline ServerLimits quick_limits() {
  ServerLimits limits;
  limits.head_timeout = 300ms;
  limits.idle_timeout = 600ms;
  limits.body_grace = 300ms;
  limits.body_timeout = 2000ms;
  limits.slow_reader_timeout = 400ms;
  limits.linger_timeout = 200ms;
  limits.drain_idle_timeout = 100ms;
  return limits;
}

class Server {
 public:
  explicit Server(ServerLimits limits = {}, std::size_t loops = 1) : handler_(seen) {
    for (std::size_t i = 0; i < loops; ++i)
      loops_.push_back(std::make_unique<EventLoop>(clock_, 20ms));
    std::vector<LoopBinding> bindings;
    for (const auto& loop : loops_) bindings.push_back({*loop, handler_});
    auto opened = Listener::open("127.0.0.1", 0, bindings, limits, clock_);
    REQUIRE(opened.has_value());
    listener = std::move(*opened);
    for (const auto& loop : loops_) loop->start();
  }
  ~Server() {
    listener->close_all();
    const bool idle = eventually([this] { return listener->idle(); });
    CHECK(idle);
    for (const auto& loop : loops_) loop->stop();
    for (const auto& loop : loops_) loop->join();
    listener.reset();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  EventLoop& loop(std::size_t index) { return *loops_[index]; }

  Seen seen;
  std::unique_ptr<Listener> listener;

 private:
  SystemClock clock_;
  PathHandler handler_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
};

struct Response {
  int status = 0;
  std::string head;
  std::string body;  // taken out of its framing
  int chunks = 0;
  bool complete = false;  // the framing ended as it should
  [[nodiscard]] bool has(std::string_view text) const {
    return head.find(text) != std::string::npos;
  }
};

/// Blocking, with a time limit on every wait so that a silent server fails a test instead of
/// hanging it.
class Client {
 public:
  explicit Client(const Server& server, int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.listener->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() {
    close();
    SSL_free(tls_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// From now on TLS; the handshake is the caller's: `SSL_connect(client.tls())`.
  void secure(SSL_CTX* context) {
    tls_ = SSL_new(context);
    SSL_set_fd(tls_, socket_);
    SSL_set_connect_state(tls_);
  }
  [[nodiscard]] SSL* tls() { return tls_; }
  [[nodiscard]] int socket() const { return socket_; }

  /// Sends what it can; a server that closes early is no failure here.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = tls_ != nullptr
                            ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
                            : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void drip(std::string_view bytes) {
    for (const char byte : bytes) send({&byte, 1});
  }
  void half_close() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

  /// Reads once; false at the end of the connection (`reset_seen` says which) or of patience.
  bool read_more(std::chrono::milliseconds patience = 5000ms) {
    pollfd waiting{socket_, POLLIN, 0};
    const bool at_hand = tls_ != nullptr && SSL_pending(tls_) > 0;
    if (!at_hand && ::poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) {
      timed_out = true;
      return false;
    }
    std::array<char, 65536> bytes;
    const auto got = tls_ != nullptr ? SSL_read(tls_, bytes.data(), bytes.size())
                                     : ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got <= 0) {
      closed = true;
      reset_seen = got < 0;
      return false;
    }
    buffer.append(bytes.data(), static_cast<std::size_t>(got));
    return true;
  }
  std::string read_to_end() {
    while (read_more()) {
    }
    return std::exchange(buffer, {});
  }

  /// Next response on the connection. `bodyless` after HEAD.
  Response read_response(bool bodyless = false) {
    Response response;
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return response;
    }
    response.head = buffer.substr(0, end + 4);
    buffer.erase(0, end + 4);
    response.status = std::stoi(response.head.substr(9, 3));
    if (bodyless || response.status == 204 || response.status < 200) {
      response.complete = true;
    } else if (const auto at = response.head.find("content-length: "); at != std::string::npos) {
      const auto length = static_cast<std::size_t>(std::stoul(response.head.substr(at + 16)));
      while (buffer.size() < length && read_more()) {
      }
      response.complete = buffer.size() >= length;
      response.body = buffer.substr(0, length);
      buffer.erase(0, length);
    } else if (response.has("transfer-encoding: chunked")) {
      read_chunks(response);
    } else {
      while (read_more()) {
      }
      response.complete = closed && !reset_seen;
      response.body = std::exchange(buffer, {});
    }
    return response;
  }

  std::string buffer;
  bool closed = false;
  bool reset_seen = false;
  bool timed_out = false;

 private:
  void read_chunks(Response& response) {
    for (;;) {
      std::size_t end = 0;
      while ((end = buffer.find("\r\n")) == std::string::npos) {
        if (!read_more()) return;
      }
      const auto size = static_cast<std::size_t>(std::stoul(buffer.substr(0, end), nullptr, 16));
      while (buffer.size() < end + 2 + size + 2) {
        if (!read_more()) return;
      }
      response.body += buffer.substr(end + 2, size);
      buffer.erase(0, end + 2 + size + 2);
      if (size == 0) {
        response.complete = true;
        return;
      }
      ++response.chunks;
    }
  }

  int socket_;
  SSL* tls_ = nullptr;
};

inline Response ask(const Server& server, std::string_view request, bool bodyless = false) {
  Client client{server};
  client.send(request);
  return client.read_response(bodyless);
}

}  // namespace turnpike::server::test
