// Logical time, guarded against a wall clock that jumps. Source: reliability specification,
// "Windows and clock".
//
// A wall clock that is more than 5 minutes off the monotonic clock's projection is not believed:
// time goes on along the projection, so that no window ends early or late, until the new time has
// been steady for 10 minutes or an operator confirms it.
#pragma once

#include <chrono>
#include <cstdint>

#include "turnpike/clock.hpp"

namespace turnpike::account {

/// Guarded by its owner's mutex.
class ClockGuard {
 public:
  static constexpr std::chrono::minutes jump{5};
  static constexpr std::chrono::minutes steady{10};

  enum class Change : std::uint8_t { none, frozen, released };
  /// Takes in a reading of both clocks, in the order of monotonic time.
  Change observe(Instant wall, Monotonic monotonic);
  /// Believes the wall clock from now on, whatever it says.
  void confirm(Instant wall, Monotonic monotonic);

  /// What the time is at a reading: the wall clock's unless frozen. May run backwards by less than
  /// `jump`; the caller's business.
  [[nodiscard]] Instant time(Instant wall, Monotonic monotonic) const {
    return frozen_ ? projected(trusted_, monotonic) : wall;
  }
  [[nodiscard]] bool frozen() const { return frozen_; }
  /// Wall less projection, when last observed.
  [[nodiscard]] std::chrono::microseconds offset() const { return offset_; }

 private:
  struct Reading {
    Instant wall{};
    Monotonic monotonic{};
  };
  static Instant projected(const Reading& from, Monotonic monotonic) {
    return from.wall +
           std::chrono::duration_cast<std::chrono::microseconds>(monotonic - from.monotonic);
  }
  static bool apart(Instant a, Instant b) { return (a > b ? a - b : b - a) > jump; }

  bool begun_ = false;
  bool frozen_ = false;
  Reading trusted_;    // the first one, or the one that ended a freeze
  Reading suspected_;  // first reading of the new time, while frozen
  std::chrono::microseconds offset_{0};
};

}  // namespace turnpike::account
