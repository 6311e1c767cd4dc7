#include "prior.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "classify/classifier.hpp"

namespace turnpike::routing {
namespace {

using classify::TextFeature;
using classify::TraceFeature;
using classify::Weights;

/// Share of "the weak end fails" in the target; the rest is "the strong end does better". The first
/// alone finds questions that defeat everybody, the second alone is noisy. Chosen by
/// cross-validation (validate.cpp): a smaller share recovers more of the gap and ranks weak
/// failures worse.
constexpr double failure_share = 0.42;
/// Weight of one row of authors' opinion (tiers) against a row of outcomes.
constexpr double tier_weight = 0.25;
/// A target of 0.5 is logit 0; so steep that the score's spread is that of the outcomes.
constexpr double logits_per_target = 4.0;
/// Weights beyond so many standard deviations are cut, so that few large ones do not make the steps
/// of all others coarse.
constexpr double ngram_reach = 5.0;

/// The trace block is set by hand, in logits per unit: no public outcomes of single agent steps
/// with their requests exist. Order and signs are checked by the contrast pairs and by
/// agent_steps_dev.csv (tests/classify, tests/routing).
std::array<double, classify::trace_feature_count> trace_block() {
  std::array<double, classify::trace_feature_count> block{};
  const auto set = [&block](TraceFeature feature, double logit) {
    block[static_cast<std::size_t>(feature)] = logit;
  };
  set(TraceFeature::continuation, -0.35);
  set(TraceFeature::side_call, -2.5);
  set(TraceFeature::compaction, -0.5);
  set(TraceFeature::subagent, -0.2);
  set(TraceFeature::last_result_failed, 0.45);
  set(TraceFeature::errors_recent, 0.22);
  set(TraceFeature::error_streak, 0.18);
  set(TraceFeature::error_words, 0.06);
  set(TraceFeature::repeats_recent, 0.10);
  set(TraceFeature::repeats_exact, 0.08);
  set(TraceFeature::editing, 0.05);
  set(TraceFeature::loop_depth, 0.02);
  set(TraceFeature::effort, 0.45);
  set(TraceFeature::tiny_answer, -0.5);
  set(TraceFeature::images, 0.10);
  return block;
}

/// Added to the learned weights, in logits per unit: what agents are asked to do hardly occurs in
/// benchmark questions, so the words of work keep a floor under what training finds.
std::array<double, classify::text_feature_count> wording_block() {
  std::array<double, classify::text_feature_count> block{};
  block[static_cast<std::size_t>(TextFeature::heavy_verbs)] = 0.15;
  block[static_cast<std::size_t>(TextFeature::light_verbs)] = -0.15;
  block[static_cast<std::size_t>(TextFeature::hard_matters)] = 0.15;
  return block;
}

std::int32_t fixed(double value, double one) {
  return static_cast<std::int32_t>(std::lround(value * one));
}

void quantise_ngrams(const LinearModel& model, std::uint32_t uses_min, Weights& weights) {
  double squares = 0;
  double learned = 0;
  for (std::size_t i = 0; i < model.ngrams.size(); ++i) {
    if (model.uses[i] < uses_min) continue;
    squares += model.ngrams[i] * model.ngrams[i];
    learned += 1;
  }
  const double reach = ngram_reach * std::sqrt(squares / std::max(learned, 1.0));
  weights.ngram_step = fixed(reach * logits_per_target / 127, classify::logit_one) + 1;
  const double step = weights.ngram_step / (logits_per_target * classify::logit_one);
  weights.ngrams.assign(classify::ngram_buckets, classify::ngram_unseen);
  for (std::size_t i = 0; i < weights.ngrams.size(); ++i) {
    if (model.uses[i] < uses_min) continue;
    weights.ngrams[i] =
        static_cast<std::int8_t>(std::clamp(std::lround(model.ngrams[i] / step), -127L, 127L));
  }
}

Weights quantise(const LinearModel& model, const Recipe& recipe, HandSet hand_set) {
  Weights weights;
  weights.bias = fixed((model.bias - 0.5) * logits_per_target, classify::logit_one);
  weights.loop_text_share = classify::feature_one / 2;
  weights.confidence_floor = classify::feature_one / 5;
  quantise_ngrams(model, recipe.uses_min, weights);
  const auto wording = wording_block();
  for (std::size_t i = 0; i < classify::text_feature_count; ++i) {
    weights.count_means[i] = fixed(model.means[i], classify::feature_one);
    double weight = model.counts[i] / model.deviations[i] * logits_per_target;
    if (hand_set == HandSet::with) weight += wording[i];
    weights.count_weights[i] = fixed(weight, classify::logit_one);
  }
  const auto block = trace_block();
  for (std::size_t i = 0; i < block.size(); ++i)
    weights.trace_weights[i] = fixed(block[i], classify::logit_one);
  for (std::size_t i = 0; i < weights.curve.size(); ++i) {
    const double logit =
        classify::curve_reach * (2.0 * static_cast<double>(i) / (classify::curve_knots - 1) - 1);
    weights.curve[i] =
        static_cast<std::uint32_t>(fixed(1 / (1 + std::exp(-logit)), classify::score_one));
  }
  return weights;
}

void set_quantiles(Weights& weights, std::span<const Example* const> examples) {
  const auto classifier = classify::Classifier::load(classify::write_weights(weights));
  if (!classifier) {
    fmt::print(stderr, "{}\n", classifier.error().message);
    std::exit(3);
  }
  std::vector<float> scores;
  scores.reserve(examples.size());
  for (const auto* example : examples) scores.push_back(classifier->classify(example->facts).score);
  std::ranges::sort(scores);
  for (std::size_t i = 0; i <= 100; ++i)
    weights.quantiles[i] = scores[i * (scores.size() - 1) / 100];
}

/// The name carries a checksum of everything else, so that a decision record tells which weights
/// made it.
void set_version(Weights& weights) {
  std::uint32_t hash = 0x811C9DC5U;
  for (const auto byte : classify::write_weights(weights))
    hash = (hash ^ static_cast<std::uint32_t>(byte)) * 0x01000193U;
  weights.version = fmt::format("linear-2-{:08x}", hash);
}

}  // namespace

void set_targets(std::vector<Example>& outcomes, std::vector<Example>& tiers) {
  for (auto& example : outcomes) {
    const Ends ends = ends_of(example);
    example.target =
        failure_share * (1 - ends.weak) + (1 - failure_share) * (ends.strong - ends.weak + 1) / 2;
  }
  for (auto& example : tiers) example.weight = tier_weight;
}

Weights make_prior(std::span<const Example* const> examples, const Recipe& recipe,
                   HandSet hand_set) {
  Weights weights = quantise(fit(examples, recipe), recipe, hand_set);
  set_quantiles(weights, examples);
  set_version(weights);
  return weights;
}

}  // namespace turnpike::routing
