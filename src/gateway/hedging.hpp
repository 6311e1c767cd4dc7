// When a second attempt is worth its price: after the target's 95th percentile of times to first content, for at most one
// request in fifty. Source: reliability specification, "Hedging".
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace turnpike::gateway {

/// One event loop. Its share holds for each loop, and so for all.
class Hedging {
 public:
  static constexpr std::size_t samples_kept = 200;   // of a target, the latest
  static constexpr std::size_t samples_needed = 20;
  static constexpr std::size_t targets_max = 512;    // further ones are not hedged
  static constexpr std::uint64_t one_in = 50;

  void learn(std::string_view target, std::chrono::milliseconds first_content);
  /// How long a first attempt is waited for; nullopt: too little is known.
  [[nodiscard]] std::optional<std::chrono::milliseconds> patience(std::string_view target);

  void count_request() { ++requests_; }
  /// A second attempt may be sent; if it is, count_hedge().
  [[nodiscard]] bool allowed() const { return (hedges_ + 1) * one_in <= requests_; }
  void count_hedge() { ++hedges_; }

 private:
  struct Times {
    std::array<std::int32_t, samples_kept> milliseconds{};
    std::size_t count = 0;  // in all
    std::int32_t p95 = 0;
    bool stale = false;     // p95 does not know the latest samples
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  std::unordered_map<std::string, Times, Hash, std::equal_to<>> targets_;
  std::uint64_t requests_ = 0;
  std::uint64_t hedges_ = 0;
};

}  // namespace turnpike::gateway
