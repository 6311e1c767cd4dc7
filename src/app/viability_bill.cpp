#include "app/viability_bill.hpp"

#include <algorithm>
#include <cmath>

namespace turnpike::app {
namespace {

/// Nano-credits times parts of a step, so that weights need no floating money.
class WeighedSum {
 public:
  void add(Credits amount, std::int64_t parts) { sum_ += static_cast<Wide>(amount.nano()) * parts; }
  [[nodiscard]] Credits total() const { return Credits::from_nano(static_cast<std::int64_t>(sum_ / parts_per_step)); }
  static std::int64_t parts_of(double weight) { return std::llround(weight * static_cast<double>(parts_per_step)); }

 private:
  __extension__ using Wide = __int128;
  static constexpr std::int64_t parts_per_step = 1'000'000;
  Wide sum_ = 0;
};

std::optional<Credits> cost_at(const catalog::Catalog& catalog, const std::string& target, const Usage& usage, Instant at) {
  const auto* model = catalog.find(target);
  if (model == nullptr) return std::nullopt;
  const auto quote = catalog::quote_at(model->prices, at, std::chrono::seconds{0});
  if (!quote) return std::nullopt;
  const auto cost = charge(*quote, usage);
  return cost ? std::optional{*cost} : std::nullopt;
}

/// The same prompt with `cached` of its tokens read from a cache and none written: what a conversation sees that stays.
Usage with_cached(Usage usage, std::int64_t cached) {
  const std::int64_t input = usage.input();
  usage.input_cache_read = std::clamp<std::int64_t>(cached, 0, input);
  usage.input_fresh = input - usage.input_cache_read;
  usage.input_cache_write_5m = usage.input_cache_write_1h = 0;
  return usage;
}

Usage as_warm_as(const Usage& live, const Usage& candidate) {
  if (live.input() <= 0) return candidate;
  const double part = static_cast<double>(live.input_cache_read) / static_cast<double>(live.input());
  const auto cached = static_cast<std::int64_t>(part * static_cast<double>(candidate.input()));
  return cached > candidate.input_cache_read ? with_cached(candidate, cached) : candidate;
}

struct Sums {
  WeighedSum as_is, moved, moved_warm, moved_rest_cold;
  [[nodiscard]] ViabilityCost cost() const { return {as_is.total(), moved.total(), moved_warm.total(), moved_rest_cold.total()}; }

  /// False if a side has no price at that instant.
  bool add(const catalog::Catalog& catalog, const ShadowPair& pair, bool moves, Instant at) {
    const auto live = cost_at(catalog, pair.live.target, pair.live.usage, at);
    const auto candidate = cost_at(catalog, pair.shadow.target, pair.shadow.usage, at);
    const auto warm = cost_at(catalog, pair.shadow.target, as_warm_as(pair.live.usage, pair.shadow.usage), at);
    const auto cold = cost_at(catalog, pair.live.target, with_cached(pair.live.usage, 0), at);
    if (!live || !candidate || !warm || !cold) return false;
    const std::int64_t parts = WeighedSum::parts_of(pair.weight);
    as_is.add(*live, parts);
    moved.add(moves ? *candidate : *live, parts);
    moved_warm.add(moves ? *warm : *live, parts);
    moved_rest_cold.add(moves ? *candidate : *cold, parts);
    return true;
  }
};

/// The instant at which a step of that hour of the week meets the prices of the interval in force now.
Instant this_week(Instant at, Instant now, const std::optional<PriceChange>& change) {
  const Instant later = same_hour_after(at, now);
  return change && later >= change->at ? later - std::chrono::days{7} : later;
}

double part_of(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

ViabilityBill project_bill(const std::vector<ShadowPair>& pairs, const ViabilityQuestion& question, const catalog::Catalog& catalog, Instant now) {
  ViabilityBill bill;
  if (const auto* model = catalog.find(question.candidate)) bill.change = next_dated_change(*model, now);
  Sums today;
  Sums later;
  bool later_priced = bill.change.has_value();
  double live_input = 0, live_cached = 0, candidate_input = 0, candidate_cached = 0;
  for (const auto& pair : pairs) {
    if (pair.kind != ShadowKind::candidate || pair.shadow.target != question.candidate) continue;
    const bool moves = static_cast<double>(pair.percentile) <= question.share;
    if (!pair.shadow.error_code.empty() || !today.add(catalog, pair, moves, this_week(pair.at, now, bill.change))) {
      ++bill.unpriced;
      continue;
    }
    if (later_priced) later_priced = later.add(catalog, pair, moves, same_hour_after(pair.at, bill.change->at));
    bill.steps += pair.weight;
    live_input += pair.weight * static_cast<double>(pair.live.usage.input());
    live_cached += pair.weight * static_cast<double>(pair.live.usage.input_cache_read);
    candidate_input += pair.weight * static_cast<double>(pair.shadow.usage.input());
    candidate_cached += pair.weight * static_cast<double>(pair.shadow.usage.input_cache_read);
  }
  bill.now = today.cost();
  if (later_priced) bill.then = later.cost();
  bill.cache_live = part_of(live_cached, live_input);
  bill.cache_candidate = part_of(candidate_cached, candidate_input);
  return bill;
}

}  // namespace turnpike::app
