#include "classify/online_layer.hpp"

#include <algorithm>
#include <cmath>

#include "classify/state_bytes.hpp"
#include "classify/weights.hpp"

namespace turnpike::classify {
namespace {

/// Weights and squared gradients have 24 bits below the point: a weight reaches from -128 to 128.
constexpr int weight_bits = 24;
constexpr std::int64_t weight_one = std::int64_t{1} << weight_bits;
constexpr int logit_bits = 16;
static_assert(logit_one == 1 << logit_bits);

// Chosen over ten workloads that the prior was trained without, five of one source and five mixed: bench/routing/adapt.cpp.
constexpr std::int64_t rate_scale = weight_one / 10;
constexpr std::int64_t rate_bias = weight_one / 20;
constexpr std::int64_t rate_dense = weight_one * 3 / 100;
constexpr std::int64_t rate_ngrams = weight_one * 30 / 100;
constexpr std::uint64_t first_squares_dense = std::uint64_t{1} << weight_bits;
constexpr std::uint64_t first_squares_ngrams = (std::uint64_t{1} << weight_bits) / 20;
/// Tenths of "the weak model fails" in the target where both outcomes are known; the rest is the gap. The first alone
/// finds steps that defeat everybody, the second alone is noisy.
constexpr std::int64_t failure_tenths = 3;
/// One outcome alone counts half: it does not tell whether the strong model would have done better.
constexpr std::int64_t lone_outcome_divisor = 2;
/// Old squares fade, so that a layer which has seen 100,000 outcomes still follows its traffic: share per touch 2^-12.
constexpr int fading_bits = 12;
constexpr std::int32_t weight_limit = 1 << 30;

constexpr std::array<std::int32_t, curve_knots> logistic_knots = [] {
  // exp(1/4), enough digits for 16 bits at e^8.
  constexpr double quarter = 1.2840254166877414;
  std::array<std::int32_t, curve_knots> knots{};
  double power = 1;  // exp(logit)
  for (std::size_t i = 0; i <= curve_knots / 2; ++i) {
    const std::size_t middle = curve_knots / 2;
    knots[middle + i] = static_cast<std::int32_t>(power / (1 + power) * logit_one + 0.5);
    knots[middle - i] = logit_one - knots[middle + i];
    power *= quarter;
  }
  return knots;
}();

/// 0..1 in logit_one; not a number is 0.
std::int64_t fixed(float value) {
  if (!(value > 0)) return 0;
  return static_cast<std::int64_t>(std::min(value, 1.0F) * logit_one);
}

/// Floor of the square root, by one correctly rounded operation; exact below 2^52.
std::int64_t root_of(std::uint64_t n) {
  return static_cast<std::int64_t>(std::sqrt(static_cast<double>(std::min<std::uint64_t>(n, std::uint64_t{1} << 52))));
}

/// rate * gradient / root, in weight_one; gradient in logit_one, root of squares in 2^12.
std::int32_t moved(std::int32_t weight, std::int64_t gradient, std::int64_t rate, std::uint64_t squares) {
  const std::int64_t root = std::max<std::int64_t>(root_of(squares), 1);
  const std::int64_t down = rate * gradient / (root << (logit_bits - weight_bits / 2));
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(weight - down, -weight_limit, weight_limit));
}

/// Of a gradient in logit_one, in weight_one.
std::uint64_t square(std::int64_t gradient) {
  return static_cast<std::uint64_t>(gradient * gradient) >> (2 * logit_bits - weight_bits);
}

}  // namespace

std::int32_t logistic(std::int64_t logit) {
  constexpr std::int64_t step = std::int64_t{2} * curve_reach * logit_one / (curve_knots - 1);
  constexpr std::int64_t reach = std::int64_t{curve_reach} * logit_one;
  const std::int64_t offset = std::clamp<std::int64_t>(logit, -reach, reach - 1) + reach;
  const auto knot = static_cast<std::size_t>(offset / step);
  const std::int64_t low = logistic_knots[knot];
  const std::int64_t high = logistic_knots[knot + 1];
  return static_cast<std::int32_t>(low + (high - low) * (offset % step) / step);
}

OnlineLayer::OnlineLayer() : ngrams_(std::make_unique<std::array<Sparse, learned_buckets>>()) {
  scale_.weight.store(static_cast<std::int32_t>(weight_one), std::memory_order_relaxed);
}

std::int64_t OnlineLayer::logit(const FootprintView& footprint) const {
  const auto weight = [](const auto& place) { return std::int64_t{place.weight.load(std::memory_order_relaxed)}; };
  std::int64_t dense = 0;
  for (std::size_t i = 0; i < dense_features; ++i) dense += weight(dense_[i]) * footprint.dense[i];
  std::int64_t sparse = 0;
  for (const std::uint16_t bucket : footprint.ngrams) sparse += weight((*ngrams_)[bucket]);
  constexpr int down = weight_bits - logit_bits;
  const std::int64_t prior = (weight(scale_) >> down) * footprint.prior_logit >> logit_bits;
  return prior + (weight(bias_) >> down) + (dense / feature_one >> down) + ((sparse >> down) * footprint.ngram_value >> logit_bits);
}

