// Wakes the writer thread. Ringing is a flag and, only if the writer sleeps, a system call.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace turnpike::account {

/// Any thread rings; one thread waits.
class Bell {
 public:
  /// There is something to write, within the commit interval.
  void ring() { set(rung_); }
  /// Someone waits for it, or enough has gathered.
  void ring_urgently() { set(urgent_); }

  /// Sleeps until the first ring, then gathers for `interval` more unless it is urgent.
  void wait(std::chrono::milliseconds interval) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return rung_ || urgent_; });
    if (!urgent_) changed_.wait_for(lock, interval, [this] { return urgent_; });
    rung_ = urgent_ = false;
  }
  /// Sleeps for `pause`, less if it becomes urgent.
  void nap(std::chrono::milliseconds pause) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, pause, [this] { return urgent_; });
    urgent_ = false;
  }

 private:
  void set(bool& flag) {
    {
      const std::lock_guard lock{mutex_};
      if (flag) return;
      flag = true;
    }
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
  bool urgent_ = false;
};

}  // namespace turnpike::account
