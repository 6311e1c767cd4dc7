#include "upstream/curl_loop.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <system_error>
#include <utility>

#include "upstream/curl_call.hpp"

namespace turnpike::upstream {

namespace {

constexpr std::size_t buffers_kept_max = 16;
constexpr std::size_t buffer_bytes_kept_max = std::size_t{128} * 1024;
constexpr std::chrono::seconds unused_multi_kept{
    120};  // just above libcurl's own limit for idle connections
constexpr std::size_t events_per_wait = 64;
constexpr int waits_per_wake = 4;  // then the clients' side of the loop has its turn

std::uint64_t event_tag(std::uint32_t slot, curl_socket_t socket) {
  return (static_cast<std::uint64_t>(slot) << 32) | static_cast<std::uint32_t>(socket);
}

int new_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw std::system_error{errno, std::generic_category(), "epoll_create1"};
  return descriptor;
}

}  // namespace

CurlLoop::CurlLoop(asio::io_context& loop, const Clock& clock, CurlLimits limits)
    : io_(loop), clock_(clock), limits_(limits), epoll_(loop, new_epoll()), timer_(loop) {}

CurlLoop::~CurlLoop() = default;

void CurlLoop::open() { watch(); }

void CurlLoop::shut_down() {
  if (std::exchange(shut_, true)) return;
  while (!calls_.empty()) calls_.back()->abandon();  // which takes it out of calls_
  dirty_.clear();
  batch_.clear();
  touched_.clear();
  multis_.clear();
  trusts_.clear();
  boost::system::error_code ignored;
  epoll_.close(ignored);
  timer_.cancel();
}

// ---- ways in ----

void CurlLoop::watch() {
  epoll_.async_wait(asio::posix::stream_descriptor::wait_read,
                    [weak = weak_from_this()](const boost::system::error_code& failed) {
                      const auto self = weak.lock();
                      if (!self || self->shut_ || failed == asio::error::operation_aborted) return;
                      self->on_ready();
                    });
}

void CurlLoop::on_ready() {
  driving_ = true;
  handle_events();
  drain();
  if (!shut_) watch();
}

void CurlLoop::handle_events() {
  std::array<epoll_event, events_per_wait> events;
  for (int round = 0; round < waits_per_wake; ++round) {
    const int count = ::epoll_wait(epoll_.native_handle(), events.data(), events.size(), 0);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto* multi = multis_[event.data.u64 >> 32].get();
      int ready = 0;
      if ((event.events & EPOLLIN) != 0) ready |= CURL_CSELECT_IN;
      if ((event.events & EPOLLOUT) != 0) ready |= CURL_CSELECT_OUT;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) ready |= CURL_CSELECT_ERR;
      act(*multi, static_cast<curl_socket_t>(event.data.u64 & 0xffffffff), ready);
    }
    if (std::cmp_less(count, events.size())) return;
  }
}

void CurlLoop::act(Multi& multi, curl_socket_t socket, int events) {
  int running = 0;
  curl_multi_socket_action(multi.curl.get(), socket, events, &running);
  if (!std::exchange(multi.touched, true)) touched_.push_back(&multi);
}

void CurlLoop::kick_soon() {
  if (driving_ || shut_ || std::exchange(kick_posted_, true)) return;
  asio::post(io_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->shut_) self->on_kick();
  });
}

void CurlLoop::on_kick() {
  kick_posted_ = false;
  kick_wanted_ = false;
  driving_ = true;
  // By index: a new multi may come while libcurl's callbacks run.
  for (std::size_t i = 0; i < multis_.size(); ++i) {
    auto* multi = multis_[i].get();
    if (multi != nullptr && std::exchange(multi->kicked, false))
      act(*multi, CURL_SOCKET_TIMEOUT, 0);
  }
  drain();
}

void CurlLoop::call_back_after(std::chrono::milliseconds delay) {
  const auto due = now() + delay;
  if (due >= timer_due_) return;  // the timer that is set comes first and looks again
  timer_due_ = due;
  timer_.expires_after(delay);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
    const auto self = weak.lock();
    if (!self || self->shut_ || failed == asio::error::operation_aborted) return;
    self->on_timer();
  });
}

// libcurl says a new time only when it changes, so the shortest is asked for again whenever the
// timer has fired.
void CurlLoop::on_timer() {
  timer_due_ = Monotonic::max();
  driving_ = true;
  for (std::size_t i = 0; i < multis_.size(); ++i) {
    if (!multis_[i]) continue;
    long left_ms = -1;
    curl_multi_timeout(multis_[i]->curl.get(), &left_ms);
    if (left_ms == 0) {
      act(*multis_[i], CURL_SOCKET_TIMEOUT, 0);
      curl_multi_timeout(multis_[i]->curl.get(), &left_ms);
    }
    if (left_ms >= 0) call_back_after(std::chrono::milliseconds{std::max(left_ms, 1L)});
  }
  drain();
}

// ---- the way out ----

void CurlLoop::drain() {
  driving_ = true;
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    touched_[i]->touched = false;
    read_messages(*touched_[i]);
  }
  touched_.clear();
  const auto instant = now();
  batch_.swap(dirty_);
  for (std::size_t i = 0; i < batch_.size() && !shut_; ++i) {
    const auto call = batch_[i];
    call->deliver(instant);
  }
  batch_.clear();
  driving_ = false;
  if (!dirty_.empty() || kick_wanted_) kick_soon();
}

