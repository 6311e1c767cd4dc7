// The bytes of one connection: its socket as it is, or TLS over it. Nothing here waits; the session
// waits for the socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "server/tls_stream.hpp"

namespace turnpike::server {

/// The plain path costs one comparison with null per system call. The socket is the session's.
class Transport {
 public:
  explicit Transport(int socket) : socket_(socket) {}

  /// From now on TLS, beginning with its handshake. false: out of memory.
  bool secure(const TlsContext& context);
  /// Back to the plain socket, without a word to the client.
  void drop_tls() { tls_.reset(); }
  /// Null: plain.
  [[nodiscard]] TlsStream* tls() const { return tls_.get(); }

  /// Bytes read, 0 if there are none yet; nullopt: the client has closed, tidily or not.
  std::optional<std::size_t> read(std::span<char> into) {
    return tls_ ? tls_->read(into) : receive(into);
  }
  /// Bytes taken, 0 if the socket is full; nullopt: the connection is broken. What was not taken
  /// comes again, first and whole.
  std::optional<std::size_t> write(std::span<iovec> parts) {
    return tls_ ? tls_->write(parts) : send(parts);
  }

  /// Read again without waiting for the socket.
  [[nodiscard]] bool holds_input() const { return tls_ && tls_->holds_input(); }
  /// Reading goes on when the socket can be written to.
  [[nodiscard]] bool reading_waits_to_write() const { return tls_ && tls_->waits_to_write(); }

  /// Ends what we send, in TLS and in TCP. false: the socket is full, call again when it is not.
  bool end_sending();
  /// The goodbye of a tidy close, if the socket has room for it.
  void part() {
    if (tls_) tls_->close_notify();
  }

 private:
  std::optional<std::size_t> receive(std::span<char> into) const;
  [[nodiscard]] std::optional<std::size_t> send(std::span<iovec> parts) const;

  int socket_;
  std::unique_ptr<TlsStream> tls_;
};

}  // namespace turnpike::server
