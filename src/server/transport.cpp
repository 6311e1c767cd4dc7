#include "server/transport.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace turnpike::server {

bool Transport::secure(const TlsContext& context) {
  tls_ = TlsStream::over(socket_, context);
  return tls_ != nullptr;
}

bool Transport::end_sending() {
  if (tls_ && !tls_->close_notify()) return false;
  ::shutdown(socket_, SHUT_WR);
  return true;
}

std::optional<std::size_t> Transport::receive(std::span<char> into) const {
  for (;;) {
    const ssize_t got = ::recv(socket_, into.data(), into.size(), MSG_DONTWAIT);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return std::nullopt;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return std::nullopt;
  }
}

std::optional<std::size_t> Transport::send(std::span<iovec> parts) const {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  for (;;) {
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return 0;
    if (errno != EINTR) return std::nullopt;
  }
}

}  // namespace turnpike::server
