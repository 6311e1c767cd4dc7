#include "classify/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace turnpike::classify {
namespace {

/// Rate of weak failures (mean over the weaker half of the models) at each tenth of the training data by score.
/// Written by turnpike-adapt --calibration.
constexpr std::array<float, 11> shipped_rates{0.20F, 0.24F, 0.31F, 0.38F, 0.44F, 0.50F,
                                              0.56F, 0.62F, 0.68F, 0.75F, 0.82F};
constexpr double shipped_weight = 20;  // outcomes

struct Block {
  double sum = 0;
  double weight = 0;
  double from = 0;  // scores
  double until = 0;
  [[nodiscard]] double rate() const { return sum / weight; }
};

/// Pool adjacent violators: neighbours that fall are made one.
std::vector<Block> rising(std::vector<Block> points) {
  std::vector<Block> blocks;
  for (const auto& point : points) {
    blocks.push_back(point);
    const auto must_join = [&blocks] {
      const Block& before = blocks[blocks.size() - 2];
      return before.rate() >= blocks.back().rate() || before.until == blocks.back().from;
    };
    while (blocks.size() > 1 && must_join()) {
      const Block last = blocks.back();
      blocks.pop_back();
      blocks.back().sum += last.sum;
      blocks.back().weight += last.weight;
      blocks.back().until = last.until;
    }
  }
  return blocks;
}

/// Straight lines between the middles of the blocks, so that scores of one block do not all say the same.
double between(const std::vector<Block>& blocks, double score) {
  const auto middle = [](const Block& block) { return (block.from + block.until) / 2; };
  const auto after = std::ranges::find_if(blocks, [&](const Block& block) { return middle(block) >= score; });
  if (after == blocks.begin()) return blocks.front().rate();
  if (after == blocks.end()) return blocks.back().rate();
  const auto& left = *(after - 1);
  const double way = (score - middle(left)) / (middle(*after) - middle(left));
  return std::lerp(left.rate(), after->rate(), way);
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
    points.push_back({double{judged.weak_failed}, 1, double{judged.score}, double{judged.score}});
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
    points.push_back({double{shipped_[i]} * weight, weight, score, score});
  }
  // Outcomes of one score are one point, in whichever order they come.
  std::ranges::sort(points, [](const Block& a, const Block& b) { return std::pair{a.from, a.sum} < std::pair{b.from, b.sum}; });
  const auto blocks = rising(std::move(points));
  for (std::size_t i = 0; i < knots; ++i) {
    const double score = static_cast<double>(i) / (knots - 1);
    map_[i].store(static_cast<float>(between(blocks, score)), std::memory_order_relaxed);
  }
}

}  // namespace turnpike::classify
