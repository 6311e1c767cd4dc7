#include "server/out_queue.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <optional>

namespace turnpike::server {

namespace {

/// Bytes the socket took, 0 if it is full; nullopt if the connection is broken.
std::optional<std::size_t> send_parts(int socket, iovec* parts, std::size_t count) {
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  for (;;) {
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return 0;
    if (errno != EINTR) return std::nullopt;
  }
}

iovec part_of(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // sendmsg only reads
}

}  // namespace

bool OutQueue::write(int socket, std::initializer_list<std::string_view> parts) {
  assert(parts.size() <= parts_max);
  std::size_t sent = 0;
  if (empty()) {
    std::array<iovec, parts_max> gathered{};
    std::size_t count = 0;
    for (const auto part : parts) {
      if (!part.empty()) gathered[count++] = part_of(part);
    }
    const auto taken = send_parts(socket, gathered.data(), count);
    if (!taken) return false;
    sent = *taken;
  }
  enqueue(parts, sent);
  return true;
}

void OutQueue::enqueue(std::initializer_list<std::string_view> parts, std::size_t skip) {
  for (auto part : parts) {
    const auto sent = std::min(skip, part.size());
    part.remove_prefix(sent);
    skip -= sent;
    if (!part.empty()) bytes_.append(part);
  }
}

bool OutQueue::flush(int socket) {
  iovec rest = part_of(std::string_view{bytes_}.substr(begin_));
  const auto taken = send_parts(socket, &rest, 1);
  if (!taken) return false;
  begin_ += *taken;
  if (empty()) {
    clear();
  } else if (begin_ > bytes_.size() / 2) {
    bytes_.erase(0, begin_);  // each byte moves at most once for every byte sent
    begin_ = 0;
  }
  return true;
}

void OutQueue::clear() {
  std::string{}.swap(bytes_);  // a stream that flows needs no buffer
  begin_ = 0;
}

}  // namespace turnpike::server
