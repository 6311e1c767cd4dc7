// An invoice against the ledger: per model and period the difference, taken apart into causes that add up to it exactly.
//
// Causes that follow from figures come first (other keys, price, cache classes, corrections). What is then left is laid
// to causes that can only be bounded, in this order and no further than each reaches: rounding, the day's boundary,
// estimates, attempts that the ledger holds for free and the provider may have billed. The rest passed by the gateway,
// or is missing on the invoice.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/invoice.hpp"
#include "app/ledger_days.hpp"
#include "catalog/decimal.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::app {

enum class Cause : std::uint8_t {
  other_keys,           // lines of the provider's keys that the gateway does not use
  provider_credit,      // taken off by the provider: free credits, discounts
  other_services,       // storage and the like
  corrections,          // what operators booked into the ledger
  sum_of_classes,       // the invoice's own total is not the sum of its classes
  price,                // another price per token
  cache_classes,        // the same prompt tokens, otherwise split into fresh, cached and written
  rounding,             // the ledger rounds each attempt up, the invoice each line
  day_boundary,         // admitted on one day, ended on the next
  estimates,            // settled by estimate
  void_billed,          // settled as void, and possibly billed
  not_through_gateway,  // billed, and unknown to the ledger
  not_on_invoice,       // in the ledger, and not billed
};
std::string_view to_string(Cause cause);

struct CauseAmount {
  Cause cause = Cause::rounding;
  Credits amount;      // part of the difference; signed like it
  std::string detail;  // figures behind it; may be empty
};

struct ClassDifference {
  BilledClass billed = BilledClass::input;
  std::optional<std::int64_t> invoice_count;
  std::int64_t ledger_count = 0;
  std::optional<Credits> invoice_amount;
  Credits ledger_amount;
};

struct ReconcileRow {
  std::string model;  // as the ledger writes it, else as the invoice does
  std::chrono::sys_days first{};
  std::chrono::sys_days last{};
  Credits invoice;
  bool computed = false;  // the invoice has counts only: valued at the ledger's prices
  Credits exact;
  Credits estimated;
  Credits corrections;
  Credits difference;  // invoice less exact, estimated and corrections
  std::vector<CauseAmount> causes;  // add up to the difference
  std::vector<ClassDifference> classes;
};

struct ReconcileOptions {
  /// Credits for one unit of the invoice's currency; absent: its amounts cannot be compared, its counts can.
  std::optional<catalog::Decimal> credits_per_unit;
  /// Names of the provider's keys that the gateway uses; empty: all lines are the gateway's.
  std::vector<std::string> keys;
  /// Price of a model that the ledger has not charged on a day.
  std::function<std::optional<Rates>(const std::string& canonical, std::chrono::sys_days day)> list_price;
};

struct Reconciliation {
  std::vector<ReconcileRow> rows;  // by model and day
  Credits invoice;
  Credits exact;
  Credits estimated;
  Credits corrections;
  Credits difference;
  Credits apart;  // sum over the models of what invoice and ledger differ by: models do not cancel out
  std::vector<CauseAmount> causes;  // summed up
  std::vector<std::string> notes;
  /// `percent`: 1 is one percent, as nano.
  [[nodiscard]] bool within(Credits percent) const;
};

/// First and last day of the lines; nothing for an empty invoice.
std::optional<std::pair<std::chrono::sys_days, std::chrono::sys_days>> days_of(const Invoice& invoice);

/// Error: neither counts nor comparable amounts.
Result<Reconciliation> reconcile(const Invoice& invoice, const LedgerDays& ledger, const ReconcileOptions& options);

}  // namespace turnpike::app
