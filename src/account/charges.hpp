// A stretch of the journal read as what was charged: each end of an attempt, each overrun and
// correction with the names that its entry refers to by number.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "account/definitions.hpp"
#include "account/entry.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::account {

/// One charge. Borrowed from its reader: copy what must outlive the call that shows it.
struct Charge {
  std::int64_t entry = 0;  // its seq
  EntryKind kind = EntryKind::settle_exact;  // an end, overrun or correction
  Instant at{};
  std::optional<Instant> admitted;  // of the attempt's reserve; absent if it began long before the stretch
  std::string_view target;          // "provider/model"
  std::string_view tier;            // that chose the target; empty if not known
  std::string_view cause;           // why it is void or estimated; else empty
  const PathDetail* path = nullptr;    // who is charged; never null
  const PriceQuote* price = nullptr;   // pinned at admission; never null
  std::int64_t corrected = 0;          // corrections: seq of the entry that is corrected
  std::int64_t flags = 0;
  Usage usage;      // ends only
  Credits amount;   // added to what is settled; a correction may be negative
  Credits reserved; // ends only: the bound that was held; zero where `admitted` is absent
};

void add_usage(Usage& sum, const Usage& more);

/// Which of them: by the instant of the entry.
struct ChargeQuery {
  std::optional<Instant> since;  // inclusive
  std::optional<Instant> until;  // exclusive
};
using ChargeVisitor = std::function<void(const Charge&)>;

/// Turns entries into charges. Entries are given in the journal's order.
class ChargeReader {
 public:
  /// How long before a stretch one must begin to read, so that the reserves of its ends are known:
  /// longer than the total time-out of any attempt and its drain.
  static constexpr std::chrono::hours lead{1};

  /// What the entries' numbers stand for; all definitions before the first read().
  void define(const std::vector<Entry>& entries);
  /// Nothing for entries that charge nobody. Valid until the next call.
  const Charge* read(const Entry& entry);

 private:
  struct Open {
    std::int64_t at = 0;
    std::int64_t amount = 0;
    std::int64_t tier = 0;
  };
  [[nodiscard]] std::string_view name(std::int64_t seq) const;

  std::unordered_map<std::int64_t, std::string> names_;
  std::unordered_map<std::int64_t, PriceQuote> prices_;
  std::unordered_map<std::int64_t, PathDetail> paths_;
  std::unordered_map<std::int64_t, Open> open_;  // attempts reserved and not ended, by seq
  std::int64_t last_attempt_ = 0;                // the attempt that ended last, for its overrun
  Open last_;
  Charge charge_;
};

}  // namespace turnpike::account
