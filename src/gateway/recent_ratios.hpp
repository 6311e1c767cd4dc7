// The last 10,000 ratios of tokens to bytes that a model billed, and the one that only a hundredth of them exceeds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace turnpike::gateway {

/// At most 24 KiB, allocated as it fills. Not thread-safe.
class RecentRatios {
 public:
  static constexpr std::size_t remembered_max = 10'000;

  /// Tokens per KiB; counted in steps of 1, above `ratio_max` as that.
  void add(std::int64_t tokens_per_kib);
  [[nodiscard]] std::size_t size() const { return recent_.size(); }
  /// The least ratio that at most a hundredth of the remembered ones exceeds. 0 without any.
  [[nodiscard]] std::int64_t percentile_99() const;

 private:
  static constexpr std::int64_t ratio_max = 2047;

  std::vector<std::uint16_t> recent_;  // a ring once it is full
  std::size_t oldest_ = 0;
  std::vector<std::uint16_t> counts_;  // by ratio
};

}  // namespace turnpike::gateway
