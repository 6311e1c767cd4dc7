#include "classify/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace turnpike::classify {
namespace {

/// Rate of weak failures at each tenth of the scores, among sources that the prior was trained without;
/// neighbours that did not rise share their mean. Measured by bench/routing/adapt.cpp.
constexpr std::array<float, 11> shipped_rates{0.40F, 0.40F, 0.41F, 0.47F, 0.51F, 0.57F,
                                              0.62F, 0.62F, 0.67F, 0.68F, 0.68F};
constexpr double shipped_weight = 20;  // outcomes

/// Outcomes that are next to one another by score.
struct Block {
  double failed = 0;
  double weight = 0;
  double scores = 0;  // weighted sum
  double highest = 0;
  [[nodiscard]] double rate() const { return failed / weight; }
  [[nodiscard]] double score() const { return scores / weight; }
};

Block point(double score, double rate, double weight) { return {rate * weight, weight, score * weight, score}; }

void join(Block& block, const Block& next) {
  block.failed += next.failed;
  block.weight += next.weight;
  block.scores += next.scores;
  block.highest = next.highest;
}

/// Pool adjacent violators: neighbours that fall are made one.
std::vector<Block> rising(std::vector<Block> points) {
  std::vector<Block> blocks;
  for (const auto& next : points) {
    // One score has one rate.
    if (!blocks.empty() && blocks.back().highest == next.highest) {
      join(blocks.back(), next);
    } else {
      blocks.push_back(next);
    }
    while (blocks.size() > 1 && blocks[blocks.size() - 2].rate() >= blocks.back().rate()) {
      const Block last = blocks.back();
      blocks.pop_back();
      join(blocks.back(), last);
    }
  }
  return blocks;
}

/// Straight lines between the mean scores of the blocks, so that scores of one block do not all say the same.
double between(const std::vector<Block>& blocks, double score) {
  const auto after = std::ranges::find_if(blocks, [&](const Block& block) { return block.score() >= score; });
  if (after == blocks.begin()) return blocks.front().rate();
  if (after == blocks.end()) return blocks.back().rate();
  const auto& left = *(after - 1);
  return std::lerp(left.rate(), after->rate(), (score - left.score()) / (after->score() - left.score()));
}

}  // namespace

Calibration::Calibration(const Quantiles& quantiles) {
  for (std::size_t i = 0; i < knots; ++i) {
    const float score = static_cast<float>(i) / (knots - 1);
    const auto above = std::ranges::lower_bound(quantiles, score);
    double percentile = static_cast<double>(above - quantiles.begin());
    if (above != quantiles.begin() && above != quantiles.end() && *above > *(above - 1))
      percentile -= double{(*above - score) / (*above - *(above - 1))};
    const double place = std::clamp(percentile, 0.0, 100.0) / 10;
    const auto tenth = std::min<std::size_t>(static_cast<std::size_t>(place), shipped_rates.size() - 2);
    shipped_[i] = std::lerp(shipped_rates[tenth], shipped_rates[tenth + 1], static_cast<float>(place) - static_cast<float>(tenth));
    map_[i].store(shipped_[i], std::memory_order_relaxed);
  }
}

float Calibration::weak_fails(float score) const {
  const float place = std::clamp(score, 0.0F, 1.0F) * (knots - 1);
  const auto knot = std::min<std::size_t>(static_cast<std::size_t>(place), knots - 2);
  return std::lerp(map_[knot].load(std::memory_order_relaxed), map_[knot + 1].load(std::memory_order_relaxed),
                   place - static_cast<float>(knot));
}

void Calibration::fit(std::span<const Judged> outcomes) {
  if (outcomes.size() < learned_from) return;
  std::vector<Block> points;
  points.reserve(outcomes.size() + knots);
  double lowest = 1;
  double highest = 0;
  for (const auto& judged : outcomes) {
    points.push_back(point(double{judged.score}, double{judged.weak_failed}, 1));
    lowest = std::min(lowest, double{judged.score});
    highest = std::max(highest, double{judged.score});
  }
  // The shipped map speaks where scores occur, and at the ends, where they do not.
  std::size_t inside = 0;
  for (std::size_t i = 0; i < knots; ++i) {
    const double score = static_cast<double>(i) / (knots - 1);
    inside += score >= lowest && score <= highest ? 1 : 0;
  }
  for (std::size_t i = 0; i < knots; ++i) {
    const double score = static_cast<double>(i) / (knots - 1);
    const bool spoken = score >= lowest && score <= highest;
    const double weight = spoken ? shipped_weight / static_cast<double>(inside) : 0.01;
    points.push_back(point(score, double{shipped_[i]}, weight));
  }
  std::ranges::sort(points, std::less{}, &Block::highest);
  const auto blocks = rising(std::move(points));
  for (std::size_t i = 0; i < knots; ++i) {
    const double score = static_cast<double>(i) / (knots - 1);
    map_[i].store(static_cast<float>(between(blocks, score)), std::memory_order_relaxed);
  }
}

}  // namespace turnpike::classify
