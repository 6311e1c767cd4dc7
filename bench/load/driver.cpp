#include "driver.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace turnpike::load {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

}  // namespace

Driver::Driver(const Options& options)
    : options_(options),
      dice_(options.seed),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      agents_(static_cast<std::size_t>(std::max<std::int64_t>(options.concurrency, 1))) {
  if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  if (options.trace_file.empty()) return;
  trace_.open(options.trace_file);
  if (!trace_) throw std::invalid_argument("--trace: cannot write " + options.trace_file);
}

Driver::~Driver() {
  for (auto& agent : agents_) drop(agent);
  ::close(epoll_);
}

void Driver::run(const std::atomic<bool>& stop) {
  start_ = std::chrono::steady_clock::now();
  start_unix_us_ =
      duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  stop_starting_ = start_ + std::chrono::seconds{options_.seconds_max};
  const auto ramp = std::chrono::milliseconds{options_.ramp_ms};
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    agents_[i].begins =
        start_ + ramp * static_cast<std::int64_t>(i) / static_cast<std::int64_t>(agents_.size());
  }
  std::array<epoll_event, 512> events{};
  do {
    const auto now = std::chrono::steady_clock::now();
    if (stop) stop_starting_ = std::min(stop_starting_, now);
    check_time(now);
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 5);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      on_event(event.data.u64, event.events);
    }
  } while (open_ > 0 || may_start(std::chrono::steady_clock::now()));
}

bool Driver::may_start(Instant now) const {
  return totals_.requests < options_.requests_max && now < stop_starting_;
}

// Starts agents whose time has come; gives up on requests that take too long.
void Driver::check_time(Instant now) {
  const auto limit = std::chrono::seconds{options_.timeout_s};
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    auto& agent = agents_[i];
    if (agent.answer) {
      if (now - agent.started > limit) give_up(i, "no complete answer in time");
    } else if (agent.begins <= now && may_start(now)) {
      begin(i, now);
    }
  }
}

void Driver::begin(std::size_t index, Instant now) {
  auto& agent = agents_[index];
  if (!agent.conversation)
    agent.conversation = std::make_unique<Conversation>(options_, dice_, ++conversations_);
  if (agent.fd < 0 && !connect(index)) {
    ++totals_.requests;
    ++totals_.unreached;
    agent.conversation.reset();
    agent.begins = now + std::chrono::milliseconds{50};
    return;
  }
  ++totals_.requests;
  ++open_;
  totals_.streams += agent.conversation->streams() ? 1 : 0;
  agent.answer = std::make_unique<AnswerCheck>(agent.conversation->streams());
  agent.out = agent.conversation->request();
  agent.written = 0;
  agent.started = now;
  agent.saw_content = false;
  agent.first_us = -1;
  if (!write_some(agent)) give_up(index, "");
}

bool Driver::connect(std::size_t index) {
  auto& agent = agents_[index];
  agent.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (agent.fd < 0) return false;
  agent.fresh = true;
  const int on = 1;
  ::setsockopt(agent.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(options_.port);
  if (::inet_pton(AF_INET, options_.host.c_str(), &where.sin_addr) != 1)
    throw std::system_error(EINVAL, std::generic_category(), options_.host);
  const int done = ::connect(agent.fd, reinterpret_cast<sockaddr*>(&where), sizeof where);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = index;
  if ((done == 0 || errno == EINPROGRESS) &&
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, agent.fd, &event) == 0)
    return true;
  drop(agent);
  return false;
}

void Driver::on_event(std::size_t index, std::uint32_t events) {
  auto& agent = agents_[index];
  if (agent.fd < 0) return;
  if (!agent.answer) {  // an idle connection that the server closed
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) drop(agent);
    return;
  }
  if ((events & EPOLLOUT) != 0 && !write_some(agent)) return give_up(index, "");
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read_some(index);
}

