#include "gateway/recent_ratios.hpp"

#include <algorithm>

namespace turnpike::gateway {

void RecentRatios::add(std::int64_t tokens_per_kib) {
  const auto ratio =
      static_cast<std::uint16_t>(std::clamp<std::int64_t>(tokens_per_kib, 0, ratio_max));
  if (counts_.empty()) counts_.resize(ratio_max + 1);
  ++counts_[ratio];
  if (recent_.size() < remembered_max) return recent_.push_back(ratio);
  --counts_[recent_[oldest_]];
  recent_[oldest_] = ratio;
  oldest_ = (oldest_ + 1) % remembered_max;
}

std::int64_t RecentRatios::percentile_99() const {
  std::size_t above = 0;
  for (std::size_t ratio = counts_.size(); ratio > 0; --ratio) {
    above += counts_[ratio - 1];
    if (above * 100 > recent_.size()) return static_cast<std::int64_t>(ratio - 1);
  }
  return 0;
}

}  // namespace turnpike::gateway
