// The trained numbers of the classifier and their file.
//
// file := "TPKW" format:u32 version:char[32] ngram_step:i32 bias:i32 loop_text_share:i32
// confidence_floor:i32
//         counts:u32 (mean:i32 weight:i32)*  traces:u32 (weight:i32)*  knots:u32 (score:u32)*
//         quantiles:101 u32  buckets:u32 (weight:i8)*  checksum:u64
// All little-endian. Logits are in logit_one, features in feature_one, scores in score_one. The
// checksum is FNV-1a over everything before it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "classify/text_features.hpp"
#include "classify/trace_features.hpp"
#include "turnpike/error.hpp"

namespace turnpike::classify {

inline constexpr std::int32_t logit_one = 1 << 16;
inline constexpr std::int32_t score_one = 1 << 24;
/// A bucket that no training text filled: it adds nothing and lowers the confidence.
inline constexpr std::int8_t ngram_unseen = -128;
/// The score curve has a knot at each quarter logit from -8 to 8.
inline constexpr std::size_t curve_knots = 65;
inline constexpr std::int32_t curve_reach = 8;

struct Weights {
  std::string version;
  std::int32_t ngram_step = 0;        // logit of one unit of n-gram weight in a text of one n-gram
  std::int32_t bias = 0;              // logit of a text with mean counts
  std::int32_t loop_text_share = 0;   // of the text's logit inside a tool loop, in feature_one
  std::int32_t confidence_floor = 0;  // in feature_one; below it the classifier abstains
  std::array<std::int32_t, text_feature_count> count_means{};
  std::array<std::int32_t, text_feature_count> count_weights{};  // logit per feature_one
  std::array<std::int32_t, trace_feature_count> trace_weights{};
  std::array<std::uint32_t, curve_knots> curve{};  // rising, in score_one
  std::array<float, 101> quantiles{};
  std::vector<std::int8_t> ngrams;  // ngram_buckets
  /// Share of buckets that training filled, in feature_one: what a text of new words seems to know
  /// by chance. Not in the file; read_weights counts it.
  std::int32_t ngrams_filled = 0;
};

/// 500 bad_weights with what is wrong: magic, format, sizes, checksum, a curve that does not rise.
Result<Weights> read_weights(std::span<const std::byte> bytes);
std::vector<std::byte> write_weights(const Weights& weights);

}  // namespace turnpike::classify
