// A fading histogram of scores: of about the last 500, older ones count less and less.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace turnpike::policy {

/// Scores at the percentiles 0, 1, … 100 of the classifier's calibration set.
using Quantiles = std::array<float, 101>;

/// A value; not thread-safe. Begins with `prior_steps` scores that nobody has sent.
class ShareHistogram {
 public:
  static constexpr std::size_t bins = 128;
  static constexpr float fading_steps = 500;
  static constexpr float prior_steps = 100;

  /// Scores spread like these quantiles; null: evenly over 0..1.
  explicit ShareHistogram(const Quantiles* calibration);
  /// Nothing seen at all, to be add()ed to another one.
  static ShareHistogram nothing() { return ShareHistogram{}; }

  void remember(float score);
  /// The score that a share of `position` lies below; 0 from 0 downwards, more than any score from
  /// 1 upwards.
  [[nodiscard]] float quantile(double position) const;
  /// Share of the scores below this one, 0..1; those of its own bin are taken as spread evenly.
  [[nodiscard]] float percentile(float score) const;

  /// Takes in what the other has seen.
  void add(const ShareHistogram& other);
  /// As if `steps` scores had been seen, distributed as they are.
  void scale_to(float steps);

  /// "bin bin …"
  [[nodiscard]] std::string text() const;
  /// Takes the bins off the front of `text`; false if they are malformed, the histogram is then
  /// unusable.
  [[nodiscard]] bool parse(std::string_view& text);

 private:
  ShareHistogram() = default;
  void put(float score, float mass);
  void normalise();

  std::array<float, bins> mass_{};
  float total_ = 0;
  float increment_ = 1;  // grows instead of letting all bins shrink; brought back to 1 now and then
};

}  // namespace turnpike::policy
