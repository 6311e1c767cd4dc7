#include "classify/classifier.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

namespace turnpike::classify {
namespace {

/// Floor of the square root.
std::int64_t square_root(std::int64_t n) {
  std::int64_t root = 0;
  for (std::int64_t bit = std::int64_t{1} << 30; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= n) root += bit;
  }
  return root;
}

/// Keeps the strongest signals seen so far, strongest first.
class SignalList {
 public:
  void add(std::string_view name, std::int64_t logit) {
    constexpr std::int64_t least = logit_one / 50;  // weaker ones explain nothing
    if (std::abs(logit) < least) return;
    const Entry entry{name, logit};
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (std::abs(entry.logit) > std::abs(entries_[i].logit)) {
        std::copy_backward(entries_.begin() + static_cast<std::ptrdiff_t>(i), entries_.end() - 1,
                           entries_.end());
        entries_[i] = entry;
        return;
      }
    }
  }

  [[nodiscard]] std::array<Signal, 4> signals() const {
    std::array<Signal, 4> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = {entries_[i].name,
                static_cast<float>(entries_[i].logit) / static_cast<float>(logit_one)};
    }
    return out;
  }

 private:
  struct Entry {
    std::string_view name;
    std::int64_t logit = 0;
  };
  std::array<Entry, 4> entries_{};
};

struct NgramSum {
  std::int64_t logit = 0;
  std::int32_t known = 0;  // share of n-grams that training has seen, beyond chance; in feature_one
};

NgramSum sum_ngrams(const Weights& weights, std::span<const std::uint32_t> buckets) {
  std::int64_t sum = 0;
  std::int64_t known = 0;
  for (const std::uint32_t bucket : buckets) {
    const std::int8_t weight = weights.ngrams[bucket];
    const bool seen = weight != ngram_unseen;
    sum += seen ? std::int64_t{weight} : 0;
    known += seen ? 1 : 0;
  }
  if (buckets.empty()) return {};
  const auto count = static_cast<std::int64_t>(buckets.size());
  // Divided by the root of the count, with eight bits below the point: a long text must not win by
  // length alone.
  const std::int64_t root = square_root(count << 16);
  const std::int64_t chance = weights.ngrams_filled;
  const std::int64_t beyond_chance =
      std::max<std::int64_t>(0, known * feature_one / count - chance) * feature_one /
      std::max<std::int64_t>(1, feature_one - chance);
  return {.logit = sum * weights.ngram_step * 256 / root,
          .known = static_cast<std::int32_t>(beyond_chance)};
}

/// Straight lines between the knots; beyond the last one the score creeps on, so that order is
/// never lost.
std::int64_t curve_at(const Weights& weights, std::int64_t logit) {
  constexpr std::int64_t step = std::int64_t{2} * curve_reach * logit_one / (curve_knots - 1);
  constexpr std::int64_t reach = std::int64_t{curve_reach} * logit_one;
  if (logit >= reach) {
    const std::int64_t top = weights.curve.back();
    const std::int64_t beyond = logit - reach;
    return top + (score_one - top) * beyond / (beyond + reach);
  }
  if (logit <= -reach) {
    const std::int64_t beyond = -reach - logit;
    return std::int64_t{weights.curve.front()} * reach / (beyond + reach);
  }
  const std::int64_t offset = logit + reach;
  const auto knot = static_cast<std::size_t>(offset / step);
  const std::int64_t low = weights.curve[knot];
  const std::int64_t high = weights.curve[knot + 1];
  return low + (high - low) * (offset % step) / step;
}

std::int64_t count_logit(const Weights& weights, const TextScan& scan, SignalList& signals) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < text_feature_count; ++i) {
    const std::int64_t away = scan.features[i] - weights.count_means[i];
    const std::int64_t logit = away * weights.count_weights[i] / feature_one;
    signals.add(to_string(static_cast<TextFeature>(i)), logit);
    sum += logit;
  }
  return sum;
}

std::int64_t trace_logit(const Weights& weights, const RequestFacts& facts, SignalList& signals) {
  const auto features = trace_features(facts);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < trace_feature_count; ++i) {
    const std::int64_t logit = std::int64_t{features[i]} * weights.trace_weights[i] / feature_one;
    signals.add(to_string(static_cast<TraceFeature>(i)), logit);
    sum += logit;
  }
  return sum;
}

