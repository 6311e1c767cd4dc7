#include "server/event_loop.hpp"

#include <exception>
#include <typeinfo>

#include "turnpike/log.hpp"

namespace turnpike::server {

EventLoop::EventLoop(const Clock& clock, std::chrono::milliseconds tick_interval)
    : clock_(clock),
      tick_interval_(tick_interval),
      scratch_(std::make_unique_for_overwrite<char[]>(scratch_bytes)) {
  last_tick_ns_.store(clock_.monotonic().time_since_epoch().count(), std::memory_order_relaxed);
}

EventLoop::~EventLoop() {
  stop();
  join();
}

void EventLoop::start() {
  arm_tick();
  running_.store(true);
  thread_ = std::thread{[this] { run(); }};
}

void EventLoop::stop() { context_.stop(); }

void EventLoop::join() {
  if (thread_.joinable()) thread_.join();
  running_.store(false);
}

void EventLoop::run_on(std::function<void()> task) {
  if (!running_.load() || on_loop_thread()) return task();
  asio::post(context_, std::move(task));
}

bool EventLoop::on_loop_thread() const { return loop_thread_.load() == std::this_thread::get_id(); }

void EventLoop::run() {
  loop_thread_.store(std::this_thread::get_id());
  while (!context_.stopped()) {
    try {
      context_.run();
    } catch (const std::exception& failure) {
      // A callback threw. The loop's other requests are not at fault: say what kind it was (what()
      // may quote client text) and go on.
      log(LogLevel::error, "event_loop_exception",
          {{"type", std::string_view{typeid(failure).name()}}});
    }
  }
}

std::uint64_t EventLoop::on_tick(std::function<void(Monotonic)> hook) {
  hooks_.push_back(std::make_shared<TickHook>(next_hook_id_, std::move(hook)));
  return next_hook_id_++;
}

void EventLoop::remove_tick(std::uint64_t id) {
  for (auto& hook : hooks_) {
    if (hook->id == id) hook->removed = true;
  }
  std::erase_if(hooks_, [](const auto& hook) { return hook->removed; });
}

Monotonic EventLoop::last_tick() const {
  return Monotonic{std::chrono::nanoseconds{last_tick_ns_.load(std::memory_order_relaxed)}};
}

void EventLoop::arm_tick() {
  timer_.expires_after(tick_interval_);
  timer_.async_wait([this](const boost::system::error_code& failure) {
    if (failure) return;
    arm_tick();
    tick();
  });
}

void EventLoop::tick() {
  const Monotonic now = clock_.monotonic();
  last_tick_ns_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  const auto round = hooks_;  // a hook may add and remove hooks, itself included
  for (const auto& hook : round) {
    if (!hook->removed) hook->run(now);
  }
}

}  // namespace turnpike::server
