// One thread, one io_context: a connection, its requests and their upstream transfers live on one
// loop from first to last byte, so their state needs no lock.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/task.hpp"

namespace turnpike::server {

/// start(), stop() and join() belong to the thread that made the loop; the destructor stops and
/// joins. Everything that was given this loop is destroyed before it.
class EventLoop {
 public:
  /// Half a second keeps a 10 s time-out below 11 s and lets /healthz see a stuck loop within 1 s.
  static constexpr std::chrono::milliseconds default_tick{500};

  explicit EventLoop(const Clock& clock, std::chrono::milliseconds tick_interval = default_tick);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  [[nodiscard]] asio::io_context& context() { return context_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  void start();
  /// Ends the loop after the handler that runs now; what is queued stays undone. Join afterwards.
  void stop();
  void join();

  /// Any thread: runs `task` on the loop, never inside this call.
  template <typename Function>
  void post(Function&& task) {
    asio::post(context_, std::forward<Function>(task));
  }
  /// Runs `task` on the loop, or here and now when no thread runs the loop (before start, after
  /// join).
  void run_on(std::function<void()> task);
  [[nodiscard]] bool on_loop_thread() const;

  /// Calls `hook` once per tick with the monotonic time, for coarse time-outs over lists. On the
  /// loop's thread, or while the loop does not run. A hook may remove itself or others.
  std::uint64_t on_tick(std::function<void(Monotonic)> hook);
  void remove_tick(std::uint64_t id);

  /// Requests being answered on this loop, over all listeners; the acceptor compares loops by it.
  /// Any thread reads.
  [[nodiscard]] int open_streams() const { return open_streams_.load(std::memory_order_relaxed); }
  void stream_opened() { open_streams_.fetch_add(1, std::memory_order_relaxed); }
  void stream_closed() { open_streams_.fetch_sub(1, std::memory_order_relaxed); }

  /// When the loop last ticked; any thread. A loop that does not tick is stuck.
  [[nodiscard]] Monotonic last_tick() const;

  /// The thread's buffer for one non-blocking read. Its content is gone once control returns to the
  /// loop.
  [[nodiscard]] std::span<char> scratch() { return {scratch_.get(), scratch_bytes}; }
  static constexpr std::size_t scratch_bytes = std::size_t{64} * 1024;

 private:
  struct TickHook {
    std::uint64_t id;
    std::function<void(Monotonic)> run;
    bool removed = false;
  };

  void run();
  void arm_tick();
  void tick();

  const Clock& clock_;
  std::chrono::milliseconds tick_interval_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  asio::steady_timer timer_{context_};
  std::unique_ptr<char[]> scratch_;
  std::vector<std::shared_ptr<TickHook>> hooks_;
  std::uint64_t next_hook_id_ = 1;
  std::atomic<int> open_streams_{0};
  std::atomic<std::int64_t> last_tick_ns_{0};
  std::atomic<bool> running_{false};  // from start() to the end of join()
  std::atomic<std::thread::id> loop_thread_{};
  std::thread thread_;
};

}  // namespace turnpike::server