void CurlLoop::read_messages(Multi& multi) {
  int left = 0;
  while (const auto* message = curl_multi_info_read(multi.curl.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto code = message->data.result;  // the message dies with the handle's removal
    char* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    reinterpret_cast<Call*>(owner)->on_done(code);
  }
}

void CurlLoop::mark(std::shared_ptr<Call> call) {
  if (shut_) return;
  dirty_.push_back(std::move(call));
  kick_soon();
}

// ---- libcurl's callbacks ----

// Never fails: libcurl would drop all transfers of the multi.
int CurlLoop::on_socket(CURL* /*easy*/, curl_socket_t socket, int what, void* multi, void* known) {
  auto& pool = *static_cast<Multi*>(multi);
  const int set = pool.loop->epoll_.native_handle();
  if (what == CURL_POLL_REMOVE) {
    ::epoll_ctl(set, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.data.u64 = event_tag(pool.slot, socket);
  if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
  if (known != nullptr) {
    ::epoll_ctl(set, EPOLL_CTL_MOD, socket, &event);
    return 0;
  }
  if (::epoll_ctl(set, EPOLL_CTL_ADD, socket, &event) != 0) {
    ::epoll_ctl(set, EPOLL_CTL_MOD, socket, &event);
  }
  curl_multi_assign(pool.curl.get(), socket, &pool);
  return 0;
}

int CurlLoop::on_timer_change(CURLM* /*curl*/, long timeout_ms, void* multi) {
  auto& pool = *static_cast<Multi*>(multi);
  pool.kicked = timeout_ms == 0;
  if (timeout_ms == 0) {
    pool.loop->kick_wanted_ = true;
    pool.loop->kick_soon();
  }
  if (timeout_ms > 0) pool.loop->call_back_after(std::chrono::milliseconds{timeout_ms});
  return 0;
}

// ---- calls, multis, trust ----

void CurlLoop::attach(Call& call) {
  auto& multi = multi_for(trust_for(call.request_.endpoint->ca_file));
  call.multi_ = &multi;
  call.handle_ = multi.trust->take();
  call.prepare();
  call.slot_ = calls_.size();
  calls_.push_back(&call);
  ++multi.active;
  if (curl_multi_add_handle(multi.curl.get(), call.handle_->easy.get()) != CURLM_OK) {
    call.on_done(CURLE_FAILED_INIT);
  }
}

void CurlLoop::detach(Call& call) {
  auto& multi = *std::exchange(call.multi_, nullptr);
  CURL* easy = call.handle_->easy.get();
  curl_multi_remove_handle(multi.curl.get(), easy);
  --multi.active;
  multi.last_used = now();
  // The pooled handle keeps no pointer into the call.
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, nullptr);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, nullptr);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, nullptr);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, nullptr);
  multi.trust->give_back(std::move(call.handle_));
  calls_[call.slot_] = calls_.back();
  calls_[call.slot_]->slot_ = call.slot_;
  calls_.pop_back();
}

Multi& CurlLoop::multi_for(TrustDomain& trust) {
  for (const auto& multi : multis_) {
    if (multi && multi->trust == &trust && multi->active < limits_.active_per_multi_max) {
      return *multi;
    }
  }
  return add_multi(trust);
}

Multi& CurlLoop::add_multi(TrustDomain& trust) {
  auto fresh = std::make_unique<Multi>();
  fresh->loop = this;
  fresh->trust = &trust;
  fresh->last_used = now();
  fresh->curl.reset(curl_multi_init());
  if (!fresh->curl) throw std::bad_alloc{};
  auto* curl = fresh->curl.get();
  curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, &CurlLoop::on_socket);
  curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, fresh.get());
  curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, &CurlLoop::on_timer_change);
  curl_multi_setopt(curl, CURLMOPT_TIMERDATA, fresh.get());
  // The default follows the number of easy handles of the moment and would close keep-alive
  // connections.
  curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS,
                    static_cast<long>(limits_.connections_per_multi_max));
  const auto free_slot = std::ranges::find_if(multis_, [](const auto& multi) { return !multi; });
  fresh->slot = static_cast<std::uint32_t>(free_slot - multis_.begin());
  if (free_slot != multis_.end()) {
    *free_slot = std::move(fresh);
    return **free_slot;
  }
  return *multis_.emplace_back(std::move(fresh));
}

TrustDomain& CurlLoop::trust_for(const std::string& ca_file) {
  for (const auto& trust : trusts_) {
    if (trust->configured_ca_file() == ca_file) return *trust;
  }
  return *trusts_.emplace_back(std::make_unique<TrustDomain>(ca_file, limits_));
}

void CurlLoop::on_tick(Monotonic now) {
  // Backwards: a call that ends is replaced by the last one, which has been looked at.
  for (std::size_t i = calls_.size(); i-- > 0;) calls_[i]->check_deadlines(now);
  close_unused(now);
}

void CurlLoop::close_unused(Monotonic now) {
  for (auto& multi : multis_) {
    if (multi && multi->active == 0 && now - multi->last_used >= unused_multi_kept) multi.reset();
  }
}

// ---- buffers ----

std::string CurlLoop::take_buffer() {
  if (buffers_.empty()) return {};
  auto buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void CurlLoop::give_buffer(std::string buffer) {
  if (buffers_.size() >= buffers_kept_max || buffer.capacity() > buffer_bytes_kept_max) return;
  buffer.clear();
  buffers_.push_back(std::move(buffer));
}

}  // namespace turnpike::upstream
