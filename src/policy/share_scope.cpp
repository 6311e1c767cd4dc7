#include "policy/share_scope.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <numeric>

namespace turnpike::policy {
namespace {

// Source of the figures: classifier specification §1 names eta 0.02 to 0.05. On stationary traffic
// the position wanders by sqrt(eta target (1 - target) / 2), 0.07 at eta 0.05; ±2 points over 500
// steps allow it to move by 0.5.
constexpr double eta = 0.05;
constexpr float fading_steps = 500;
constexpr double calibration_steps =
    100;  // how many steps the calibration counts for in a new scope
// A share that was missed for long (every step pinned, say) is not made up for endlessly: from an
// end of this range the threshold is back in play after at most 67 steps at a target of 0.3.
constexpr double position_min = -1;
constexpr double position_max = 2;
// A debt of more than three steps (whole tool loops make such) is repaid faster: beyond it the
// threshold moves five times as far. Without this the wandering above leaves the bound in one of
// some 20,000 windows.
constexpr double debt_free = 3 * eta;
constexpr double debt_gain = 4;
constexpr double overdrawn_position = 1.5;
constexpr float increment_max = 1e6F;
constexpr double weight_ratio_max = 20;  // one gigantic step must not decide the next hundred
constexpr float above_every_score = 2;

}  // namespace

ShareScope::ShareScope(double target, std::chrono::seconds window,
                       const std::optional<Quantiles>& calibration)
    : target_(target),
      bucket_length_(std::max(std::chrono::microseconds{window} / std::int64_t{buckets},
                              std::chrono::microseconds{1})),
      position_(1 - target) {
  constexpr int parts = 10;  // points between two neighbouring percentiles
  for (std::size_t i = 0; i < 100; ++i) {
    for (int part = 0; part < parts; ++part) {
      const float way = (static_cast<float>(part) + 0.5F) / parts;
      const float percent = static_cast<float>(i) / 100;
      const float score = calibration ? std::lerp((*calibration)[i], (*calibration)[i + 1], way)
                                      : percent + way / 100;
      increment_ = static_cast<float>(calibration_steps) / (100 * parts);
      remember(score);
    }
  }
  increment_ = 1;
  threshold_ = quantile(repaying(position_));
}

void ShareScope::remember(float score) {
  if (!(score > 0)) score = 0;  // a score that is not a number counts as the easiest
  const auto bin = static_cast<std::size_t>(std::min(score, 0.9999999F) * bins);
  mass_[bin] += increment_;
  total_ += increment_;
}

void ShareScope::observe(const ShareController::Observation& observation) {
  const double weight = std::max(observation.weight, 0.0);
  mean_weight_ =
      steps_ == 0 ? weight : mean_weight_ + (weight - mean_weight_) / double{fading_steps};
  const double ratio = mean_weight_ > 0 ? std::min(weight / mean_weight_, weight_ratio_max) : 0;
  position_ += eta * ((observation.frontier ? 1 : 0) - target_) * ratio;
  position_ = std::clamp(position_, position_min, position_max);
  increment_ *= fading_steps / (fading_steps - 1);
  remember(observation.score);
  if (increment_ > increment_max) {
    for (auto& mass : mass_) mass /= increment_;
    total_ = std::accumulate(mass_.begin(), mass_.end(), 0.0F);
    increment_ = 1;
  }
  ++steps_;
  count(observation);
  threshold_ = quantile(repaying(position_));
}

void ShareScope::count(const ShareController::Observation& observation) {
  const auto number = observation.at.time_since_epoch() / bucket_length_;
  auto& bucket = window_[static_cast<std::size_t>(number) % buckets];
  if (number < bucket.number)
    return;  // an observation that arrives late belongs to a window already closed
  if (number > bucket.number) bucket = {number, 0, 0};
  const double weight = std::max(observation.weight, 0.0);
  bucket.all += weight;
  if (observation.frontier) bucket.frontier += weight;
}

float ShareScope::quantile(double position) const {
  if (position <= 0) return 0;
  if (position >= 1) return above_every_score;
  float left = static_cast<float>(position) * total_;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    if (left < mass_[bin]) return (static_cast<float>(bin) + left / mass_[bin]) / bins;
    left -= mass_[bin];
  }
  return 1;
}

float ShareScope::percentile(float score) const {
  if (!(score > 0)) return 0;  // also for a score that is not a number
  const float place = std::min(score, 1.0F) * bins;
  const auto bin = static_cast<std::size_t>(place);
  float below = 0;
  for (std::size_t i = 0; i < std::min(bin, bins); ++i) below += mass_[i];
  if (bin < bins) below += mass_[bin] * (place - static_cast<float>(bin));
  return std::clamp(below / total_, 0.0F, 1.0F);
}

double ShareScope::repaying(double position) const {
  const double debt = position - (1 - target_);
  if (std::abs(debt) <= debt_free) return position;
  return position + debt_gain * (debt - std::copysign(debt_free, debt));
}

ShareController::Steering ShareScope::steer() const {
  return {threshold_, position_ < overdrawn_position};
}

ShareController::Report ShareScope::report(Instant now) const {
  ShareController::Report report;
  report.target = target_;
  report.threshold = threshold_;
  report.steps = steps_;
  const auto current = now.time_since_epoch() / bucket_length_;
  double frontier = 0;
  for (const auto& bucket : window_) {
    if (bucket.number < 0 || bucket.number > current ||
        current - bucket.number >= std::ssize(window_))
      continue;
    report.weight += bucket.all;
    frontier += bucket.frontier;
  }
  report.share = report.weight > 0 ? frontier / report.weight : target_;
  return report;
}

std::string ShareScope::text() const {
  auto line = fmt::format("{:.17g} {:.17g} {}", position_, mean_weight_, steps_);
  for (const auto mass : mass_)
    fmt::format_to(std::back_inserter(line), " {:.9g}", mass / increment_);
  return line;
}

bool ShareScope::parse(std::string_view text) {
  const auto next = [&text](auto& value) {
    if (text.starts_with(' ')) text.remove_prefix(1);
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
    return result.ec == std::errc{};
  };
  if (!next(position_) || !next(mean_weight_) || !next(steps_)) return false;
  for (auto& mass : mass_) {
    if (!next(mass) || !(mass >= 0 && mass < increment_max)) return false;
  }
  const bool sound = position_ >= position_min && position_ <= position_max && mean_weight_ >= 0;
  total_ = std::accumulate(mass_.begin(), mass_.end(), 0.0F);
  increment_ = 1;
  threshold_ = quantile(repaying(position_));
  return sound && text.empty() && total_ > 0;
}

}  // namespace turnpike::policy
