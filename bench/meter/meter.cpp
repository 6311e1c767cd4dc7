#include "meter.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace turnpike::meter {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
// Connections of one source address; beyond them 127.0.0.2 and so on, or the ports would run out.
constexpr std::size_t connections_per_source = 20'000;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Meter::Meter(const Options& options, RequestMaker& requests)
    : options_(options),
      requests_(requests),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      connections_(static_cast<std::size_t>(options.connections)) {
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  where_.sin_family = AF_INET;
  where_.sin_port = htons(options.port);
  if (::inet_pton(AF_INET, options.host.c_str(), &where_.sin_addr) != 1)
    throw std::invalid_argument("--url wants a numeric IPv4 address, not " + options.host);
  for (std::size_t i = connections_.size(); i > 0; --i) free_.push_back(i - 1);
}

Meter::~Meter() {
  for (auto& connection : connections_) drop(connection);
  ::close(epoll_);
}

Figures Meter::run(std::int64_t count) {
  figures_ = {};
  to_send_ = count;
  sent_ = 0;
  began_ns_ = progress_ns_ = now_ns();
  while (figures_.answered + figures_.lost < to_send_) {
    poll(send_due());
    const bool late =
        options_.seconds_max > 0 && now_ns() - began_ns_ > options_.seconds_max * second_ns;
    if (late) to_send_ = sent_;
    if (now_ns() - progress_ns_ < options_.timeout_s * second_ns) continue;
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      if (connections_[i].busy && !connections_[i].held) lose(i, "no progress in time");
    }
    figures_.lost += to_send_ - sent_;
    break;
  }
  figures_.seconds = static_cast<double>(now_ns() - began_ns_) / second_ns;
  to_send_ = sent_ = 0;
  return std::move(figures_);
}

std::int64_t Meter::send_due() {
  const bool paced = options_.rate > 0;
  while (sent_ < to_send_ && !free_.empty()) {
    auto due = now_ns();
    if (paced) {
      const auto at = began_ns_ + static_cast<std::int64_t>(static_cast<double>(sent_) * second_ns /
                                                            options_.rate);
      if (at > due) return at - due;
      due = at;
    }
    const auto index = free_.back();
    free_.pop_back();
    ++sent_;
    if (connections_[index].descriptor < 0 && !dial(index)) {
      lose(index, "no connection");
    } else {
      send(index, requests_.next(), due, options_.stream);
    }
  }
  return second_ns / 5;
}

void Meter::open_streams(std::int64_t count) {
  const auto begun = now_ns();
  const auto last_call = begun + (count / options_.hold_rate + 1 + options_.timeout_s) * second_ns;
  std::int64_t opened = 0;
  while (now_ns() < last_call && (opened < count || held_open() + held_lost_ < count)) {
    const auto due =
        std::min<std::int64_t>(count, (now_ns() - begun) * options_.hold_rate / second_ns + 1);
    for (; opened < due; ++opened) {
      const auto index = connections_.size();
      auto& connection = connections_.emplace_back();
      connection.held = true;
      if (dial(index)) {
        send(index, requests_.held(), now_ns(), true);
      } else {
        lose(index, "no connection");
      }
    }
    poll(second_ns / 200);
  }
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    const auto& connection = connections_[i];
    if (connection.held && connection.busy && connection.answer.events() == 0)
      lose(i, "said nothing");
  }
}

void Meter::rest(std::int64_t milliseconds) {
  const auto end = now_ns() + milliseconds * 1'000'000;
  for (auto now = now_ns(); now < end; now = now_ns()) poll(end - now);
}

std::int64_t Meter::held_open() const {
  return std::count_if(connections_.begin(), connections_.end(), [](const Connection& connection) {
    return connection.held && connection.busy && connection.answer.events() > 0;
  });
}

