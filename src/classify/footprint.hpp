// What learning needs to know of a request: numbers and hash buckets, no text. Small enough to be kept until the
// outcome is known.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "classify/text_features.hpp"
#include "classify/trace_features.hpp"

namespace turnpike::classify {

/// The n-gram buckets of the prior, folded: the online layer's table has one weight for each.
inline constexpr std::uint32_t learned_buckets = 1U << 16;
/// Different n-grams of one request that the layer looks at; a text of some 1,000 words has as many.
inline constexpr std::size_t learned_ngrams_max = 2048;
inline constexpr std::size_t dense_features = text_feature_count + trace_feature_count;

/// Borrowed: valid as long as what it was made of.
struct FootprintView {
  /// Counts less their mean in units of their spread, then trace counters; in feature_one, at most 2 either way.
  /// Inside a tool loop the text's part is scaled down as the prior scales it.
  std::array<std::int16_t, dense_features> dense{};
  std::span<const std::uint16_t> ngrams;  // each once
  std::int32_t ngram_value = 0;           // what one of them counts for, in logit_one
  std::int32_t prior_logit = 0;           // in logit_one
  float prior_score = 0;                  // the frozen score
  std::uint32_t words = 0;                // of the question: the length that every result is compared with
};

/// The same, with n-grams of its own.
class Footprint {
 public:
  Footprint() = default;
  explicit Footprint(const FootprintView& view)
      : view_(view), ngrams_(view.ngrams.begin(), view.ngrams.end()) {
    view_.ngrams = {};
  }
  [[nodiscard]] FootprintView view() const {
    FootprintView view = view_;
    view.ngrams = ngrams_;
    return view;
  }

 private:
  FootprintView view_;
  std::vector<std::uint16_t> ngrams_;
};

/// Room for the n-grams of a view; on the caller's stack while a request is scored.
using FootprintRoom = std::array<std::uint16_t, learned_ngrams_max>;

/// What a request was found to contain; the parts of a footprint.
struct FootprintParts {
  const TextScan& scan;
  std::span<const std::uint32_t> buckets;  // of the prior, repeats included
  const std::array<std::int32_t, text_feature_count>& means;
  const std::array<std::int32_t, trace_feature_count>& traces;
  std::int32_t text_share;  // in feature_one
};

/// Without prior_logit and prior_score. `room` must outlive the view.
FootprintView make_footprint(const FootprintParts& parts, FootprintRoom& room);

}  // namespace turnpike::classify
