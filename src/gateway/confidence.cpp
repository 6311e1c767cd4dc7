#include "gateway/confidence.hpp"

#include <algorithm>
#include <cmath>

namespace turnpike::gateway {
namespace {

/// Without a share there is no recent traffic to compare with: the percentiles of the training data stand in.
float shipped_percentile(const classify::Classifier& classifier, float score) {
  const auto& quantiles = classifier.quantiles();
  const auto above = std::ranges::upper_bound(quantiles, score);
  return static_cast<float>(above - quantiles.begin()) / static_cast<float>(quantiles.size());
}

}  // namespace

float confidence_at(float evidence, float distance) {
  constexpr float far = 0.2F;
  return evidence * (0.5F + 0.5F * std::min(std::abs(distance) / far, 1.0F));
}

float percentile_among_recent(const Snapshot& snapshot, const Account& account, float score) {
  if (!snapshot.share) return shipped_percentile(*snapshot.classifier, score);
  return snapshot.share->percentile(snapshot.share->scope_of(account), score);
}

void place_among_recent(Exchange& exchange, const Snapshot& snapshot) {
  Difficulty& difficulty = exchange.difficulty;
  RouteInputs& inputs = exchange.inputs;
  difficulty.percentile = percentile_among_recent(snapshot, *exchange.account, difficulty.score);
  inputs.threshold_percentile = percentile_among_recent(snapshot, *exchange.account, inputs.threshold);
  if (!snapshot.share) return;
  difficulty.confidence = confidence_at(difficulty.confidence, difficulty.percentile - inputs.threshold_percentile);
  difficulty.abstained = difficulty.abstained || difficulty.confidence < snapshot.classifier->confidence_floor();
}

}  // namespace turnpike::gateway
