// The state of one scope of the share controller: a fading histogram of scores and a position in
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "policy/share.hpp"

namespace turnpike::policy {

/// Not thread-safe: its shard's mutex guards it.
class ShareScope {
 public:
  static constexpr std::size_t bins = 128;

  ShareScope(double target, std::chrono::seconds window,
             const std::optional<Quantiles>& calibration);

  void observe(const ShareController::Observation& observation);
  [[nodiscard]] ShareController::Steering steer() const;
  /// Share of the remembered scores below this one; those of its own bin are taken as spread evenly.
  [[nodiscard]] float percentile(float score) const;
  [[nodiscard]] ShareController::Report report(Instant now) const;
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

  /// "position mean-weight steps bin…", read back by parse() to the same state.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool parse(std::string_view text);

  std::uint64_t last_use = 0;  // for forgetting the scope longest unseen

 private:
  static constexpr std::size_t buckets = 12;
  struct Bucket {
    std::int64_t number = -1;  // of the window's twelfth since the epoch
    double all = 0;
    double frontier = 0;
  };

  void remember(float score);
  void count(const ShareController::Observation& observation);
  /// Where in the distribution the threshold stands for this position.
  [[nodiscard]] double repaying(double position) const;
  [[nodiscard]] float quantile(double position) const;

  double target_;
  std::chrono::microseconds bucket_length_;
  std::array<float, bins> mass_{};
  float total_ = 0;
  float increment_ = 1;  // grows instead of letting all bins shrink; brought back to 1 now and then
  double position_;  // in the score distribution; leaves [0, 1] when the share is owed or overdrawn
  double mean_weight_ = 0;  // fading
  std::uint64_t steps_ = 0;
  float threshold_ = 0;
  std::array<Bucket, buckets> window_{};
};

}  // namespace turnpike::policy