bool Driver::write_some(Agent& agent) {
  while (agent.written < agent.out.size()) {
    const auto sent = ::send(agent.fd, agent.out.data() + agent.written,
                             agent.out.size() - agent.written, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == ENOTCONN;
    agent.written += static_cast<std::size_t>(sent);
  }
  return true;
}

void Driver::read_some(std::size_t index) {
  auto& agent = agents_[index];
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto got = ::recv(agent.fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      agent.answer->closed();
      // Nothing came at all: the server was not there, which is no fault of an answer.
      if (agent.fresh) return give_up(index, "");
      return finish(index, std::chrono::steady_clock::now());
    }
    agent.fresh = false;
    totals_.bytes += got;
    const auto now = std::chrono::steady_clock::now();
    const bool more = agent.answer->feed({buffer.data(), static_cast<std::size_t>(got)});
    note_content(index, now);
    const auto leave = agent.conversation->leave_after();
    if (more && leave >= 0 && agent.answer->content_events() >= leave &&
        agent.answer->status() != 0) {
      ++totals_.cancelled;
      trace(agent, now, "cancelled");
      --open_;
      agent.answer.reset();
      drop(agent);
      return next(index, now, false);
    }
    if (!more) return finish(index, now);
  }
}

void Driver::note_content(std::size_t index, Instant now) {
  auto& agent = agents_[index];
  if (agent.saw_content || !agent.answer->has_content() || !agent.conversation->streams()) return;
  agent.saw_content = true;
  agent.first_us = duration_cast<microseconds>(now - agent.started).count();
  totals_.first_token_us.push_back(agent.first_us);
}

void Driver::finish(std::size_t index, Instant now) {
  auto& agent = agents_[index];
  count(agent, now);
  --open_;
  const bool fine = agent.answer->fault().empty() && agent.answer->status() == 200 &&
                    !agent.answer->error_event();
  const bool goes_on = fine && agent.conversation->go_on(*agent.answer);
  if (fine && !goes_on && agent.conversation->was_loop()) ++totals_.loops_completed;
  if (!agent.answer->keep_alive() || !agent.answer->fault().empty()) drop(agent);
  agent.answer.reset();
  next(index, now, goes_on);
}

void Driver::count(Agent& agent, Instant now) {
  const auto& answer = *agent.answer;
  if (!answer.fault().empty()) {
    ++totals_.broken;
    ++totals_.broken_reasons[answer.fault()];
    trace(agent, now, "broken");
  } else if (answer.status() != 200) {
    ++totals_.refused[answer.status()];
    trace(agent, now, "refused " + std::to_string(answer.status()));
  } else if (answer.error_event()) {
    ++totals_.error_events;
    trace(agent, now, "error_event");
  } else {
    ++totals_.completed;
    trace(agent, now, "completed");
    totals_.without_usage += answer.without_usage() ? 1 : 0;
    totals_.tool_calls += static_cast<std::int64_t>(answer.calls().size());
    totals_.total_us.push_back(duration_cast<microseconds>(now - agent.started).count());
  }
}

void Driver::give_up(std::size_t index, const std::string& why) {
  auto& agent = agents_[index];
  if (why.empty()) {
    ++totals_.unreached;
  } else {
    ++totals_.broken;
    ++totals_.broken_reasons[why];
  }
  const auto now = std::chrono::steady_clock::now();
  trace(agent, now, why.empty() ? "unreached" : "broken");
  --open_;
  agent.answer.reset();
  drop(agent);
  next(index, now, false);
  agent.begins = now + std::chrono::milliseconds{50};
}

void Driver::trace(const Agent& agent, Instant now, std::string_view outcome) {
  if (!trace_.is_open()) return;
  const auto begun = duration_cast<microseconds>(agent.started - start_).count();
  trace_ << start_unix_us_ + begun << '\t'
         << duration_cast<microseconds>(now - agent.started).count() << '\t' << agent.first_us
         << '\t' << outcome << '\n';
}

void Driver::drop(Agent& agent) {
  if (agent.fd >= 0) ::close(agent.fd);
  agent.fd = -1;
}

// Not at once but from the loop: a long run of refusals must not become a recursion.
void Driver::next(std::size_t index, Instant now, bool same_conversation) {
  auto& agent = agents_[index];
  if (!same_conversation) agent.conversation.reset();
  agent.begins = now;
}

}  // namespace turnpike::load
