// TLS over one non-blocking socket, the server's end. It waits for nothing: a call does what the
// socket allows, and says what to wait for.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "server/tls_context.hpp"

namespace turnpike::server {

/// again: wait for the socket (TlsStream::waits_to_write() says for what) and call again.
/// plain_http: the client speaks HTTP without TLS; it can be told so in HTTP.
enum class Handshake : std::uint8_t { done, again, failed, plain_http };

class TlsStream {
 public:
  /// Null: out of memory. The socket stays the caller's.
  static std::unique_ptr<TlsStream> over(int socket, const TlsContext& context);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Handshake handshake();
  /// The session of an earlier connection was taken up. After the handshake.
  [[nodiscard]] bool resumed() const;

  /// As much as there is and `into` holds. 0: none yet. nullopt: the client has closed, tidily or
  /// not; for a request it makes no difference, since its own framing tells whether it is whole.
  std::optional<std::size_t> read(std::span<char> into);
  /// Bytes taken, 0 if the socket is full; nullopt: the connection is broken. Bytes that were not
  /// taken must come again, first and at least as many.
  std::optional<std::size_t> write(std::span<const iovec> parts);
  /// close_notify, the tidy end of what we send. false: the socket is full, call again.
  bool close_notify();

  /// Decrypted bytes may be waiting here while the socket has none: read without waiting.
  [[nodiscard]] bool holds_input() const { return holds_input_; }
  /// The handshake or a read goes on when the socket can be written to.
  [[nodiscard]] bool waits_to_write() const { return waits_to_write_; }

 private:
  explicit TlsStream(ssl_st* connection) : connection_(connection) {}
  std::optional<std::size_t> write_record(std::span<const char> bytes);

  ssl_st* connection_;
  bool holds_input_ = false;
  bool waits_to_write_ = false;
  bool usable_ = false;  // after the handshake, before any fatal error: close_notify makes sense
};

}  // namespace turnpike::server
