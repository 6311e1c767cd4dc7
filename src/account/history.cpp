#include "account/history.hpp"

#include <chrono>
#include <utility>

#include "account/definitions.hpp"
#include "account/fields.hpp"

namespace turnpike::account {

namespace {

Instant instant_of(const Entry& entry) { return Instant{std::chrono::microseconds{entry.at}}; }

}  // namespace

std::vector<BudgetChange> budget_changes(std::span<const Entry> entries, std::string_view budget) {
  std::vector<BudgetChange> changes;
  for (const auto& entry : entries) {
    if (entry.kind != EntryKind::budget_set) continue;
    auto detail = parse_budget(entry.detail);
    if (!detail || detail->settings.budget != budget) continue;
    changes.push_back({entry.seq, instant_of(entry), std::move(detail->settings)});
  }
  return changes;
}

std::vector<KeyHistoryEntry> key_changes(std::span<const Entry> entries, std::string_view key_id) {
  std::vector<KeyHistoryEntry> changes;
  for (const auto& entry : entries) {
    if (entry.kind == EntryKind::key_revoked) {
      const Fields fields{entry.detail};
      if (fields.text("key") != key_id || changes.empty()) continue;
      auto revoked = changes.back();
      revoked.entry = entry.seq;
      revoked.at = instant_of(entry);
      revoked.event = KeyEvent::revoked;
      revoked.by = fields.text("by");
      revoked.key.revoked = revoked.at;
      revoked.key.revoked_by = revoked.by;
      changes.push_back(std::move(revoked));
      continue;
    }
    const bool created = entry.kind == EntryKind::key_created;
    if (!created && entry.kind != EntryKind::key_changed) continue;
    auto key = parse_key(entry.detail, instant_of(entry));
    if (!key || key->account.key_id != key_id) continue;
    if (!created && !changes.empty()) {
      key->created = changes.front().at;
      key->changed = instant_of(entry);
    }
    auto by = created ? key->created_by : key->changed_by;
    changes.push_back({entry.seq, instant_of(entry),
                       created ? KeyEvent::created : KeyEvent::changed, std::move(by),
                       *std::move(key)});
  }
  return changes;
}

}  // namespace turnpike::account
