// Retries of one provider: at most a share of the attempts that are in flight there, so that a failing provider is not
// buried under repetitions. Source: reliability specification §9: at most max(3, 20 %).
#pragma once

#include <algorithm>
#include <cstdint>

namespace turnpike::gateway {

class RetryBudget {
 public:
  static constexpr std::int64_t always = 3;
  static constexpr std::int64_t one_in = 5;

  /// Of an attempt that would be in flight beside `in_flight` others.
  [[nodiscard]] bool allows_one_more(std::int64_t in_flight) const {
    return open_ + 1 <= std::max(always, (in_flight + 1) / one_in);
  }
  void begin() {
    ++open_;
    ++begun_;
  }
  void end() { --open_; }
  void refuse() { ++refused_; }
  [[nodiscard]] std::int64_t begun() const { return begun_; }
  [[nodiscard]] std::int64_t refused() const { return refused_; }

 private:
  std::int64_t open_ = 0;
  std::int64_t begun_ = 0;    // in all
  std::int64_t refused_ = 0;  // likewise
};

}  // namespace turnpike::gateway
