#include "classify/footprint.hpp"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <string_view>
#include <utility>

#include "classify/weights.hpp"

namespace turnpike::classify {
namespace {

/// How far a count spreads over prompts (its standard deviation on train.jsonl, in feature_one), so that no count
/// learns faster than another for being written in larger numbers. other_script, all but constant there, has a wider
/// one. A count that is not listed is taken as it is.
constexpr std::pair<std::string_view, std::int32_t> spreads[] = {
    {"length", 352}, {"length_squared", 488}, {"short_question", 92}, {"word_length", 267},
    {"long_words", 19}, {"identifiers", 177}, {"variety", 56}, {"sentences", 244},
    {"sentence_length", 209}, {"commas", 349}, {"questions", 137}, {"numbers", 467},
    {"number_share", 39}, {"number_digits", 368}, {"decimals", 324}, {"math_symbols", 427},
    {"math_share", 38}, {"latex_commands", 228}, {"code_marks", 334}, {"code_share", 31},
    {"paths", 143}, {"quotes", 167}, {"negations", 204}, {"conditions", 235},
    {"quantities", 193}, {"reasons", 139}, {"lookups", 184}, {"heavy_verbs", 59},
    {"light_verbs", 116}, {"hard_matters", 86}, {"other_script", 32}};

std::array<std::int32_t, text_feature_count> spreads_of_features() {
  std::array<std::int32_t, text_feature_count> out{};
  for (std::size_t i = 0; i < text_feature_count; ++i) {
    const auto found = std::ranges::find(spreads, to_string(static_cast<TextFeature>(i)),
                                         &std::pair<std::string_view, std::int32_t>::first);
    out[i] = found != std::end(spreads) ? found->second : feature_one;
  }
  return out;
}

constexpr std::int32_t dense_reach = 2 * feature_one;

std::int16_t bounded(std::int64_t value) {
  return static_cast<std::int16_t>(
      std::clamp<std::int64_t>(value, -dense_reach, dense_reach));
}

/// 1 / sqrt(n) in logit_one. A single correctly rounded square root: the same on every machine.
std::int32_t inverse_root(std::uint64_t n) {
  constexpr std::uint64_t one = std::uint64_t{logit_one} * logit_one;
  if (n == 0) return 0;
  return static_cast<std::int32_t>(std::sqrt(static_cast<double>(one / n)));
}

}  // namespace

FootprintView make_footprint(const FootprintParts& parts, FootprintRoom& room) {
  static const auto spread = spreads_of_features();
  FootprintView view;
  for (std::size_t i = 0; i < text_feature_count; ++i) {
    const std::int64_t away = std::int64_t{parts.scan.features[i]} - parts.means[i];
    const std::int32_t value = bounded(away * feature_one / spread[i]);
    view.dense[i] = static_cast<std::int16_t>(value * parts.text_share / feature_one);
  }
  for (std::size_t i = 0; i < trace_feature_count; ++i)
    view.dense[text_feature_count + i] = bounded(parts.traces[i]);

  // 8 KiB, all zero between two calls: what a call has set it takes back, which is less work than clearing them all.
  thread_local std::bitset<learned_buckets> seen;
  std::size_t count = 0;
  for (const std::uint32_t bucket : parts.buckets) {
    const auto folded = static_cast<std::uint16_t>(bucket % learned_buckets);
    if (seen[folded]) continue;
    if (count == room.size()) break;
    seen[folded] = true;
    room[count++] = folded;
  }
  for (const std::uint16_t folded : std::span{room}.first(count)) seen[folded] = false;
  view.ngrams = std::span{room}.first(count);
  // The squares of all values add up to one, whatever the length of the text.
  view.ngram_value =
      static_cast<std::int32_t>(std::int64_t{inverse_root(count)} * parts.text_share / feature_one);
  view.words = parts.scan.words;
  return view;
}

}  // namespace turnpike::classify
