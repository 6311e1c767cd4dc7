// Which targets are in trouble. Source: reliability specification, "Health of backends": ejected after 5 failures in a
// row, or half of at least 20 in 30 s, for 30 s times the number of ejections (at most 300 s, +-10 %); then one probe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "turnpike/route_inputs.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/ids.hpp"

namespace turnpike::gateway {

/// Any thread. While nothing is in trouble, view() is one relaxed load.
class HealthBoard {
 public:
  HealthBoard(const Clock& clock, Randomness& randomness) : clock_(clock), randomness_(randomness) {}

  /// Copied into the decision: only ejected targets are in trouble. One whose time is over is tried again in its usual
  /// place; a failure then ejects it at once.
  [[nodiscard]] HealthView view();
  void succeeded(std::string_view target);
  /// A fault of the target's own (5xx, refused, time-out, broken answer). A 429 is not one.
  void failed(std::string_view target);

  struct State {
    std::string target;
    Health health = Health::ok;
    std::uint32_t ejections = 0;
  };
  /// Every target that has ever failed, for metrics.
  [[nodiscard]] std::vector<State> states();

 private:
  struct Record {
    std::uint32_t failures_in_row = 0;
    std::uint32_t ejections = 0;
    Monotonic ejected_until{};
    bool ejected = false;
    Monotonic span_start{};  // of the 30 s in which outcomes are counted
    std::uint32_t span_outcomes = 0;
    std::uint32_t span_failures = 0;
  };
  void count(Record& record, bool failure, Monotonic now) const;
  void eject(Record& record, Monotonic now);
  [[nodiscard]] static Health health_of(const Record& record, Monotonic now);

  const Clock& clock_;
  Randomness& randomness_;
  std::atomic<bool> all_ok_{true};
  std::mutex mutex_;
  std::unordered_map<std::string, Record> records_;
};

}  // namespace turnpike::gateway
