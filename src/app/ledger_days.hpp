// What the ledger charged for one provider's models, by day and model, taken apart the way an invoice is.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "account/calendar.hpp"
#include "account/charges.hpp"
#include "app/invoice.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::app {

/// Counts of a usage, and rates, in the order of BilledClass.
std::array<std::int64_t, priced_classes> counts_of(const Usage& usage);
std::array<std::int64_t, priced_classes> rates_of(const Rates& rates);

struct LedgerCell {
  struct Ends {
    std::int64_t attempts = 0;
    Credits amount;
    Credits reserved;
  };
  using ByCause = std::map<std::string, Ends, std::less<>>;

  std::int64_t exact = 0;  // attempts
  Credits exact_amount;    // overruns included
  ByCause estimated;
  ByCause voided;          // amount 0; `reserved` is what each could have cost
  Credits corrections;     // booked by operators, on the day of what they correct
  Credits crossed_in;      // of the amounts: admitted the day before
  Credits crossed_out;     // admitted on this day, settled and counted on the next
  // Exact and estimated together.
  std::array<std::int64_t, priced_classes> counts{};
  std::array<std::int64_t, priced_classes> pico{};       // count x pinned price
  std::array<std::int64_t, priced_classes> rate_least{};  // pico-credits; meaningful where counts are
  std::array<std::int64_t, priced_classes> rate_most{};

  [[nodiscard]] Credits estimated_amount() const;
  [[nodiscard]] std::int64_t attempts() const;
  LedgerCell& operator+=(const LedgerCell& other);
};

class LedgerDays {
 public:
  using Key = std::pair<std::string, std::chrono::sys_days>;  // canonical model, day

  /// Days are those of `zone`, an IANA name; its offset from UTC is at most 12 hours.
  LedgerDays(std::string provider, std::string_view zone);
  /// A correction counts on the day of what it corrects: all of them, before the first add().
  void correct(std::int64_t settled_entry, Credits amount) { corrections_[settled_entry] += amount; }
  void add(const account::Charge& charge);
  [[nodiscard]] const std::map<Key, LedgerCell>& cells() const { return cells_; }
  /// The ledger's own name of a model.
  [[nodiscard]] std::string name_of(const std::string& canonical) const;
  /// [first, last] as instants: the beginning of the first day and the end of the last.
  [[nodiscard]] std::pair<Instant, Instant> span(std::chrono::sys_days first, std::chrono::sys_days last) const;

 private:
  std::chrono::sys_days day_of(Instant instant);

  std::string provider_;
  account::WindowRule day_rule_;
  account::Span day_;  // the last one asked for: charges come in order
  std::unordered_map<std::int64_t, Credits> corrections_;
  std::map<std::string, std::string> names_;
  std::map<Key, LedgerCell> cells_;
};

}  // namespace turnpike::app
