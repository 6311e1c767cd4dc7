// Who changed what and when: the journal's entries about one budget or one key, oldest first.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/budget.hpp"
#include "account/entry.hpp"
#include "account/key_ring.hpp"

namespace turnpike::account {

struct BudgetChange {
  std::int64_t entry = 0;
  Instant at{};
  BudgetSettings settings;  // in force from then on, with who and why
};

enum class KeyEvent : std::uint8_t { created, changed, revoked };

struct KeyHistoryEntry {
  std::int64_t entry = 0;
  Instant at{};
  KeyEvent event = KeyEvent::created;
  std::string by;
  KeyInfo key;  // as it is from then on
};

/// Entries of kind budget_set that name this budget.
std::vector<BudgetChange> budget_changes(std::span<const Entry> entries, std::string_view budget);
/// Entries of kinds key_created, key_changed and key_revoked about this key, in the order of the
/// journal.
std::vector<KeyHistoryEntry> key_changes(std::span<const Entry> entries, std::string_view key_id);

}  // namespace turnpike::account
