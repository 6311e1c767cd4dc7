// A linear model in doubles over n-gram buckets and counts; prior.cpp quantises it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "classify/text_features.hpp"
#include "training_data.hpp"

namespace turnpike::routing {

struct Recipe {
  double ngram_penalty = 1.5e-3;
  double count_penalty = 1e-2;
  std::uint32_t uses_min = 2;  // n-grams used in fewer texts are not learned
  /// An n-gram in this share of a subject's texts and in at most that share of all others is the
  /// subject's template; subjects of fewer texts are not judged.
  double template_share = 0.6;
  double template_share_elsewhere = 0.05;
  std::uint32_t template_texts_min = 50;
  int steps = 60;  // of the solver; it is near the optimum by then
};

struct LinearModel {
  std::array<double, classify::text_feature_count> means{};
  std::array<double, classify::text_feature_count> deviations{};
  std::array<double, classify::text_feature_count> counts{};  // per standard deviation
  std::vector<double> ngrams;       // per use, divided by the root of the text's n-grams
  std::vector<std::uint32_t> uses;  // texts a bucket occurs in
  double bias = 0;                  // what a text with mean counts and no n-grams gets

  [[nodiscard]] double predict(const Example& example) const;
};

/// Least squares on `target` with a penalty on squared weights. An n-gram's penalty grows with the
/// number of texts that use it, so that the words everybody uses do not crowd out the telling ones.
///
/// Conjugate gradients from zero, one thread, additions in a fixed order, and no function but the
/// square root: the same examples give the same bits on every machine with IEEE doubles (the
/// compiler may not fuse multiplications into additions; CMakeLists.txt says so).
LinearModel fit(std::span<const Example* const> examples, const Recipe& recipe);

}  // namespace turnpike::routing
