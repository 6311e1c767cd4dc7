// The balances as a fold of the journal (I5): apply() is the only way they change, live, at start
// and from a checkpoint. No clock, no locks, no I/O: Books guards one of these with its mutex.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "account/budget.hpp"
#include "account/calendar.hpp"
#include "account/definitions.hpp"
#include "account/entry.hpp"
#include "account/key_ring.hpp"
#include "account/lease_state.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::account {

struct PinnedPrice {
  std::int64_t id = 0;
  PriceQuote quote;
};

struct Budget;
struct Rule;

/// One span of one rule. Charges stay with the window of their admission, whatever the time when
/// they are settled (I8).
struct Window {
  std::int64_t id = 0;
  Rule* rule = nullptr;
  Span span;
  Credits settled;
  Credits reserved;
  bool live = true;        // counts towards the rule's totals
  std::int32_t paths = 0;  // Paths that name it

  // Replicas.
  Credits leased;         // what may be charged to it in all
  Credits exposed;        // of that, self-granted while the central ledger was away
  std::int64_t lease = 0;  // its number in the central ledger
  bool lease_open = false;
  bool exposing = false;          // `exposed` may be used now; not part of the fold
  std::optional<Credits> told;    // settled, as the central ledger has it; likewise

  [[nodiscard]] Credits used() const { return settled + reserved; }
};

struct Rule {
  Budget* budget = nullptr;
  WindowRule rule;
  bool lifted = false;  // no longer in the budget's settings; kept for what is still charged to it
  std::deque<Window*> live;  // one; for rolling up to 61, oldest first
  Credits settled;           // over the live windows
  Credits reserved;
  Pressure level = Pressure::none;
  LeaseCourse lease;

  [[nodiscard]] Credits used() const { return settled + reserved; }
  [[nodiscard]] Credits room() const { return rule.limit - used(); }
};

struct Budget {
  std::string name;
  BudgetSettings settings;
  std::int32_t open = 0;       // attempts
  std::int64_t last_used = 0;  // when an attempt was last reserved; microseconds since 1970
  std::vector<std::unique_ptr<Rule>> rules;
};

struct Path;

struct KeyState {
  std::int32_t open = 0;  // attempts
};

/// What the next attempt of a key (and, where that matters, on a target, in a conversation) is
/// charged to. `valid_until` and `generation` are Books' cache, not part of the fold.
struct Route {
  Path* current = nullptr;
  Instant valid_until{};
  std::uint64_t generation = 0;
};

struct Path {
  std::int64_t id = 0;
  PathDetail detail;
  std::vector<Window*> windows;
  std::vector<Budget*> budgets;  // those that existed when it was defined, also without windows
  Route* route = nullptr;
  std::string route_key;
  KeyState* key = nullptr;
  std::int32_t open = 0;
};

struct OpenAttempt {
  Credits held;
  Path* path = nullptr;
  const PinnedPrice* price = nullptr;
  std::int64_t model = 0;
  std::int64_t flags = 0;
  std::int64_t prompt_estimate = 0;
  std::int64_t output_seen = 0;
};

class Balances {
 public:
  /// False if the entry names something unknown or is otherwise impossible: the journal is damaged.
  [[nodiscard]] bool apply(const Entry& entry);
  /// Entries that, applied to empty balances, give these: the state without its history.
  [[nodiscard]] std::vector<Entry> snapshot() const;

  /// Forgets windows that no longer count and that nothing is charged to. Changes no balance; call
  /// before snapshot().
  void collect();
  /// Budgets of conversations that were last used before `instant` and have nothing open.
  [[nodiscard]] std::vector<std::string> idle_conversations(std::int64_t instant) const;
  /// True if budgets with a filter are in force: then a path names its target.
  [[nodiscard]] bool targets_matter() const { return targets_matter_; }

  Route& route(const PathDetail& path);
  KeyState& key_state(const std::string& key_id) { return key_states_[key_id]; }
  Budget* find_budget(const std::string& name);
  Window* find_window(std::int64_t id);
  Path* find_path(std::int64_t id);
  OpenAttempt* find_attempt(std::int64_t seq);
  [[nodiscard]] const PinnedPrice* find_price(const PriceQuote& quote) const;
  [[nodiscard]] const PinnedPrice* find_price(std::int64_t id) const;
  /// Seq of the entry that defined this text; 0 if none did.
  [[nodiscard]] std::int64_t find_name(const std::string& text) const;
  [[nodiscard]] const std::unordered_map<std::int64_t, OpenAttempt>& attempts() const {
    return attempts_;
  }
  [[nodiscard]] const std::vector<std::unique_ptr<Budget>>& budgets() const { return budgets_; }
  [[nodiscard]] const std::unordered_map<std::int64_t, std::unique_ptr<Window>>& windows() const {
    return windows_;
  }
  [[nodiscard]] const std::vector<KeyInfo>& keys() const { return keys_; }
  /// Changes with every budget_set.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  bool define_price(const Entry& entry);
  bool create_key(const Entry& entry);
  bool change_key(const Entry& entry);
  bool revoke_key(const Entry& entry);
  bool set_budget(const Entry& entry);
  bool open_window(const Entry& entry);
  bool define_path(const Entry& entry);
  bool reserve(const Entry& entry);
  bool end(const Entry& entry);
  bool charge(const Entry& entry);
  bool balance(const Entry& entry);
  bool lease(const Entry& entry);
  void drop_if_idle(Path* path);
  void erase_path(std::int64_t id);
  bool forget_conversation(Budget* budget);
  static void retire(Window* window);
  Rule& rule_of(Budget& budget, const WindowRule& rule);
  void snapshot_budgets(std::vector<Entry>& entries) const;
  void snapshot_attempts(std::vector<Entry>& entries) const;

  std::unordered_map<std::string, std::int64_t> names_;
  std::unordered_map<std::int64_t, std::unique_ptr<PinnedPrice>> prices_;
  std::unordered_multimap<std::string, const PinnedPrice*> prices_by_id_;
  std::vector<KeyInfo> keys_;
  std::vector<std::unique_ptr<Budget>> budgets_;
  std::unordered_map<std::string, Budget*> budgets_by_name_;
  std::unordered_map<std::int64_t, std::unique_ptr<Window>> windows_;
  std::unordered_map<std::int64_t, std::unique_ptr<Path>> paths_;
  std::unordered_map<std::string, Route> routes_;
  std::unordered_map<std::string, KeyState> key_states_;
  std::unordered_map<std::string, std::vector<std::int64_t>> conversation_paths_;  // by budget name
  bool targets_matter_ = false;
  std::string route_key_;  // reused
  std::unordered_map<std::int64_t, OpenAttempt> attempts_;
  std::unique_ptr<Path>
      last_ended_;  // dropped from paths_, kept for an overrun entry that follows at once
  std::uint64_t generation_ = 1;
};

}  // namespace turnpike::account
