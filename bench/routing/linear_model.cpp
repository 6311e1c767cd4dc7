#include "linear_model.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace turnpike::routing {
namespace {

double count_value(const Example& example, std::size_t feature) {
  return static_cast<double>(example.scan.features[feature]) / classify::feature_one;
}

double root_of(const Example& example) {
  return std::sqrt(static_cast<double>(std::max<std::size_t>(example.ngrams.size(), 1)));
}

void measure_counts(const std::vector<const Example*>& examples, LinearModel& model) {
  double total = 0;
  for (const auto* example : examples) total += example->weight;
  for (std::size_t i = 0; i < classify::text_feature_count; ++i) {
    double sum = 0;
    double squares = 0;
    for (const auto* example : examples) {
      const double value = count_value(*example, i);
      sum += value * example->weight;
      squares += value * value * example->weight;
    }
    model.means[i] = sum / total;
    model.deviations[i] =
        std::sqrt(std::max(squares / total - model.means[i] * model.means[i], 1e-6));
  }
}

void measure_ngrams(const std::vector<const Example*>& examples, LinearModel& model) {
  model.ngrams.assign(classify::ngram_buckets, 0);
  model.uses.assign(classify::ngram_buckets, 0);
  std::vector<std::uint32_t> sorted;
  for (const auto* example : examples) {
    sorted = example->ngrams;
    std::ranges::sort(sorted);
    const auto repeats = std::ranges::unique(sorted);
    sorted.erase(repeats.begin(), repeats.end());
    for (const auto bucket : sorted) ++model.uses[bucket];
  }
}

/// Fisher-Yates with a fixed generator; std::shuffle may differ between libraries.
void shuffle(std::vector<std::size_t>& order, std::mt19937_64& random) {
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
}

class Fitter {
 public:
  Fitter(const Recipe& recipe, LinearModel& model)
      : recipe_(recipe), model_(model), ngram_squares_(classify::ngram_buckets, 1e-4) {
    count_squares_.fill(1e-2);
  }

  void learn(const Example& example) {
    const double predicted = 1 / (1 + std::exp(-model_.logit(example)));
    const double slope = (predicted - example.target) * example.weight;
    model_.bias -= recipe_.rate_counts * slope;
    for (std::size_t i = 0; i < classify::text_feature_count; ++i) {
      const double value = (count_value(example, i) - model_.means[i]) / model_.deviations[i];
      const double gradient = slope * value;
      count_squares_[i] += gradient * gradient;
      model_.counts[i] -= recipe_.rate_counts * 10 * gradient / std::sqrt(count_squares_[i]);
      model_.counts[i] *= 1 - recipe_.decay_counts;
    }
    const double gradient = slope / root_of(example);
    for (const auto bucket : example.ngrams) {
      if (model_.uses[bucket] < recipe_.uses_min) continue;
      ngram_squares_[bucket] += gradient * gradient;
      model_.ngrams[bucket] -= recipe_.rate_ngrams * gradient / std::sqrt(ngram_squares_[bucket]);
      model_.ngrams[bucket] *= 1 - recipe_.decay_ngrams;
    }
  }

 private:
  const Recipe& recipe_;
  LinearModel& model_;
  std::vector<double> ngram_squares_;
  std::array<double, classify::text_feature_count> count_squares_{};
};

}  // namespace

double LinearModel::logit(const Example& example) const {
  double sum = 0;
  for (const auto bucket : example.ngrams) sum += ngrams[bucket];
  sum = bias + sum / root_of(example);
  for (std::size_t i = 0; i < classify::text_feature_count; ++i) {
    sum += counts[i] * (count_value(example, i) - means[i]) / deviations[i];
  }
  return sum;
}

LinearModel fit(const std::vector<const Example*>& examples, const Recipe& recipe) {
  LinearModel model;
  measure_counts(examples, model);
  measure_ngrams(examples, model);
  std::vector<std::size_t> order(examples.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937_64 random{recipe.seed};
  Fitter fitter{recipe, model};
  for (int epoch = 0; epoch < recipe.epochs; ++epoch) {
    shuffle(order, random);
    for (const auto index : order) fitter.learn(*examples[index]);
  }
  return model;
}

}  // namespace turnpike::routing
