// One thread, one epoll set: accepts, reads requests, lets replies write when they are due.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "http.hpp"
#include "prompt.hpp"

namespace turnpike::simulator {

/// An answer while it is being written. Destroyed when its connection is done with it.
class Reply {
 public:
  enum class Then : std::uint8_t {
    at,        // call again at `when`
    more,      // call again once what was given is written
    flushed,   // like more, but write this part by itself first
    finished,  // complete: the connection may carry the next request
    close,     // write, then close the connection
    reset,     // write, then close so that the peer sees a reset
  };
  struct Next {
    Then then = Then::finished;
    Instant when{};
  };
  virtual ~Reply() = default;
  /// Appends what is due at `now` to `out`.
  virtual Next pump(Instant now, std::string& out) = 0;
  /// The peer closed or reset the connection before the reply was complete.
  virtual void client_gone(Instant now) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  virtual std::unique_ptr<Reply> handle(const HttpRequest& request, Instant now) = 0;
};

class Server {
 public:
  /// Binds to `address`:`port` (port 0: any free one). Throws std::system_error.
  Server(const std::string& address, std::uint16_t port, Handler& handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  /// Serves until `stop` becomes true (set it from a signal handler).
  void run(const std::atomic<bool>& stop);

 private:
  struct Connection {
    int fd = -1;
    std::uint64_t id = 0;
    std::string in;
    std::string out;
    std::size_t written = 0;
    RequestReader reader;
    std::unique_ptr<Reply> reply;
    Reply::Next next;
    bool waits_for_room = false;
    bool close_after = false;
  };
  struct Wake {
    Instant when;
    std::uint64_t id;
    bool operator>(const Wake& other) const { return when > other.when; }
  };

  void accept_all();
  void on_event(std::uint64_t id, std::uint32_t events);
  /// Reads what is there; false when the peer is gone.
  bool read_some(Connection& connection);
  /// Moves the connection on as far as it goes now; false when it is closed.
  bool advance(Connection& connection, Instant now);
  bool next_request(Connection& connection, Instant now);
  bool pump(Connection& connection, Instant now);
  /// False when the peer is gone.
  bool flush(Connection& connection);
  void watch(Connection& connection);
  void close(std::uint64_t id, bool gone, bool reset);
  void wake_due(Instant now);
  [[nodiscard]] std::int64_t wait_ns(Instant now) const;

  Handler& handler_;
  int listener_ = -1;
  int epoll_ = -1;
  std::uint16_t port_ = 0;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes_;
};

}  // namespace turnpike::simulator
