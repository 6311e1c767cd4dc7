// How many attempts may be in flight with one key: additive increase, halving on 429 and 529, within [1, max]. Source:
// reliability specification, "Concurrency per key".
#pragma once

#include <algorithm>
#include <cstdint>

#include "turnpike/clock.hpp"

namespace turnpike::gateway {

class AdaptiveLimit {
 public:
  explicit AdaptiveLimit(std::int64_t max) : max_(max), limit_(max) {}

  /// A reload may name another maximum.
  void set_max(std::int64_t max) {
    limit_ = limit_ >= max_ ? max : std::min(limit_, max);
    max_ = max;
  }
  [[nodiscard]] std::int64_t limit() const { return limit_; }

  /// One more for every attempt that went well while the limit was felt: a stray 529 among hundreds must not starve a key
  /// whose answers take minutes.
  void went_well(std::int64_t in_flight) {
    if (2 * in_flight >= limit_) limit_ = std::min(limit_ + 1, max_);
  }
  /// Half of what was really in flight, or of a few: one refusal of a quiet key tells little of how much it takes, and
  /// several in a row still lead down to one. Attempts that were sent before the last halving tell nothing new.
  void pushed_back(std::int64_t in_flight, Monotonic sent, Monotonic now) {
    if (sent < halved_at_) return;
    halved_at_ = now;
    limit_ = std::max<std::int64_t>(1, std::min(limit_, std::max(in_flight, few)) / 2);
  }

 private:
  static constexpr std::int64_t few = 16;

  std::int64_t max_;
  std::int64_t limit_;
  Monotonic halved_at_{};
};

}  // namespace turnpike::gateway