bool Meter::dial(std::size_t index) {
  auto& connection = connections_[index];
  connection.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection.descriptor < 0) return false;
  const int on = 1;
  ::setsockopt(connection.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (index >= connections_per_source) {
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(static_cast<std::uint32_t>(INADDR_LOOPBACK) +
                                   static_cast<std::uint32_t>(index / connections_per_source));
    ::setsockopt(connection.descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    ::bind(connection.descriptor, reinterpret_cast<sockaddr*>(&source), sizeof source);
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  const int done =
      ::connect(connection.descriptor, reinterpret_cast<sockaddr*>(&where_), sizeof where_);
  if ((done != 0 && errno != EINPROGRESS) ||
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor, &event) != 0) {
    drop(connection);
    return false;
  }
  return true;
}

void Meter::send(std::size_t index, std::string request, std::int64_t begun_ns, bool stream) {
  auto& connection = connections_[index];
  connection.out = std::move(request);
  connection.written = 0;
  connection.busy = true;
  connection.begun_ns = begun_ns;
  connection.first_piece_ns = connection.first_event_ns = 0;
  connection.answer.begin(stream);
  write_some(index);
}

void Meter::write_some(std::size_t index) {
  auto& connection = connections_[index];
  while (connection.written < connection.out.size()) {
    const auto sent = ::send(connection.descriptor, connection.out.data() + connection.written,
                             connection.out.size() - connection.written, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == ENOTCONN) return want_room(index, true);
      return lose(index, std::strerror(errno));
    }
    connection.written += static_cast<std::size_t>(sent);
  }
  if (connection.held) connection.out = {};
  want_room(index, false);
}

void Meter::want_room(std::size_t index, bool wanted) {
  auto& connection = connections_[index];
  if (connection.waits_for_room == wanted) return;
  connection.waits_for_room = wanted;
  epoll_event event{};
  event.events = EPOLLIN | (wanted ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  event.data.u64 = index;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor, &event);
}

void Meter::poll(std::int64_t wait_ns) {
  std::array<epoll_event, 512> events{};
  const timespec limit{static_cast<time_t>(wait_ns / second_ns),
                       static_cast<long>(wait_ns % second_ns)};
  const int count =
      ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    const auto index = static_cast<std::size_t>(event.data.u64);
    if ((event.events & EPOLLOUT) != 0) write_some(index);
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_some(index);
  }
}

void Meter::read_some(std::size_t index) {
  static std::array<char, 262'144> buffer;
  auto& connection = connections_[index];
  while (connection.descriptor >= 0) {
    const auto got = ::recv(connection.descriptor, buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      if (connection.busy) return lose(index, got == 0 ? "closed too early" : std::strerror(errno));
      return drop(connection);  // the server ended an idle connection
    }
    if (!connection.busy) return drop(connection);
    const auto now = progress_ns_ = now_ns();
    const std::string_view bytes{buffer.data(), static_cast<std::size_t>(got)};
    const auto state = connection.answer.feed(bytes, now, figures_.under_way_ns);
    note_first(connection, now);
    if (state == AnswerReader::State::broken) return lose(index, "malformed answer");
    if (state == AnswerReader::State::whole) return finish(index, now);
    if (std::cmp_less(got, buffer.size())) return;
  }
}

void Meter::note_first(Connection& connection, std::int64_t now_ns) {
  const auto& answer = connection.answer;
  if (connection.first_piece_ns == 0 && answer.stamped() > 0) connection.first_piece_ns = now_ns;
  if (connection.first_event_ns == 0 && answer.events() > 0) connection.first_event_ns = now_ns;
}

void Meter::finish(std::size_t index, std::int64_t now_ns) {
  auto& connection = connections_[index];
  const auto& answer = connection.answer;
  if (!answer.good()) return lose(index, "status " + std::to_string(answer.status()));
  if (connection.held) return lose(index, "a held stream ended");
  connection.busy = false;
  ++figures_.answered;
  figures_.events += answer.events();
  figures_.pieces += answer.stamped();
  figures_.latency_ns.push_back(now_ns - connection.begun_ns);
  // Of a foreign provider no event is stamped; the first one it sends may be an empty opening.
  const auto first =
      connection.first_piece_ns > 0 ? connection.first_piece_ns : connection.first_event_ns;
  if (first > 0) figures_.first_event_ns.push_back(first - connection.begun_ns);
  if (answer.closes()) drop(connection);
  free_.push_back(index);
}

void Meter::lose(std::size_t index, const std::string& reason) {
  auto& connection = connections_[index];
  drop(connection);
  connection.busy = false;
  if (connection.held) {
    ++held_lost_;
    ++held_reasons_[reason];
    return;
  }
  ++figures_.lost;
  ++figures_.reasons[reason];
  progress_ns_ = now_ns();
  free_.push_back(index);
}

void Meter::drop(Connection& connection) {
  if (connection.descriptor >= 0) ::close(connection.descriptor);
  connection.descriptor = -1;
  connection.waits_for_room = false;
}

}  // namespace turnpike::meter
