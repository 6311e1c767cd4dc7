#include "policy/share_histogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "policy/share_text.hpp"

namespace turnpike::policy {
namespace {

constexpr float increment_max = 1e6F;
constexpr float mass_max = 1e7F;  // of one bin: prior and fading sum together stay far below
constexpr float above_every_score = 2;

}  // namespace

ShareHistogram::ShareHistogram(const Quantiles* calibration) {
  constexpr int parts = 10;  // points between two neighbouring percentiles
  for (std::size_t i = 0; i < 100; ++i) {
    for (int part = 0; part < parts; ++part) {
      const float way = (static_cast<float>(part) + 0.5F) / parts;
      const float score = calibration != nullptr
                              ? std::lerp((*calibration)[i], (*calibration)[i + 1], way)
                              : (static_cast<float>(i) + way) / 100;
      put(score, prior_steps / (100 * parts));
    }
  }
}

void ShareHistogram::put(float score, float mass) {
  if (!(score > 0)) score = 0;  // a score that is not a number counts as the easiest
  const auto bin = static_cast<std::size_t>(std::min(score, 0.9999999F) * bins);
  mass_[bin] += mass;
  total_ += mass;
}

void ShareHistogram::remember(float score) {
  increment_ *= fading_steps / (fading_steps - 1);
  put(score, increment_);
  if (increment_ > increment_max) normalise();
}

void ShareHistogram::normalise() {
  for (auto& mass : mass_) mass /= increment_;
  total_ = std::accumulate(mass_.begin(), mass_.end(), 0.0F);
  increment_ = 1;
}

float ShareHistogram::quantile(double position) const {
  if (position <= 0) return 0;
  if (position >= 1) return above_every_score;
  float left = static_cast<float>(position) * total_;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    if (left < mass_[bin]) return (static_cast<float>(bin) + left / mass_[bin]) / bins;
    left -= mass_[bin];
  }
  return 1;
}

float ShareHistogram::percentile(float score) const {
  if (!(score > 0)) return 0;  // also for a score that is not a number
  const float place = std::min(score, 1.0F) * bins;
  const auto bin = std::min(static_cast<std::size_t>(place), bins);
  float below =
      std::accumulate(mass_.begin(), mass_.begin() + static_cast<std::ptrdiff_t>(bin), 0.0F);
  if (bin < bins) below += mass_[bin] * (place - static_cast<float>(bin));
  return std::clamp(below / total_, 0.0F, 1.0F);
}

void ShareHistogram::add(const ShareHistogram& other) {
  normalise();
  for (std::size_t bin = 0; bin < bins; ++bin) mass_[bin] += other.mass_[bin] / other.increment_;
  total_ = std::accumulate(mass_.begin(), mass_.end(), 0.0F);
}

void ShareHistogram::scale_to(float steps) {
  const float factor = steps / total_;
  for (auto& mass : mass_) mass *= factor;
  total_ = steps;
  increment_ = 1;
}

std::string ShareHistogram::text() const {
  std::string line;
  for (const auto mass : mass_)
    fmt::format_to(std::back_inserter(line), "{}{:.9g}", line.empty() ? "" : " ",
                   mass / increment_);
  return line;
}

bool ShareHistogram::parse(std::string_view& text) {
  for (auto& mass : mass_) {
    if (!take_number(text, mass) || mass < 0 || mass > mass_max) return false;
  }
  total_ = std::accumulate(mass_.begin(), mass_.end(), 0.0F);
  increment_ = 1;
  return total_ > 0;
}

}  // namespace turnpike::policy
