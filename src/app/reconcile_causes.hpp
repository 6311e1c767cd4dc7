// Why an invoice and the ledger differ, for one model and period.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "app/invoice.hpp"
#include "app/ledger_days.hpp"
#include "app/reconcile.hpp"
#include "turnpike/credits.hpp"

namespace turnpike::app {

/// The invoice's side: what the gateway's keys were billed, by class.
struct Billed {
  struct Sum {
    std::optional<std::int64_t> count;
    std::optional<Credits> amount;
  };
  std::array<Sum, billed_classes> classes;
  Credits other_keys;
  std::int64_t lines = 0;

  [[nodiscard]] const Sum& of(BilledClass billed) const { return classes[static_cast<std::size_t>(billed)]; }
  [[nodiscard]] bool has_amounts() const;
  [[nodiscard]] bool has_counts() const;
};

/// pico / count: an average, since a class may have had several prices.
struct UnitPrice {
  std::int64_t pico = 0;
  std::int64_t count = 0;    // 0: not known
  bool single = false;       // one price, not an average
  [[nodiscard]] Credits of(std::int64_t count_billed) const;  // to the nearest nano-credit
};

struct Comparison {
  Billed billed;
  LedgerCell ledger;
  std::array<UnitPrice, priced_classes> prices;
  Credits rounding;  // of the invoice's lines, at most
  bool one_day = true;

  /// Its amounts, or its counts at the ledger's prices. Other keys are part of it.
  [[nodiscard]] Credits invoice_total() const;
};

/// Adds up to invoice_total() less exact, estimated and corrections.
std::vector<CauseAmount> explain(const Comparison& comparison);

}  // namespace turnpike::app
