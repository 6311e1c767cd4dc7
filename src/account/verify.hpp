// Recomputes the ledger's invariants from its journal, entry by entry, with code of its own:
// nothing here is shared with the code that keeps the balances. The invariants I1-I10 are listed in
// docs/ledger.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "turnpike/credits.hpp"
#include "turnpike/error.hpp"

namespace turnpike::account {

struct Violation {
  std::int64_t entry = 0;  // seq of the first entry that breaks it
  std::string invariant;   // "I4"
  std::string message;
};

struct VerifyReport {
  std::int64_t entries = 0;
  std::int64_t entries_in_front = 0;  // of those, only in the front journal yet
  std::int64_t torn_bytes = 0;        // unreadable tail of the front journal, never acknowledged
  std::int64_t attempts = 0;
  std::int64_t attempts_open = 0;  // none when nothing is in flight
  std::int64_t estimated = 0;
  std::int64_t overruns = 0;
  Credits settled;   // over all attempts
  Credits reserved;  // held by open attempts
  std::optional<Violation> violation;

  [[nodiscard]] bool ok() const { return !violation; }
};

/// Of a ledger that is not running, or of a copy. Changes nothing. Errors as Ledger::open:
/// `store_locked` if a gateway runs on it (ask it through its admin address), `store_missing`,
/// `store_schema`, `store_corrupt`.
Result<VerifyReport> verify(const std::filesystem::path& directory);

}  // namespace turnpike::account
