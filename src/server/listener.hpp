// A listening socket and all connections that came in through it. The data port and the admin port
// are one each.
//
// One acceptor, on the first loop, hands each connection to the loop with the fewest open streams;
// from then on the connection never changes thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/event_loop.hpp"
#include "server/limits.hpp"
#include "server/tls_context.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::server {

/// A loop and who answers on it. Both outlive the listener; the handler also outlives the loop's
/// thread.
struct LoopBinding {
  EventLoop& loop;
  Handler& handler;
};

/// TLS handshakes since the listener was made.
struct TlsFigures {
  std::uint64_t full = 0;
  std::uint64_t resumed = 0;
  std::uint64_t failed = 0;
  std::uint64_t timed_out = 0;
};

/// What slow clients and scarce descriptors have cost; for metrics.
struct ListenerFigures {
  std::size_t connections_max = 0;
  std::size_t responses_paused = 0;         // now: the client is slow, so its provider waits
  std::uint64_t slow_readers_cut = 0;       // took no byte for slow_reader_timeout
  std::uint64_t idle_closed = 0;            // by close_idle()
  std::uint64_t accepts_paused = 0;         // times accepting had to pause
};

/// A socket that listens there; the caller's to close. `address` as for Listener::open.
Result<int> listen_on(const std::string& address, std::uint16_t port);

/// All member functions may be called from any thread. Destroy it before its loops; the destructor
/// closes every connection, as close_all() does.
class Listener {
 public:
  /// `address` is a numeric IPv4 or IPv6 address; port 0 takes a free one. At least one binding.
  static Result<std::unique_ptr<Listener>> open(const std::string& address, std::uint16_t port,
                                                std::vector<LoopBinding> bindings,
                                                ServerLimits limits, const Clock& clock);
  /// Takes over a socket that already listens (socket activation); closes it when accepting stops.
  static Result<std::unique_ptr<Listener>> adopt(int listening_socket,
                                                 std::vector<LoopBinding> bindings,
                                                 ServerLimits limits, const Clock& clock);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// To be shared with another process. The listener's own; open until accepting stops.
  [[nodiscard]] int listening_socket() const;

  /// New connections are TLS under this context from now on; those that are open keep theirs.
  void use_tls(std::shared_ptr<const TlsContext> context);
  [[nodiscard]] TlsFigures tls_figures() const;

  /// Takes what already waits in the accept queue, then closes the listening socket.
  void stop_accepting();
  /// Takes what already waits in the accept queue; later connections stand there until resume(), or
  /// until whoever else holds the socket takes them.
  void hold_accepting();
  /// From now on every response says `Connection: close`, and idle connections close soon after.
  void drain();
  /// Takes drain() and hold_accepting() back. What said `Connection: close` meanwhile still closes.
  void resume();
  /// Closes the connections that wait for a next request, to give their memory back.
  void close_idle();
  /// Cuts every connection; running handlers are told that their client has gone.
  void close_all();

  [[nodiscard]] std::size_t open_requests() const;
  [[nodiscard]] std::size_t open_connections() const;
  [[nodiscard]] ListenerFigures figures() const;
  /// Nothing is being answered and no connection is open.
  [[nodiscard]] bool idle() const;

 private:
  class Impl;
  explicit Listener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace turnpike::server
