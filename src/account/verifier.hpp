// The checks behind verify(): fed with the journal in order, it keeps sums of its own and stops at
// the first entry that breaks an invariant.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "account/definitions.hpp"
#include "account/entry.hpp"
#include "account/store.hpp"
#include "account/verify.hpp"

namespace turnpike::account {

class Verifier {
 public:
  /// A checkpoint to compare with when its entry comes by (I5).
  void expect(Checkpoint checkpoint) { checkpoint_ = std::move(checkpoint); }
  /// The next entry. False once a violation is found; later entries are not looked at.
  bool feed(const Entry& entry);
  /// After the last entry.
  VerifyReport finish();

 private:
  struct Window {
    std::string rule;  // budget and span kind: all windows with this key share one limit
    WindowDetail detail;
    Credits settled;
    Credits reserved;
    Credits leased;  // replicas
  };
  struct Limit {
    WindowRule rule;
    bool in_force = false;
    std::vector<std::int64_t> windows;  // that may still count
  };
  struct Attempt {
    Credits held;
    std::int64_t path = 0;
    std::int64_t price = 0;
    std::int64_t model = 0;
    std::int64_t epoch = 0;
    std::int64_t tokens = 0;
    bool ended = false;
  };
  struct Owed {  // an overrun that must be the next entry
    std::int64_t attempt = 0;
    Credits amount;
  };

  void check_sequence(const Entry& entry);
  void check_owed(const Entry& entry);
  void dispatch(const Entry& entry);
  void key_entry(const Entry& entry);
  void budget_set(const Entry& entry);
  void conversation_lifted(const Entry& entry, const std::string& name);
  void window_opened(const Entry& entry);
  void path_defined(const Entry& entry);
  void reserve(const Entry& entry);
  void reserve_windows(const Entry& entry, const PathDetail& path);
  PathDetail charged_path(const Entry& entry, const PathDetail& path);
  void reserve_window(const Entry& entry, const PathDetail& path, const std::string& budget,
                      const std::string& key, const Limit& limit);
  void reserve_bound(const Entry& entry);
  void lease(const Entry& entry);
  void progress(const Entry& entry);
  void end(const Entry& entry);
  void end_amount(const Entry& entry, const Attempt& attempt);
  void overrun(const Entry& entry);
  void correction(const Entry& entry);
  void compare_checkpoint(const Entry& entry);
  void charge_path(std::int64_t path, Credits settled, Credits reserved);
  void fail(const Entry& entry, std::string invariant, std::string message);
  [[nodiscard]] Attempt* open_attempt(const Entry& entry);

  VerifyReport report_;
  std::int64_t seq_ = 0;
  std::int64_t at_ = 0;
  std::int64_t epoch_ = 0;
  bool leasing_ = false;  // this epoch is a replica's: what it has no lease of it may not reserve
  std::uint32_t chain_ = 0;
  std::optional<Owed> owed_;
  std::optional<Checkpoint> checkpoint_;
  std::unordered_map<std::int64_t, std::string> names_;
  std::unordered_map<std::int64_t, PriceQuote> prices_;
  std::unordered_map<std::int64_t, Window> windows_;
  std::unordered_map<std::int64_t, PathDetail> paths_;
  std::map<std::string, std::map<std::string, Limit>> budgets_;  // budget -> span kind -> limit
  std::set<std::string> conversations_capped_;  // budgets that cap each conversation below
  std::map<std::string, bool> keys_;                             // id -> revoked
  std::unordered_map<std::int64_t, Attempt> attempts_;
  std::unordered_set<std::int64_t> open_;
  std::size_t abandoned_ = 0;  // open attempts of earlier epochs
};

}  // namespace turnpike::account
