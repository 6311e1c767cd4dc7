#include "gateway/hedging.hpp"

#include <algorithm>

namespace turnpike::gateway {

void Hedging::learn(std::string_view target, std::chrono::milliseconds first_content) {
  auto found = targets_.find(target);
  if (found == targets_.end()) {
    if (targets_.size() >= targets_max) return;
    found = targets_.try_emplace(std::string{target}).first;
  }
  Times& times = found->second;
  times.milliseconds.at(times.count++ % samples_kept) = static_cast<std::int32_t>(std::clamp<std::int64_t>(first_content.count(), 1, INT32_MAX));
  times.stale = true;
}

std::optional<std::chrono::milliseconds> Hedging::patience(std::string_view target) {
  const auto found = targets_.find(target);
  if (found == targets_.end() || found->second.count < samples_needed) return std::nullopt;
  Times& times = found->second;
  if (times.stale) {
    auto sorted = times.milliseconds;
    const std::size_t known = std::min(times.count, samples_kept);
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(known * 95 / 100);
    std::nth_element(sorted.begin(), at, sorted.begin() + static_cast<std::ptrdiff_t>(known));
    times.p95 = *at;
    times.stale = false;
  }
  return std::chrono::milliseconds{times.p95};
}

}  // namespace turnpike::gateway