/// How much of the evidence is of a kind that training knows: n-grams for a question, outcomes for
/// a tool loop.
std::int32_t confidence_of(const RequestFacts& facts, const TextScan& scan, std::int32_t known) {
  constexpr std::int32_t few_words = 6;
  const auto words = std::min<std::int32_t>(static_cast<std::int32_t>(scan.words), few_words);
  // Half of the n-grams are pairs, and most pairs are new even in familiar text.
  std::int32_t confidence = std::min(2 * known, feature_one) * words / few_words;
  if (facts.step == StepKind::title_or_summary)
    confidence = std::max(confidence, feature_one * 3 / 4);
  const std::int32_t outcomes = std::min(facts.trace.tool_results_since_human, 4);
  return std::min(feature_one, confidence + (feature_one - confidence) * outcomes / 8);
}

struct Reading {
  std::int64_t logit = 0;  // of the prior
  std::int32_t known = 0;
};

Reading read(const Weights& weights, const RequestFacts& facts, const TextScan& scan,
             std::span<const std::uint32_t> buckets, SignalList& signals) {
  const NgramSum ngrams = sum_ngrams(weights, buckets);
  signals.add("wording", ngrams.logit);
  std::int64_t text = ngrams.logit + count_logit(weights, scan, signals);
  if (facts.in_tool_loop) text = text * weights.loop_text_share / feature_one;
  return {weights.bias + text + trace_logit(weights, facts, signals), ngrams.known};
}

float curve_score(const Weights& weights, std::int64_t logit) {
  return static_cast<float>(curve_at(weights, logit)) / static_cast<float>(score_one);
}

FootprintView footprint_of(const Weights& weights, const RequestFacts& facts, const TextScan& scan,
                           std::span<const std::uint32_t> buckets, std::int64_t prior_logit,
                           FootprintRoom& room) {
  const auto traces = trace_features(facts);
  FootprintView view = make_footprint(
      {.scan = scan,
       .buckets = buckets,
       .means = weights.count_means,
       .traces = traces,
       .text_share = facts.in_tool_loop ? weights.loop_text_share : feature_one},
      room);
  constexpr std::int64_t most = std::int64_t{64} * logit_one;  // an absurd one must not drown what is learned
  view.prior_logit = static_cast<std::int32_t>(std::clamp(prior_logit, -most, most));
  view.prior_score = curve_score(weights, prior_logit);
  return view;
}

}  // namespace

Difficulty Classifier::classify(const RequestFacts& facts, const OnlineLayer* layer,
                                Footprint* kept) const {
  std::array<std::uint32_t, ngrams_max> buckets;  // NOLINT: filled by the scan, 32 KiB on the stack
  const TextScan scan = scan_text(facts.question, buckets);
  const auto found = std::span{buckets}.first(scan.ngrams);
  SignalList signals;
  const Reading reading = read(weights_, facts, scan, found, signals);

  Difficulty difficulty;
  difficulty.prior = curve_score(weights_, reading.logit);
  difficulty.score = difficulty.prior;
  FootprintRoom room;  // NOLINT: filled up to what the view says
  FootprintView view;
  if (layer != nullptr || kept != nullptr)
    view = footprint_of(weights_, facts, scan, found, reading.logit, room);
  if (kept != nullptr) *kept = Footprint{view};
  if (layer != nullptr) {
    const std::int64_t learned = layer->logit(view) - view.prior_logit;
    signals.add("learned", learned);
    difficulty.score = curve_score(weights_, reading.logit + learned);
  }
  const std::int32_t confidence = confidence_of(facts, scan, reading.known);
  difficulty.confidence = static_cast<float>(confidence) / static_cast<float>(feature_one);
  difficulty.abstained = confidence < weights_.confidence_floor;
  difficulty.step = facts.step;
  difficulty.signals = signals.signals();
  return difficulty;
}

float Classifier::score_at(std::int64_t logit) const { return curve_score(weights_, logit); }

Footprint Classifier::footprint(const RequestFacts& facts) const {
  std::array<std::uint32_t, ngrams_max> buckets;  // NOLINT: filled by the scan, 32 KiB on the stack
  const TextScan scan = scan_text(facts.question, buckets);
  const auto found = std::span{buckets}.first(scan.ngrams);
  SignalList signals;
  const Reading reading = read(weights_, facts, scan, found, signals);
  FootprintRoom room;  // NOLINT: filled up to what the view says
  return Footprint{footprint_of(weights_, facts, scan, found, reading.logit, room)};
}

Result<Classifier> Classifier::load(std::span<const std::byte> bytes) {
  auto weights = read_weights(bytes);
  if (!weights) return std::unexpected{weights.error()};
  return Classifier{std::move(*weights)};
}

Result<Classifier> Classifier::load(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
  if (!file) {
    return std::unexpected{
        gateway_error(500, "bad_weights", "classifier weights: cannot read " + path.string())};
  }
  return load(std::as_bytes(std::span{bytes}));
}

}  // namespace turnpike::classify
