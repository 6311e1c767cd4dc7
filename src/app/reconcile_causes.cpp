#include "app/reconcile_causes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace turnpike::app {
namespace {

__extension__ using Wide = __int128;

constexpr std::size_t input_classes = 4;  // the first of BilledClass
constexpr Credits zero;

/// "client_gone 2, usage_missing 1".
std::string causes_text(const LedgerCell::ByCause& ends) {
  std::string text;
  for (const auto& [cause, end] : ends) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", cause.empty() ? "no cause" : cause, end.attempts);
  return text;
}

/// The price of a million, as people know it.
std::string per_million(Wide pico, std::int64_t count) { return turnpike::to_string(Credits::from_nano(static_cast<std::int64_t>(pico * 1000 / count))); }

class Explanation {
 public:
  explicit Explanation(const Comparison& comparison) : c_(comparison) {
    rest_ = c_.invoice_total() - c_.ledger.exact_amount - c_.ledger.estimated_amount() - c_.ledger.corrections;
  }

  std::vector<CauseAmount> run() {
    take(Cause::other_keys, c_.billed.other_keys);
    take(Cause::provider_credit, c_.billed.of(BilledClass::credit).amount.value_or(zero));
    take(Cause::other_services, c_.billed.of(BilledClass::other).amount.value_or(zero));
    take(Cause::corrections, -c_.ledger.corrections);
    if (is_rounding()) return finish_as_rounding();
    take_sum_of_classes();
    take_prices();
    take_cache_classes();
    if (is_rounding()) return finish_as_rounding();
    take_bounded();
    take(rest_ > zero ? Cause::not_through_gateway : Cause::not_on_invoice, rest_, rest_text());
    return std::move(causes_);
  }

 private:
  void take(Cause cause, Credits amount, std::string detail = {}) {
    if (amount == zero) return;
    causes_.push_back({cause, amount, std::move(detail)});
    rest_ -= amount;
  }

  /// No further than the rest, and than [least, most].
  void take_within(Cause cause, Credits least, Credits most, std::string detail) { take(cause, std::clamp(rest_, least, most), std::move(detail)); }

  /// The ledger rounds each attempt up by less than a nano-credit.
  [[nodiscard]] bool is_rounding() const {
    return rest_ <= c_.rounding && rest_ >= -(c_.rounding + Credits::from_nano(c_.ledger.attempts()));
  }
  std::vector<CauseAmount> finish_as_rounding() {
    take(Cause::rounding, rest_);
    return std::move(causes_);
  }

  void take_sum_of_classes() {
    const auto whole = c_.billed.of(BilledClass::whole).amount;
    if (!whole) return;
    Credits classes;
    bool any = false;
    for (std::size_t i = 0; i < priced_classes; ++i) {
      any = any || c_.billed.classes[i].amount;
      classes += c_.billed.classes[i].amount.value_or(zero);
    }
    if (!any) return;
    take(Cause::sum_of_classes, *whole - classes, fmt::format("{} in all, {} by class", turnpike::to_string(*whole), turnpike::to_string(classes)));
  }

  /// Only where the ledger knew one price: an average also differs when the same prices are mixed otherwise.
  void take_prices() {
    Credits amount;
    std::string detail;
    for (std::size_t i = 0; i < priced_classes; ++i) {
      const auto& billed = c_.billed.classes[i];
      const auto& price = c_.prices[i];
      if (!billed.count || !billed.amount || *billed.count == 0 || price.count == 0 || !price.single) continue;
      const auto difference = *billed.amount - price.of(*billed.count);
      if (difference <= c_.rounding && difference >= -c_.rounding) continue;
      amount += difference;
      detail += fmt::format("{}{} {} instead of {} per million", detail.empty() ? "" : ", ", to_string(static_cast<BilledClass>(i)),
                            per_million(Wide{billed.amount->nano()} * 1000, *billed.count), per_million(price.pico, price.count));
    }
    take(Cause::price, amount, std::move(detail));
  }

