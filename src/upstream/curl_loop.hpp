// Drives all transfers of one event loop. Three ways in, one way out:
//   sockets ready, libcurl's timer, a posted kick  ->  curl_multi_socket_action  ->  drain
// Callbacks of libcurl only mark calls as dirty; whatever adds, removes or resumes a transfer, and
// whatever runs a caller's code, happens in the drain step or from outside, never inside a callback
// (libcurl would refuse it).
#pragma once

#include <curl/curl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "upstream/curl_upstream.hpp"
#include "upstream/trust_domain.hpp"

namespace turnpike::upstream {

class Call;

struct CurlMultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

/// A small connection pool. Many small ones, filled in order, keep libcurl's connection lookup
/// short.
struct Multi {
  CurlLoop* loop = nullptr;
  TrustDomain* trust = nullptr;
  std::uint32_t slot = 0;  // in CurlLoop::multis_
  std::size_t active = 0;
  bool kicked = false;   // libcurl asked to be called at once
  bool touched = false;  // may have completion messages
  Monotonic last_used;
  std::unique_ptr<CURLM, CurlMultiCleanup> curl;
};

class CurlLoop final : public std::enable_shared_from_this<CurlLoop> {
 public:
  CurlLoop(asio::io_context& loop, const Clock& clock, CurlLimits limits);
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;
  ~CurlLoop();

  /// Begins to watch the sockets. Once, after construction.
  void open();
  /// Aborts everything and lets go of the io_context. Nothing is told to anybody. The owner calls
  /// it before it lets go; transfers may keep the object alive longer.
  void shut_down();

  /// Gives the call a handle and a place in a multi.
  void attach(Call& call);
  /// Takes them back; an unfinished HTTP/1.1 transfer loses its connection at once.
  void detach(Call& call);
  /// The call has something to tell.
  void mark(std::shared_ptr<Call> call);
  void on_tick(Monotonic now);

  /// Buffers are lent only while bytes wait for the drain step, so an idle stream holds none.
  std::string take_buffer();
  void give_buffer(std::string buffer);

  [[nodiscard]] Monotonic now() const { return clock_.monotonic(); }
  [[nodiscard]] const CurlLimits& limits() const { return limits_; }
  [[nodiscard]] std::size_t active() const { return calls_.size(); }

 private:
  static int on_socket(CURL*, curl_socket_t socket, int what, void* multi, void* known);
  static int on_timer_change(CURLM*, long timeout_ms, void* multi);

  void watch();
  void on_ready();
  void handle_events();
  void act(Multi& multi, curl_socket_t socket, int events);
  void kick_soon();
  void on_kick();
  void call_back_after(std::chrono::milliseconds delay);
  void on_timer();
  void drain();
  void read_messages(Multi& multi);
  Multi& multi_for(TrustDomain& trust);
  Multi& add_multi(TrustDomain& trust);
  TrustDomain& trust_for(const std::string& ca_file);
  void close_unused(Monotonic now);

  asio::io_context& io_;
  const Clock& clock_;
  CurlLimits limits_;
  asio::posix::stream_descriptor epoll_;  // a private epoll set of all of libcurl's sockets
  asio::steady_timer timer_;
  Monotonic timer_due_ = Monotonic::max();
  bool kick_wanted_ = false;  // some multi is `kicked`
  bool kick_posted_ = false;
  bool driving_ = false;  // a drain will follow: no kick needed
  bool shut_ = false;

  std::vector<std::unique_ptr<TrustDomain>> trusts_;
  std::vector<std::unique_ptr<Multi>> multis_;  // null where one was closed
  std::vector<Multi*> touched_;
  std::vector<Call*> calls_;
  std::vector<std::shared_ptr<Call>> dirty_;
  std::vector<std::shared_ptr<Call>> batch_;
  std::vector<std::string> buffers_;
};

}  // namespace turnpike::upstream
