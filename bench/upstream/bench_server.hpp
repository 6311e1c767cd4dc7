// A cheap upstream for measuring: one thread, epoll, loopback, plain and TLS. It runs in a process
// of its own, so that CPU time and memory of the measuring process belong to the room alone. The
// path says what to answer:
//   /json?bytes=1500             a whole answer          &close=1 ends the connection after it
//   /sse?chunks=200&pace_us=0    a stream of events; 0: all of them in one write
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace turnpike::bench {

class BenchServer {
 public:
  /// Forks; call before any thread is started. The child ends with this object, or with its parent.
  BenchServer(const std::string& certificate_file, const std::string& key_file);
  BenchServer(const BenchServer&) = delete;
  BenchServer& operator=(const BenchServer&) = delete;
  ~BenchServer();

  [[nodiscard]] std::string plain_url() const {
    return "http://127.0.0.1:" + std::to_string(plain_port_);
  }
  [[nodiscard]] std::string tls_url() const {
    return "https://127.0.0.1:" + std::to_string(tls_port_);
  }

 private:
  std::uint16_t plain_port_ = 0;
  std::uint16_t tls_port_ = 0;
  pid_t child_ = -1;
};

}  // namespace turnpike::bench
