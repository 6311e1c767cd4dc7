// A linear model in doubles over n-gram buckets and counts; the trainer quantises it afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "classify/text_features.hpp"
#include "training_data.hpp"

namespace turnpike::routing {

struct Recipe {
  int epochs = 6;
  double rate_ngrams = 0.03;
  double rate_counts = 0.01;
  double decay_ngrams = 3e-4;  // share of a weight taken off at each use
  double decay_counts = 1e-5;
  std::uint32_t uses_min = 8;  // n-grams used in fewer texts are not learned
  std::uint64_t seed = 20261122;
};

struct LinearModel {
  std::array<double, classify::text_feature_count> means{};
  std::array<double, classify::text_feature_count> deviations{};
  std::array<double, classify::text_feature_count> counts{};  // per standard deviation
  std::vector<double> ngrams;       // per use, divided by the root of the text's n-grams
  std::vector<std::uint32_t> uses;  // texts a bucket occurs in
  double bias = 0;

  [[nodiscard]] double logit(const Example& example) const;
};

/// Logistic loss on `target`, AdaGrad steps in an order that only the seed decides: same input,
/// same bytes.
LinearModel fit(const std::vector<const Example*>& examples, const Recipe& recipe);

}  // namespace turnpike::routing
