// What dated prices will change: when, to what, what last week's traffic would have cost, and where the policy would send
// it. Pure: no clock, no I/O.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/charges.hpp"
#include "catalog/catalog.hpp"
#include "policy/policy.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::app {

enum class ChangeKind : std::uint8_t {
  price,      // another price
  promotion,  // a price that was to end by design ends
  free,       // it costs nothing until then
  retirement, // it is no longer on sale
};
std::string_view to_string(ChangeKind kind);

/// The end of the price interval that is in force. Hours of the day are no change: they come back every day.
struct PriceChange {
  Instant at{};
  ChangeKind kind = ChangeKind::price;
  std::string price_id;       // in force until then
  std::string next_price_id;  // empty: none
  std::string successor;      // retirement: target that takes over; may be empty
};
/// Intervals that differ in nothing but their name are no change.
std::optional<PriceChange> next_dated_change(const catalog::Model& model, Instant now);

/// The same hour of the same weekday, in the first week from `change` on.
Instant same_hour_after(Instant at, Instant change);

/// Last week's use of one model, and what it would cost behind the model's next dated change.
struct ModelBill {
  std::string target;
  std::int64_t attempts = 0;
  Usage usage;
  Credits settled;              // as it was, overruns included
  Credits then;                 // at the later price, each attempt at its own hour of the week
  std::int64_t unpriced = 0;    // attempts that nobody would take at a known price: not in `then`
  std::optional<PriceChange> change;
};

class BillForecast {
 public:
  static constexpr std::chrono::days span{7};

  /// The catalog is borrowed.
  BillForecast(const catalog::Catalog& catalog, Instant now) : catalog_(catalog), now_(now) {}
  void add(const account::Charge& charge);
  /// By target. Models that are gone from the catalog cost what they cost.
  [[nodiscard]] std::vector<ModelBill> bills() const;

 private:
  ModelBill& bill_of(std::string_view target);
  [[nodiscard]] std::optional<Credits> later(const PriceChange& change, const catalog::Model& model, const account::Charge& charge) const;

  const catalog::Catalog& catalog_;
  Instant now_;
  std::map<std::string, ModelBill, std::less<>> bills_;
};

/// What a policy does with a model in one of its tiers, at two instants.
struct TierOrderChange {
  std::string tier;
  std::vector<std::string> before;  // targets in the order of trying
  std::vector<std::string> after;
};
/// The tiers that name the model, among their targets or their fallback, for a step with so many prompt tokens and no
/// further needs: the decision's own order, just before `at` and at it.
std::vector<TierOrderChange> order_around(const policy::Policy& policy, const catalog::Catalog& catalog, const catalog::Model& model, Instant at,
                                          std::int64_t prompt_tokens);

/// Average prompt of a bill's attempts; a typical agent's where there is none.
std::int64_t typical_prompt(const ModelBill& bill);

}  // namespace turnpike::app
