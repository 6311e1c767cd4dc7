#include "server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace turnpike::simulator {
namespace {

constexpr std::size_t out_bytes_max = 262'144;
constexpr std::uint64_t listener_id = 0;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Instant now_instant() { return std::chrono::steady_clock::now(); }

}  // namespace

Server::Server(const std::string& address, std::uint16_t port, Handler& handler)
    : handler_(handler) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener_ < 0) fail("socket");
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1) fail("address");
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) fail("bind");
  if (::listen(listener_, 4096) != 0) fail("listen");
  socklen_t size = sizeof where;
  if (::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size) != 0)
    fail("getsockname");
  port_ = ntohs(where.sin_port);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) fail("epoll_create1");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = listener_id;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) fail("epoll_ctl");
}

Server::~Server() {
  while (!connections_.empty()) close(connections_.begin()->first, true, false);
  if (epoll_ >= 0) ::close(epoll_);
  if (listener_ >= 0) ::close(listener_);
}

void Server::run(const std::atomic<bool>& stop) {
  std::array<epoll_event, 512> events{};
  while (!stop) {
    const auto wait = wait_ns(now_instant());
    const timespec limit{static_cast<time_t>(wait / 1'000'000'000),
                         static_cast<long>(wait % 1'000'000'000)};
    const int count =
        ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == listener_id) {
        accept_all();
      } else {
        on_event(event.data.u64, event.events);
      }
    }
    wake_due(now_instant());
  }
}

void Server::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<Connection>();
    connection->fd = fd;
    connection->id = next_id_++;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.u64 = connection->id;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
      ::close(fd);
      continue;
    }
    connections_.emplace(connection->id, std::move(connection));
  }
}

void Server::on_event(std::uint64_t id, std::uint32_t events) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  auto& connection = *at->second;
  // A client that closes its half while an answer is due has left: no HTTP client half-closes on
  // purpose.
  const bool hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (!read_some(connection) || (hung_up && connection.reply)) {
    close(id, true, false);
    return;
  }
  if (!advance(connection, now_instant())) return;
  if (hung_up) close(id, true, false);
}

bool Server::read_some(Connection& connection) {
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto got = ::recv(connection.fd, buffer.data(), buffer.size(), 0);
    if (got > 0) {
      connection.in.append(buffer.data(), static_cast<std::size_t>(got));
      if (static_cast<std::size_t>(got) < buffer.size()) return true;
      continue;
    }
    if (got == 0) return !connection.reply && !connection.in.empty();
    return errno == EAGAIN || errno == EINTR;
  }
}

bool Server::advance(Connection& connection, Instant now) {
  const auto id = connection.id;
  for (;;) {
    if (!flush(connection)) {
      close(id, true, false);
      return false;
    }
    if (!connection.out.empty()) break;  // the socket is full
    if (connection.close_after) {
      close(id, false, connection.next.then == Reply::Then::reset);
      return false;
    }
    if (!connection.reply && !next_request(connection, now)) return connections_.contains(id);
    if (connection.reply && !pump(connection, now)) break;
  }
  watch(connection);
  return true;
}

// False when there is nothing to do until more bytes come (or the connection was closed).
bool Server::next_request(Connection& connection, Instant now) {
  auto progress = connection.reader.read(connection.in);
  if (progress == RequestReader::Progress::send_continue) {
    connection.out += "HTTP/1.1 100 Continue\r\n\r\n";
    flush(connection);
    progress = connection.reader.read(connection.in);
  }
  if (progress == RequestReader::Progress::bad) {
    connection.out += response_head(400, {{"Content-Length", "0"}, {"Connection", "close"}});
    connection.close_after = true;
    return true;
  }
  if (progress != RequestReader::Progress::complete) {
    watch(connection);
    return false;
  }
  const auto request = connection.reader.take();
  connection.reply = handler_.handle(request, now);
  connection.next = {Reply::Then::more, now};
  return true;
}

// False when the reply waits for its time.
bool Server::pump(Connection& connection, Instant now) {
  if (connection.next.then == Reply::Then::at && connection.next.when > now) return false;
  do {
    connection.next = connection.reply->pump(now, connection.out);
  } while (connection.next.then == Reply::Then::more && connection.out.size() < out_bytes_max);
  switch (connection.next.then) {
    case Reply::Then::at:
      wakes_.push({connection.next.when, connection.id});
      if (!connection.out.empty()) return true;  // write first, then wait
      return false;
    case Reply::Then::finished:
      connection.reply.reset();
      return true;
    case Reply::Then::close:
    case Reply::Then::reset:
      connection.reply.reset();
      connection.close_after = true;
      return true;
    case Reply::Then::more:
    case Reply::Then::flushed:
      return true;
  }
  return true;
}

bool Server::flush(Connection& connection) {
  while (connection.written < connection.out.size()) {
    const auto sent = ::send(connection.fd, connection.out.data() + connection.written,
                             connection.out.size() - connection.written, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN;
    }
    connection.written += static_cast<std::size_t>(sent);
  }
  connection.out.clear();
  connection.written = 0;
  return true;
}

void Server::watch(Connection& connection) {
  const bool wants_room = !connection.out.empty();
  if (wants_room == connection.waits_for_room) return;
  connection.waits_for_room = wants_room;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | (wants_room ? EPOLLOUT : 0U);
  event.data.u64 = connection.id;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

void Server::close(std::uint64_t id, bool gone, bool reset) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  auto connection = std::move(at->second);
  connections_.erase(at);
  if (gone && connection->reply) connection->reply->client_gone(now_instant());
  if (reset) {
    const linger now{1, 0};
    ::setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  ::close(connection->fd);
}

void Server::wake_due(Instant now) {
  while (!wakes_.empty() && wakes_.top().when <= now) {
    const auto id = wakes_.top().id;
    wakes_.pop();
    if (const auto at = connections_.find(id); at != connections_.end()) advance(*at->second, now);
  }
}

std::int64_t Server::wait_ns(Instant now) const {
  constexpr std::int64_t longest = 200'000'000;  // so that a stop request is noticed
  if (wakes_.empty()) return longest;
  const auto due =
      std::chrono::duration_cast<std::chrono::nanoseconds>(wakes_.top().when - now).count();
  return std::clamp<std::int64_t>(due, 0, longest);
}

}  // namespace turnpike::simulator
