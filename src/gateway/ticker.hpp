// Coarse time for whatever waits on this loop: no timer per stream, one list that is walked once a tick.
#pragma once

#include <unordered_set>
#include <vector>

#include "turnpike/clock.hpp"

namespace turnpike::gateway {

class Ticked {
 public:
  virtual ~Ticked() = default;
  /// May end, and so destroy, this object or others of the list.
  virtual void on_tick(Monotonic now) = 0;
  /// The process ends: tell whoever waits, and let go.
  virtual void on_shutdown() = 0;
};

/// One event loop.
class Ticker {
 public:
  void add(Ticked& ticked) { members_.insert(&ticked); }
  void remove(Ticked& ticked) { members_.erase(&ticked); }
  void tick(Monotonic now) {
    const std::vector<Ticked*> present{members_.begin(), members_.end()};
    for (Ticked* ticked : present) {
      if (members_.contains(ticked)) ticked->on_tick(now);
    }
  }

  /// True from end_all() on: nothing that needs a tick may be begun.
  [[nodiscard]] bool ended() const { return ended_; }
  void end_all() {
    ended_ = true;
    const std::vector<Ticked*> present{members_.begin(), members_.end()};
    for (Ticked* ticked : present) {
      if (members_.contains(ticked)) ticked->on_shutdown();
    }
  }

 private:
  std::unordered_set<Ticked*> members_;
  bool ended_ = false;
};

}  // namespace turnpike::gateway