  /// Tokens that one side has in one class of input and the other side in another: as many on both sides are a split,
  /// the rest is more or fewer tokens.
  void take_cache_classes() {
    if (!c_.billed.has_counts()) return;
    Wide more = 0;
    Wide fewer = 0;
    Wide more_value = 0;
    Wide fewer_value = 0;
    for (std::size_t i = 0; i < input_classes; ++i) {
      const auto& price = c_.prices[i];
      const auto difference = c_.billed.classes[i].count.value_or(0) - c_.ledger.counts[i];
      const Wide value = price.of(difference < 0 ? -difference : difference).nano();
      (difference > 0 ? more : fewer) += difference > 0 ? difference : -difference;
      (difference > 0 ? more_value : fewer_value) += value;
    }
    const Wide moved = std::min(more, fewer);
    if (moved == 0) return;
    const auto amount = Credits::from_nano(static_cast<std::int64_t>(more_value * moved / more - fewer_value * moved / fewer));
    take(Cause::cache_classes, amount, fmt::format("{} prompt tokens in another class", static_cast<std::int64_t>(moved)));
  }

  void take_bounded() {
    if (c_.one_day) {
      take_within(Cause::day_boundary, -c_.ledger.crossed_in, c_.ledger.crossed_out, "attempts that ran over midnight");
    }
    const auto estimated = c_.ledger.estimated_amount();
    if (!c_.ledger.estimated.empty()) {
      Credits room;
      for (const auto& item : c_.ledger.estimated) room += std::max(item.second.reserved - item.second.amount, zero);
      take_within(Cause::estimates, -estimated, room,
                  fmt::format("{} in all by estimate ({})", turnpike::to_string(estimated), causes_text(c_.ledger.estimated)));
    }
    Credits most;
    for (const auto& item : c_.ledger.voided) most += item.second.reserved;
    take_within(Cause::void_billed, zero, most, fmt::format("void: {}", causes_text(c_.ledger.voided)));
  }

  /// "1,200 input, -30 output tokens": what is left in tokens, where the invoice counts them.
  [[nodiscard]] std::string rest_text() const {
    std::string text;
    if (!c_.billed.has_counts()) return text;
    for (std::size_t i = 0; i < priced_classes; ++i) {
      const auto difference = c_.billed.classes[i].count.value_or(0) - c_.ledger.counts[i];
      if (difference != 0) text += fmt::format("{}{} {:+}", text.empty() ? "" : ", ", to_string(static_cast<BilledClass>(i)), difference);
    }
    return text;
  }

  const Comparison& c_;
  Credits rest_;
  std::vector<CauseAmount> causes_;
};

}  // namespace

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::other_keys: return "other_keys";
    case Cause::provider_credit: return "provider_credit";
    case Cause::other_services: return "other_services";
    case Cause::corrections: return "corrections";
    case Cause::sum_of_classes: return "sum_of_classes";
    case Cause::price: return "price";
    case Cause::cache_classes: return "cache_classes";
    case Cause::rounding: return "rounding";
    case Cause::day_boundary: return "day_boundary";
    case Cause::estimates: return "estimates";
    case Cause::void_billed: return "void_billed";
    case Cause::not_through_gateway: return "not_through_gateway";
    case Cause::not_on_invoice: return "not_on_invoice";
  }
  return "rounding";
}

bool Billed::has_amounts() const {
  return other_keys != zero || std::ranges::any_of(classes, [](const Sum& sum) { return sum.amount.has_value(); });
}

bool Billed::has_counts() const {
  return std::ranges::any_of(classes, [](const Sum& sum) { return sum.count.has_value(); });
}

Credits UnitPrice::of(std::int64_t count_billed) const {
  if (count == 0) return {};
  const Wide divisor = Wide{count} * 1000;
  const Wide nano = (Wide{count_billed} * pico + divisor / 2) / divisor;
  return Credits::from_nano(static_cast<std::int64_t>(std::min<Wide>(nano, INT64_MAX)));
}

Credits Comparison::invoice_total() const {
  Credits total = billed.other_keys;
  if (!billed.has_amounts()) {
    for (std::size_t i = 0; i < priced_classes; ++i) total += prices[i].of(billed.classes[i].count.value_or(0));
    return total;
  }
  const auto whole = billed.of(BilledClass::whole).amount;
  if (whole) total += *whole;
  for (std::size_t i = 0; i < billed_classes; ++i) {
    const auto billed_class = static_cast<BilledClass>(i);
    // The whole stands for its classes; credits and other things come on top of both.
    const bool counted = billed_class == BilledClass::whole || (whole && i < priced_classes);
    if (!counted) total += billed.classes[i].amount.value_or(zero);
  }
  return total;
}

std::vector<CauseAmount> explain(const Comparison& comparison) { return Explanation{comparison}.run(); }

}  // namespace turnpike::app
