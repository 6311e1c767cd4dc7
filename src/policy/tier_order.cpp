#include "policy/tier_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace turnpike::policy {
namespace {

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash ^ hash >> 32U;
}

class Orderer {
 public:
  Orderer(const Policy& policy, const CostOutlook& outlook, const Situation& situation, std::vector<Pick>& picks,
          std::vector<Why>& why)
      : policy_(policy), outlook_(outlook), s_(situation), picks_(picks), why_(why) {}

  void by(TierOrder order) {
    switch (order) {
      case TierOrder::listed:
        return;
      case TierOrder::cheapest:
        return by_price();
      case TierOrder::weighted:
        return by_weight();
      case TierOrder::fastest:
        return by_time();
      case TierOrder::balanced:
        return by_price_and_time();
    }
  }

  /// In a running conversation the target that has its cache stays in front; one whose provider would refuse does not.
  void spare_limits(std::string_view keep) {
    const float least = policy_.order_limits.headroom_min;
    const auto near = [&](const Pick& pick) {
      const auto* pace = pace_of(s_.inputs, pick.target->name);
      if (pace == nullptr || pace->headroom >= least) return false;
      return pick.target->name != keep || pace->headroom <= 0;
    };
    if (std::none_of(picks_.begin(), picks_.end(), near) || std::all_of(picks_.begin(), picks_.end(), near)) return;
    std::vector<Pick> ordered;
    ordered.reserve(picks_.size());
    for (const bool behind : {false, true}) {
      for (const auto& pick : picks_) {
        if (near(pick) == behind) ordered.push_back(pick);
        if (behind && near(pick)) why_.push_back({Reason::headroom_first, limit_text(pick)});
      }
    }
    picks_ = std::move(ordered);
  }

 private:
  [[nodiscard]] std::string limit_text(const Pick& pick) const {
    const auto* pace = pace_of(s_.inputs, pick.target->name);
    const float left = pace == nullptr ? 0 : std::max(0.0F, pace->headroom);
    return fmt::format("{} has {:.0f} % of its rate limit left", pick.target->name, left * 100);
  }

  /// Expected price of this step; the dearest there is for a target without one.
  [[nodiscard]] Credits price(const Pick& pick) const {
    const auto prospect = outlook_.prospect(*pick.model, pick.target->name);
    return prospect ? outlook_.step(*prospect, prospect->readable) : Credits::max();
  }

  /// Expected milliseconds to the last token of the answer; 0: not measured of late.
  [[nodiscard]] float time(const Pick& pick) const {
    const auto* pace = pace_of(s_.inputs, pick.target->name);
    if (pace == nullptr || pace->first_token_ms <= 0) return 0;
    return pace->first_token_ms + pace->token_ms * static_cast<float>(outlook_.output_tokens());
  }

  /// A target that was not measured is taken to be as fast as the fastest, so that it is measured when its turn comes.
  [[nodiscard]] std::vector<float> times() const {
    std::vector<float> all;
    all.reserve(picks_.size());
    for (const auto& pick : picks_) all.push_back(time(pick));
    float fastest = 0;
    for (const float one : all) {
      if (one > 0 && (fastest <= 0 || one < fastest)) fastest = one;
    }
    for (float& one : all) {
      if (one <= 0) one = fastest;
    }
    return all;
  }

  template <typename Value>
  Value sort_by(const std::vector<Value>& values) {
    std::vector<std::size_t> places(picks_.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
    std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
      return values[a] != values[b] ? values[a] < values[b] : a < b;  // equals stay as listed
    });
    std::vector<Pick> sorted;
    sorted.reserve(picks_.size());
    for (const auto place : places) sorted.push_back(picks_[place]);
    picks_ = std::move(sorted);
    return values[places.front()];
  }

  [[nodiscard]] std::vector<Credits> prices() const {
    std::vector<Credits> all;
    all.reserve(picks_.size());
    for (const auto& pick : picks_) all.push_back(price(pick));
    return all;
  }

  void by_price() {
    const auto least = sort_by(prices());
    why_.push_back({Reason::cheapest_first, fmt::format("{}: about {} credits", picks_.front().target->name, to_string(least))});
  }

  void by_time() {
    const auto least = sort_by(times());
    if (least > 0) why_.push_back({Reason::fastest_first, fmt::format("{}: about {:.0f} ms", picks_.front().target->name, least)});
  }

  void by_price_and_time() {
    const auto cost = prices();
    const auto ms = times();
    std::vector<double> products(picks_.size());
    for (std::size_t i = 0; i < products.size(); ++i)
      products[i] = static_cast<double>(cost[i].nano()) * static_cast<double>(ms[i] > 0 ? ms[i] : 1.0F);
    const auto front = static_cast<std::size_t>(std::min_element(products.begin(), products.end()) - products.begin());
    (void)sort_by(products);
    why_.push_back({Reason::cheapest_first, fmt::format("{}: about {} credits in {:.0f} ms", picks_.front().target->name,
                                                        to_string(cost[front]), ms[front])});
  }

  /// The same conversation always draws the same first target, so that its cache stays warm.
  void by_weight() {
    std::uint64_t sum = 0;
    for (const auto& pick : picks_) sum += pick.target->weight;
    if (sum == 0) return;
    auto draw = hash_of(s_.facts.conversation) % sum;
    std::size_t first = 0;
    while (draw >= picks_[first].target->weight) draw -= picks_[first++].target->weight;
    const auto chosen = picks_.begin() + static_cast<std::ptrdiff_t>(first);
    std::rotate(picks_.begin(), chosen, chosen + 1);
  }

  const Policy& policy_;
  const CostOutlook& outlook_;
  const Situation& s_;
  std::vector<Pick>& picks_;
  std::vector<Why>& why_;
};

}  // namespace

void put_in_order(const Policy& policy, const Tier& tier, const CostOutlook& outlook, const Situation& situation,
                  std::string_view keep, std::vector<Pick>& picks, std::vector<Why>& why) {
  if (picks.size() < 2) return;
  Orderer orderer{policy, outlook, situation, picks, why};
  orderer.by(tier.order);
  const auto kept = std::find_if(picks.begin(), picks.end(), [&](const Pick& pick) { return pick.target->name == keep; });
  if (kept != picks.end()) std::rotate(picks.begin(), kept, kept + 1);
  orderer.spare_limits(keep);
}

}  // namespace turnpike::policy
