// An upstream that does exactly what its script says, byte by byte: real sockets on 127.0.0.1, port
// 0, a thread per connection, TLS if given a certificate. The script runs on the connection's
// thread and may be asked afterwards.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "support/test_certificate.hpp"

namespace turnpike::test {

struct RawRequest {
  std::string head;  // request line and fields, without the blank line
  std::string body;

  /// Value of the first field of this name; names compare without case.
  [[nodiscard]] std::optional<std::string> field(std::string_view name) const {
    std::size_t at = head.find("\r\n");
    while (at != std::string::npos) {
      const auto begin = at + 2;
      at = head.find("\r\n", begin);
      const auto line =
          std::string_view{head}.substr(begin, at == std::string::npos ? at : at - begin);
      const auto colon = line.find(':');
      if (colon != name.size() || !same(line.substr(0, colon), name)) continue;
      auto value = line.substr(colon + 1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      return std::string{value};
    }
    return std::nullopt;
  }

 private:
  static bool same(std::string_view a, std::string_view b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (std::tolower(static_cast<unsigned char>(a[i])) !=
          std::tolower(static_cast<unsigned char>(b[i]))) {
        return false;
      }
    }
    return a.size() == b.size();
  }
};

/// One accepted connection. All calls block; false or nullopt means that the peer is gone or the
/// server stops.
class RawConnection {
 public:
  RawConnection(int descriptor, SSL_CTX* tls, int number)
      : descriptor_(descriptor), number_(number) {
    const int on = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls == nullptr) return;
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, descriptor_);
  }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    close();
  }

  /// 0 for the server's first connection.
  [[nodiscard]] int number() const { return number_; }

  std::optional<RawRequest> read_request() {
    if (ssl_ != nullptr && !SSL_is_init_finished(ssl_) && SSL_accept(ssl_) != 1)
      return std::nullopt;
    std::size_t blank = 0;
    while ((blank = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return std::nullopt;
    }
    RawRequest request;
    request.head = buffer_.substr(0, blank);
    buffer_.erase(0, blank + 4);
    const auto length = request.field("content-length");
    const auto bytes = length ? std::strtoull(length->c_str(), nullptr, 10) : 0;
    while (buffer_.size() < bytes) {
      if (!read_more()) return std::nullopt;
    }
    request.body = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return request;
  }

  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent =
          ssl_ != nullptr
              ? static_cast<ssize_t>(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())))
              : ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// True if this TLS connection took up an earlier session. After the first request was read.
  [[nodiscard]] bool resumed() const { return ssl_ != nullptr && SSL_session_reused(ssl_) == 1; }

  /// Waits for a byte without taking it.
  bool wait_readable() {
    char byte = 0;
    return ::recv(descriptor_, &byte, 1, MSG_PEEK) == 1;
  }

  /// True if the peer closes (or resets) within the time; bytes it sends meanwhile are thrown away.
  bool closed_within(std::chrono::milliseconds time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd watched{descriptor_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(left.count())) <= 0)
        return false;
      char sink[4096];
      if (::recv(descriptor_, sink, sizeof sink, 0) <= 0) return true;
    }
  }

  /// RST instead of FIN.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  /// FIN; with TLS a tidy close_notify before it unless told otherwise.
  void close(bool close_notify = true) {
    const std::lock_guard lock{guard_};
    if (descriptor_ < 0) return;
    if (ssl_ != nullptr && close_notify && SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
    ::close(std::exchange(descriptor_, -1));
  }

  /// For the server's end: unblocks the script.
  void interrupt() {
    const std::lock_guard lock{guard_};
    if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
  }

 private:
  bool read_more() {
    char bytes[16384];
    const auto got = ssl_ != nullptr ? static_cast<ssize_t>(SSL_read(ssl_, bytes, sizeof bytes))
                                     : ::recv(descriptor_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  std::mutex guard_;  // descriptor_ against interrupt()
  int descriptor_;
  int number_;
  SSL* ssl_ = nullptr;
  std::string buffer_;
};

class RawServer {
 public:
  using Script = std::function<void(RawConnection&)>;

  explicit RawServer(Script script, const TestCertificate* certificate = nullptr)
      : script_(std::move(script)) {
    std::signal(SIGPIPE, SIG_IGN);  // SSL_write to a peer that is gone
    if (certificate != nullptr) open_tls(*certificate);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 512) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error{"raw server cannot listen"};
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread{[this] { accept_all(); }};
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  ~RawServer() {
    {
      const std::lock_guard lock{guard_};
      stopping_ = true;
      for (auto& [connection, thread] : connections_) connection->interrupt();
    }
    stop_.notify_all();
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (auto& [connection, thread] : connections_) thread.join();
    if (tls_ != nullptr) SSL_CTX_free(tls_);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const {
    return (tls_ != nullptr ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
  }
  [[nodiscard]] int accepted() const { return accepted_; }

  /// For scripts that wait for something in a loop.
  [[nodiscard]] bool stopping() {
    const std::lock_guard lock{guard_};
    return stopping_;
  }

  /// A pause inside a script that the server's end cuts short.
  void pause(std::chrono::milliseconds time) {
    std::unique_lock lock{guard_};
    stop_.wait_for(lock, time, [this] { return stopping_; });
  }

 private:
  void open_tls(const TestCertificate& certificate) {
    tls_ = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls_, certificate.certificate_file().c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_, certificate.key_file().c_str(), SSL_FILETYPE_PEM) != 1) {
      throw std::runtime_error{"raw server cannot read its certificate"};
    }
  }

  void accept_all() {
    while (true) {
      const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const std::lock_guard lock{guard_};
      if (stopping_ || descriptor < 0) {
        if (descriptor >= 0) ::close(descriptor);
        return;
      }
      auto connection = std::make_unique<RawConnection>(descriptor, tls_, accepted_++);
      auto& raw = *connection;
      connections_.emplace_back(std::move(connection), std::thread{[this, &raw] {
                                  script_(raw);
                                  raw.close();
                                }});
    }
  }

  Script script_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> accepted_ = 0;
  std::mutex guard_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::list<std::pair<std::unique_ptr<RawConnection>, std::thread>> connections_;
  std::thread acceptor_;
};

/// A whole response with Content-Length.
inline std::string ok_response(std::string_view body, std::string_view further_fields = {}) {
  std::string response = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
  response.append(further_fields);
  response.append("Content-Length: ")
      .append(std::to_string(body.size()))
      .append("\r\n\r\n")
      .append(body);
  return response;
}

inline const std::string chunked_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

inline std::string http_chunk(std::string_view bytes) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return std::string{size}.append(bytes).append("\r\n");
}

}  // namespace turnpike::test
