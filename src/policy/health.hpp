// How the targets are doing, as the decision sees it. The state machine that ejects and readmits
// lives in upstream.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace turnpike::policy {

enum class Health : std::uint8_t { ok, degraded, ejected };

/// A small copied value: the targets that are not ok, sorted by name.
class HealthView {
 public:
  HealthView() = default;
  explicit HealthView(std::vector<std::pair<std::string, Health>> troubled)
      : troubled_(std::move(troubled)) {
    std::sort(troubled_.begin(), troubled_.end());
  }
  [[nodiscard]] bool all_ok() const { return troubled_.empty(); }
  [[nodiscard]] Health of(std::string_view target) const {
    const auto found = std::lower_bound(
        troubled_.begin(), troubled_.end(), target,
        [](const auto& entry, std::string_view name) { return entry.first < name; });
    return found != troubled_.end() && found->first == target ? found->second : Health::ok;
  }

 private:
  std::vector<std::pair<std::string, Health>> troubled_;
};

}  // namespace turnpike::policy