void OnlineLayer::step(Dense& place, std::int64_t gradient, std::int64_t rate, std::uint64_t first_squares) {
  place.squares += square(gradient) - (place.squares >> fading_bits);
  const auto weight = place.weight.load(std::memory_order_relaxed);
  place.weight.store(moved(weight, gradient, rate, first_squares + place.squares), std::memory_order_relaxed);
}

void OnlineLayer::step(Sparse& place, std::int64_t gradient) {
  const std::uint64_t squares = place.squares + square(gradient) - (place.squares >> fading_bits);
  place.squares = static_cast<std::uint32_t>(std::min<std::uint64_t>(squares, UINT32_MAX));
  const auto weight = place.weight.load(std::memory_order_relaxed);
  place.weight.store(moved(weight, gradient, rate_ngrams, first_squares_ngrams + place.squares), std::memory_order_relaxed);
}

void OnlineLayer::learn(const FootprintView& footprint, const Lesson& lesson) {
  const std::int64_t failed = fixed(lesson.weak_failed);
  const std::int64_t worth = fixed(lesson.weight);
  // The gap, strong less weak, brought to 0..1: (strong - (1 - failed) + 1) / 2.
  const std::int64_t target =
      lesson.strong_right ? (failure_tenths * failed + (10 - failure_tenths) * (fixed(*lesson.strong_right) + failed) / 2) / 10
                          : failed;
  const std::int64_t miss = logistic(logit(footprint)) - target;
  const std::int64_t slope = miss * worth / (lesson.strong_right ? logit_one : lone_outcome_divisor * logit_one);

  step(bias_, slope, rate_bias, first_squares_dense);
  step(scale_, slope * footprint.prior_logit / logit_one, rate_scale, first_squares_dense);
  if (scale_.weight.load(std::memory_order_relaxed) < 0) scale_.weight.store(0, std::memory_order_relaxed);
  for (std::size_t i = 0; i < dense_features; ++i) {
    if (footprint.dense[i] != 0) step(dense_[i], slope * footprint.dense[i] / feature_one, rate_dense, first_squares_dense);
  }
  const std::int64_t shared = slope * footprint.ngram_value / logit_one;
  for (const std::uint16_t bucket : footprint.ngrams) step((*ngrams_)[bucket], shared);
  lessons_.fetch_add(1, std::memory_order_relaxed);
}

std::vector<std::pair<std::string_view, double>> OnlineLayer::weights() const {
  const auto logits = [](const Dense& place) {
    return static_cast<double>(place.weight.load(std::memory_order_relaxed)) / static_cast<double>(weight_one);
  };
  std::vector<std::pair<std::string_view, double>> out{{"bias", logits(bias_)}};
  for (std::size_t i = 0; i < dense_features; ++i) {
    const auto name = i < text_feature_count ? to_string(static_cast<TextFeature>(i))
                                             : to_string(static_cast<TraceFeature>(i - text_feature_count));
    out.emplace_back(name, logits(dense_[i]));
  }
  return out;
}

std::size_t OnlineLayer::ngrams_touched() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      *ngrams_, [](const Sparse& place) { return place.weight.load(std::memory_order_relaxed) != 0; }));
}

void OnlineLayer::write(std::string& out) const {
  const auto put_dense = [&out](const Dense& place) {
    put(out, place.weight.load(std::memory_order_relaxed));
    put(out, place.squares);
  };
  put(out, lessons());
  put_dense(scale_);
  put_dense(bias_);
  for (const auto& place : dense_) put_dense(place);
  std::uint32_t used = 0;
  // A gradient whose square is less than one unit moves a weight all the same.
  const auto touched = [](const Sparse& place) { return place.squares != 0 || place.weight.load(std::memory_order_relaxed) != 0; };
  for (const auto& place : *ngrams_) used += touched(place) ? 1 : 0;
  put(out, used);
  for (std::size_t bucket = 0; bucket < ngrams_->size(); ++bucket) {
    const auto& place = (*ngrams_)[bucket];
    if (!touched(place)) continue;
    put(out, static_cast<std::uint16_t>(bucket));
    put(out, place.weight.load(std::memory_order_relaxed));
    put(out, place.squares);
  }
}

bool OnlineLayer::read(std::span<const std::byte>& in) {
  std::uint64_t lessons = 0;
  const auto take_weight = [&in](auto& place) {
    std::int32_t weight = 0;
    if (!take(in, weight) || !take(in, place.squares) || weight < -weight_limit || weight > weight_limit) return false;
    place.weight.store(weight, std::memory_order_relaxed);
    return true;
  };
  if (!take(in, lessons) || !take_weight(scale_) || !take_weight(bias_)) return false;
  for (auto& place : dense_) {
    if (!take_weight(place)) return false;
  }
  std::uint32_t used = 0;
  if (!take(in, used) || used > learned_buckets) return false;
  for (; used > 0; --used) {
    std::uint16_t bucket = 0;
    if (!take(in, bucket) || !take_weight((*ngrams_)[bucket])) return false;
  }
  lessons_.store(lessons, std::memory_order_relaxed);
  return true;
}

}  // namespace turnpike::classify
