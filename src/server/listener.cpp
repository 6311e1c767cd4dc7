#include "server/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "server/descriptors.hpp"
#include "server/session.hpp"
#include "turnpike/log.hpp"

namespace turnpike::server {

namespace {

using Tcp = asio::ip::tcp;

/// A descriptor on its way from the acceptor's thread to another.
class OwnedSocket {
 public:
  explicit OwnedSocket(int descriptor) : descriptor_(descriptor) {}
  OwnedSocket(OwnedSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  OwnedSocket& operator=(OwnedSocket&&) = delete;
  OwnedSocket(const OwnedSocket&) = delete;
  OwnedSocket& operator=(const OwnedSocket&) = delete;
  ~OwnedSocket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

std::string address_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

/// Bytes of one connection that the kernel may hold and has not sent yet. Without a bound it takes
/// up to tcp_wmem's maximum (4 MiB) from each stream whose reader is slow, in memory that no figure of
/// the process shows. What is on its way is not counted, so a fast reader far away is not slowed.
constexpr int kernel_unsent_max = 128 * 1024;

bool out_of_descriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// One loop's connections. Its state belongs to the loop's thread, the counters excepted.
class Shard final : public SessionHost, public std::enable_shared_from_this<Shard> {
 public:
  Shard(const LoopBinding& binding, const ServerLimits& with_limits, const Clock& with_clock)
      : SessionHost(binding.loop, binding.handler, with_limits, with_clock) {}

  void begin() {
    loop.run_on([self = shared_from_this()] {
      self->tick_ = self->loop.on_tick([weak = self->weak_from_this()](Monotonic now) {
        if (const auto shard = weak.lock()) shard->on_tick(now);
      });
    });
  }

  /// Any thread. The connection counts from now on, so that a burst of them spreads.
  void hand_over(OwnedSocket socket, std::string peer) {
    connections_.fetch_add(1, std::memory_order_relaxed);
    if (loop.on_loop_thread()) return take(std::move(socket), std::move(peer));
    loop.post([self = shared_from_this(), passed = std::move(socket),
               address = std::move(peer)]() mutable {
      self->take(std::move(passed), std::move(address));
    });
  }

  void answer(std::shared_ptr<Session> session, ClientRequest request) override {
    requests_.fetch_add(1, std::memory_order_relaxed);
    loop.stream_opened();
    auto done = [self = shared_from_this(), session](const std::exception_ptr& failure) {
      self->loop.stream_closed();
      self->requests_.fetch_sub(1, std::memory_order_relaxed);
      session->answered(failure);
    };
    try {
      auto handling = handler.handle(std::move(request), *session);
      asio::co_spawn(loop.context().get_executor(), std::move(handling), done);
    } catch (...) {
      loop.post([done, failure = std::current_exception()] { done(failure); });
    }
  }

  void closed(Session& session) override {
    connections_.fetch_sub(1, std::memory_order_relaxed);
    if (session.place >= sessions_.size() || sessions_[session.place] != &session) return;
    sessions_[session.place] = sessions_.back();
    sessions_[session.place]->place = session.place;
    sessions_.pop_back();
  }

  void handshake_ended(HandshakeEnd end) override {
    handshakes_[static_cast<std::size_t>(end)].fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t handshakes(HandshakeEnd end) const {
    return handshakes_[static_cast<std::size_t>(end)].load(std::memory_order_relaxed);
  }

  void drain() {
    draining = true;
    for_all([now = clock.monotonic()](Session& session) { session.on_drain(now); });
  }

  void undrain() { draining = false; }

  void close_idle() {
    std::uint64_t closed = 0;
    for_all([&closed](Session& session) { closed += session.close_if_idle() ? 1 : 0; });
    idle_closed_.fetch_add(closed, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t idle_closed() const {
    return idle_closed_.load(std::memory_order_relaxed);
  }

  void close_all() {
    draining = true;
    loop.remove_tick(tick_);
    for_all([](Session& session) { session.cut(); });
  }

  [[nodiscard]] std::size_t connections() const {
    return connections_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t requests() const { return requests_.load(std::memory_order_relaxed); }

 private:
  void take(OwnedSocket socket, std::string peer) {
    Session::Socket connection{loop.context()};
    boost::system::error_code failure;
    connection.assign(Tcp::v4(), socket.get(),
                      failure);  // the protocol only matters to options we do not use
    if (failure) {
      connections_.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
    socket.release();
    auto session =
        std::make_shared<Session>(shared_from_this(), std::move(connection), std::move(peer));
    session->place = sessions_.size();
    sessions_.push_back(session.get());
    session->start();
  }

  /// Backwards: a session that closes makes room for the last one, which has had its turn.
  template <typename Visit>
  void for_all(Visit visit) {
    for (std::size_t i = sessions_.size(); i-- > 0;) {
      if (i >= sessions_.size()) continue;
      const auto session = sessions_[i]->weak_from_this().lock();
      if (session) visit(*session);
    }
  }

  void on_tick(Monotonic now) {
    for_all([now](Session& session) { session.on_tick(now); });
  }

  std::vector<Session*> sessions_;
  std::uint64_t tick_ = 0;
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> requests_{0};
  std::array<std::atomic<std::uint64_t>, 4> handshakes_{};  // by HandshakeEnd
  std::atomic<std::uint64_t> idle_closed_{0};
};

}  // namespace

Result<int> listen_on(const std::string& address, std::uint16_t port) {
  auto fail = [&address, port](const std::string& what, int error) {
    return std::unexpected{gateway_error(500, "listen_failed",
                                         "cannot " + what + " " + address + ":" +
                                             std::to_string(port) + ": " +
                                             std::generic_category().message(error))};
  };
  boost::system::error_code malformed;
  const auto ip = asio::ip::make_address(address, malformed);
  if (malformed) {
    return std::unexpected{gateway_error(500, "listen_failed",
                                         "listen address " + quoted_for_message(address) +
                                             " is not a numeric IPv4 or IPv6 address")};
  }
  const Tcp::endpoint endpoint{ip, port};
  OwnedSocket socket{
      ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (socket.get() < 0) return fail("open a socket for", errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
    return fail("bind", errno);
  }
  if (::listen(socket.get(), SOMAXCONN) != 0) return fail("listen on", errno);
  return socket.release();
}

/// The acceptor lives on the first loop; what it accepts goes to the shards.
class Listener::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const std::vector<LoopBinding>& bindings, const ServerLimits& limits, const Clock& clock)
      : loop_(bindings.front().loop),
        acceptor_(loop_.context()),
        pause_(loop_.context()),
        accept_pause_(limits.accept_pause),
        connections_max_(connection_bound(limits.connections_max, descriptor_limit())) {
    for (const auto& binding : bindings)
      shards_.push_back(std::make_shared<Shard>(binding, limits, clock));
  }

  /// Takes the socket over, also if it fails.
  Result<void> begin(int listening_socket) {
    OwnedSocket socket{listening_socket};
    const int on = 1;
    // Accepted sockets inherit both: no system call per connection.
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kernel_unsent_max,
                 sizeof kernel_unsent_max);
    boost::system::error_code failure;
    acceptor_.assign(Tcp::v4(), socket.get(), failure);
    if (!failure) {
      listening_socket_ = socket.release();
      acceptor_.non_blocking(true, failure);
    }
    if (!failure) port_ = acceptor_.local_endpoint(failure).port();
    if (failure) {
      return std::unexpected{
          gateway_error(500, "listen_failed", "cannot accept on the socket: " + failure.message())};
    }
    for (const auto& shard : shards_) shard->begin();
    loop_.run_on([self = shared_from_this()] { self->arm(); });
    return {};
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int listening_socket() const { return listening_socket_; }

  void use_tls(const std::shared_ptr<const TlsContext>& context) {
    for (const auto& shard : shards_)
      shard->loop.run_on([shard, context] { shard->tls = context; });
  }

  [[nodiscard]] std::uint64_t handshakes(HandshakeEnd end) const {
    std::uint64_t sum = 0;
    for (const auto& shard : shards_) sum += shard->handshakes(end);
    return sum;
  }

  void stop_accepting() {
    loop_.run_on([self = shared_from_this()] {
      if (self->acceptor_.is_open()) self->accept_waiting();
      self->close_acceptor();
    });
  }

  void hold_accepting() {
    loop_.run_on([self = shared_from_this()] {
      if (!self->acceptor_.is_open() || self->held_) return;
      self->accept_waiting();
      self->held_ = true;
      boost::system::error_code ignored;
      self->acceptor_.cancel(ignored);
      self->pause_.cancel();
    });
  }

  void drain() {
    for (const auto& shard : shards_) shard->loop.run_on([shard] { shard->drain(); });
  }

  void resume() {
    for (const auto& shard : shards_) shard->loop.run_on([shard] { shard->undrain(); });
    loop_.run_on([self = shared_from_this()] {
      if (std::exchange(self->held_, false)) self->arm();
    });
  }

  void close_idle() {
    for (const auto& shard : shards_) shard->loop.run_on([shard] { shard->close_idle(); });
  }

  [[nodiscard]] ListenerFigures figures() const {
    ListenerFigures sum;
    sum.connections_max = connections_max_;
    sum.accepts_paused = accepts_paused_.load(std::memory_order_relaxed);
    for (const auto& shard : shards_) {
      sum.responses_paused += shard->slow.paused.load(std::memory_order_relaxed);
      sum.slow_readers_cut += shard->slow.cut.load(std::memory_order_relaxed);
      sum.idle_closed += shard->idle_closed();
    }
    return sum;
  }

  void close_all() {
    loop_.run_on([self = shared_from_this()] { self->close_acceptor(); });
    for (const auto& shard : shards_) shard->loop.run_on([shard] { shard->close_all(); });
  }

  [[nodiscard]] std::size_t requests() const {
    std::size_t sum = 0;
    for (const auto& shard : shards_) sum += shard->requests();
    return sum;
  }
  [[nodiscard]] std::size_t connections() const {
    std::size_t sum = 0;
    for (const auto& shard : shards_) sum += shard->connections();
    return sum;
  }

 private:
  using Acceptor = asio::basic_socket_acceptor<Tcp, asio::io_context::executor_type>;
  static constexpr int accepts_per_turn = 64;

  void arm() {
    if (!acceptor_.is_open()) return;
    acceptor_.async_wait(Acceptor::wait_read,
                         [self = shared_from_this()](const boost::system::error_code& failure) {
                           if (failure || !self->acceptor_.is_open() || self->held_) return;
                           if (self->accept_waiting()) return self->arm();
                           self->pause_and_arm();
                         });
  }

  /// False: nothing more can be accepted for the moment.
  bool accept_waiting() {
    for (int i = 0; i < accepts_per_turn; ++i) {
      if (connections() >= connections_max_) return note_shortage("connection limit");
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      OwnedSocket socket{::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&address),
                                   &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (socket.get() < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
        if (out_of_descriptors(errno)) return note_shortage("descriptors");
        continue;  // the connection failed while it waited; or a signal
      }
      short_of_ = nullptr;
      least_busy().hand_over(std::move(socket), address_text(address));
    }
    return true;
  }

  bool note_shortage(const char* what) {
    accepts_paused_.fetch_add(1, std::memory_order_relaxed);
    if (short_of_ == nullptr) {
      log(LogLevel::warn, "accept_paused", {{"short_of", std::string_view{what}}});
    }
    short_of_ = what;
    return false;
  }

  /// Without descriptors the socket stays readable: waiting for it again at once would spin.
  void pause_and_arm() {
    pause_.expires_after(accept_pause_);
    pause_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
      if (!failure && !self->held_) self->arm();
    });
  }

  Shard& least_busy() {
    auto load = [](const std::shared_ptr<Shard>& shard) {
      return std::pair{shard->loop.open_streams(), shard->connections()};
    };
    return **std::ranges::min_element(shards_, {}, load);
  }

  void close_acceptor() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  }

  EventLoop& loop_;
  Acceptor acceptor_;
  asio::steady_timer pause_;
  const std::chrono::milliseconds accept_pause_;
  const std::size_t connections_max_;
  std::atomic<std::uint64_t> accepts_paused_{0};
  bool held_ = false;  // by hold_accepting(); the acceptor's loop only
  const char* short_of_ = nullptr;  // what accepting last stopped for; logged once
  int listening_socket_ = -1;
  std::uint16_t port_ = 0;
  std::vector<std::shared_ptr<Shard>> shards_;
};

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() { impl_->close_all(); }

Result<std::unique_ptr<Listener>> Listener::open(const std::string& address, std::uint16_t port,
                                                 std::vector<LoopBinding> bindings,
                                                 ServerLimits limits, const Clock& clock) {
  const auto socket = listen_on(address, port);
  if (!socket) return std::unexpected{socket.error()};
  return adopt(*socket, std::move(bindings), limits, clock);
}

Result<std::unique_ptr<Listener>> Listener::adopt(int listening_socket,
                                                  std::vector<LoopBinding> bindings,
                                                  ServerLimits limits, const Clock& clock) {
  auto impl = std::make_shared<Impl>(bindings, limits, clock);
  if (auto begun = impl->begin(listening_socket); !begun) return std::unexpected{begun.error()};
  return std::unique_ptr<Listener>{new Listener{std::move(impl)}};
}

std::uint16_t Listener::port() const { return impl_->port(); }
int Listener::listening_socket() const { return impl_->listening_socket(); }
void Listener::use_tls(std::shared_ptr<const TlsContext> context) { impl_->use_tls(context); }
TlsFigures Listener::tls_figures() const {
  return {impl_->handshakes(HandshakeEnd::full), impl_->handshakes(HandshakeEnd::resumed),
          impl_->handshakes(HandshakeEnd::failed), impl_->handshakes(HandshakeEnd::timed_out)};
}
void Listener::stop_accepting() { impl_->stop_accepting(); }
void Listener::hold_accepting() { impl_->hold_accepting(); }
void Listener::drain() { impl_->drain(); }
void Listener::resume() { impl_->resume(); }
void Listener::close_idle() { impl_->close_idle(); }
void Listener::close_all() { impl_->close_all(); }
ListenerFigures Listener::figures() const { return impl_->figures(); }
std::size_t Listener::open_requests() const { return impl_->requests(); }
std::size_t Listener::open_connections() const { return impl_->connections(); }
bool Listener::idle() const { return open_requests() == 0 && open_connections() == 0; }

}  // namespace turnpike::server
