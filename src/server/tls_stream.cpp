#include "server/tls_stream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace turnpike::server {

namespace {

constexpr std::size_t record_bytes_max = SSL3_RT_MAX_PLAIN_LENGTH;
/// Decrypted in one turn at most, so that a fast sender does not keep the loop from its others.
constexpr std::size_t read_bytes_max = std::size_t{256} * 1024;

/// Parts of at most one record in one piece: a head, a chunk's size and its bytes leave as one
/// record, not four. Returns the parts themselves if there is only one.
class Gathered {
 public:
  explicit Gathered(std::span<const iovec> parts) : parts_(parts) {}

  /// The next piece, at most a record long; empty at the end. Valid until the next call.
  std::span<const char> next() {
    skip_used();
    if (parts_.empty()) return {};
    const auto first = rest_of(parts_.front());
    if (parts_.size() == 1 || first.size() >= record_bytes_max) {
      used_ += std::min(first.size(), record_bytes_max);
      return first.first(std::min(first.size(), record_bytes_max));
    }
    std::size_t filled = 0;
    while (!parts_.empty() && filled < record_bytes_max) {
      const auto part = rest_of(parts_.front());
      const auto take = std::min(part.size(), record_bytes_max - filled);
      if (take > 0) std::memcpy(buffer().data() + filled, part.data(), take);
      filled += take;
      used_ += take;
      skip_used();
    }
    return std::span{buffer()}.first(filled);
  }

 private:
  /// One per thread: no connection needs it between two calls.
  static std::array<char, record_bytes_max>& buffer() {
    thread_local std::array<char, record_bytes_max> bytes;
    return bytes;
  }
  [[nodiscard]] std::span<const char> rest_of(const iovec& part) const {
    return std::span{static_cast<const char*>(part.iov_base), part.iov_len}.subspan(used_);
  }
  void skip_used() {
    while (!parts_.empty() && used_ == parts_.front().iov_len) {
      parts_ = parts_.subspan(1);
      used_ = 0;
    }
  }

  std::span<const iovec> parts_;
  std::size_t used_ = 0;  // of the first part
};

}  // namespace

std::unique_ptr<TlsStream> TlsStream::over(int socket, const TlsContext& context) {
  SSL* connection = context.new_connection();
  if (connection == nullptr) return nullptr;
  std::unique_ptr<TlsStream> stream{new TlsStream{connection}};
  return SSL_set_fd(connection, socket) == 1 ? std::move(stream) : nullptr;
}

TlsStream::~TlsStream() { SSL_free(connection_); }

Handshake TlsStream::handshake() {
  ERR_clear_error();  // other users of OpenSSL on this thread leave theirs behind
  const int result = SSL_do_handshake(connection_);
  if (result == 1) {
    usable_ = true;
    waits_to_write_ = false;
    holds_input_ = true;  // the request may have come with the client's last flight
    return Handshake::done;
  }
  const int why = SSL_get_error(connection_, result);
  waits_to_write_ = why == SSL_ERROR_WANT_WRITE;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return Handshake::again;
  const int reason = ERR_GET_REASON(ERR_peek_error());
  ERR_clear_error();
  return reason == SSL_R_HTTP_REQUEST ? Handshake::plain_http : Handshake::failed;
}

bool TlsStream::resumed() const { return SSL_session_reused(connection_) == 1; }

std::optional<std::size_t> TlsStream::read(std::span<char> into) {
  into = into.first(std::min(into.size(), read_bytes_max));
  std::size_t filled = 0;
  holds_input_ = false;
  waits_to_write_ = false;
  while (filled < into.size()) {
    ERR_clear_error();
    std::size_t got = 0;
    const int result = SSL_read_ex(connection_, into.data() + filled, into.size() - filled, &got);
    if (result == 1) {
      filled += got;
      if (SSL_has_pending(connection_) == 0) return filled;
      continue;
    }
    const int why = SSL_get_error(connection_, result);
    waits_to_write_ = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return filled;
    if (why != SSL_ERROR_ZERO_RETURN) usable_ = false;
    ERR_clear_error();
    holds_input_ = true;  // the end, to be seen by the next call
    return filled > 0 ? std::optional{filled} : std::nullopt;
  }
  holds_input_ = true;
  return filled;
}

std::optional<std::size_t> TlsStream::write(std::span<const iovec> parts) {
  Gathered gathered{parts};
  std::size_t written = 0;
  for (auto piece = gathered.next(); !piece.empty(); piece = gathered.next()) {
    const auto taken = write_record(piece);
    if (!taken) return std::nullopt;
    written += *taken;
    if (*taken < piece.size()) break;
  }
  return written;
}

std::optional<std::size_t> TlsStream::write_record(std::span<const char> bytes) {
  ERR_clear_error();
  std::size_t taken = 0;
  const int result = SSL_write_ex(connection_, bytes.data(), bytes.size(), &taken);
  if (result == 1) return taken;
  const int why = SSL_get_error(connection_, result);
  // WANT_READ is not waited for: it takes a peer that has sent half a message of its own (a key update), and a socket
  // that can be written all the time would wake the loop without end.
  if (why == SSL_ERROR_WANT_WRITE) return 0;
  ERR_clear_error();
  usable_ = false;
  return std::nullopt;
}

bool TlsStream::close_notify() {
  if (!usable_) return true;
  ERR_clear_error();
  const int result = SSL_shutdown(connection_);
  if (result < 0 && SSL_get_error(connection_, result) == SSL_ERROR_WANT_WRITE) return false;
  ERR_clear_error();
  usable_ = false;
  return true;
}

}  // namespace turnpike::server
