// From a score to the chance that the weak model fails: a rising map, learned from outcomes.
//
// Until 50 outcomes are known the shipped map holds; it was measured over percentiles of the prior, on sources that it
// had not seen. Afterwards: isotonic regression of the known outcomes, in which the shipped map still counts as 20.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "classify/progress.hpp"

namespace turnpike::classify {

class Calibration {
 public:
  static constexpr std::size_t knots = 65;       // over the scores 0..1
  static constexpr std::size_t learned_from = 50;  // outcomes
  using Quantiles = std::array<float, 101>;      // scores at the percentiles of the training data

  explicit Calibration(const Quantiles& quantiles);

  /// Any thread, at any time.
  [[nodiscard]] float weak_fails(float score) const;
  /// One thread at a time.
  void fit(std::span<const Judged> outcomes);

 private:
  std::array<float, knots> shipped_{};
  std::array<std::atomic<float>, knots> map_{};
};

}  // namespace turnpike::classify
