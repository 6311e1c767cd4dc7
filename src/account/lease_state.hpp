// Replicas: what Books remembers about leases beside the journal. All of it is guarded by Books'
// mutex; none of it is part of the fold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "account/calendar.hpp"
#include "account/replica.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"

namespace turnpike::account {

class Bell;
struct Rule;

/// One rule's part.
struct LeaseCourse {
  /// Granted for a window that has not been opened here: the next one, or this one before its first
  /// request.
  struct Early {
    Span span;
    std::int64_t lease = 0;
    Credits amount;
    Credits elsewhere;
  };

  bool watched = false;               // in LeaseState::watched
  std::vector<std::int64_t> windows;  // with a lease that is not closed
  std::vector<Early> early;
  Monotonic used_at{};      // last reservation
  Credits block;            // last grant; below half of it another is asked for
  bool low = false;         // below half: ask
  bool give_back = false;   // once: others need it, or the limit was lowered
  Monotonic quiet_until{};  // others are short of it: nothing is taken in advance before then
  Credits want;  // the largest reservation that waits for a lease, and what it could be cut down to
  Credits least;
  Monotonic wanted_until{};
  Credits denied;  // reservations that lack so much need not wait before `denied_until`
  Monotonic denied_until{};
  Credits elsewhere;   // settled by other replicas, as of the last exchange
  Credits limit_told;  // the limit when we last asked
};

/// The whole ledger's part.
struct LeaseState {
  std::optional<ReplicaOptions> options;  // absent: an embedded ledger without leases
  Bell* keeper = nullptr;                 // rung when something is to be asked for at once
  Monotonic good_until{};                 // leases may be used before it
  bool reachable = false;                 // the last word with the central ledger was heard
  bool superseded =
      false;  // another process has our name: nothing may be used, whatever the settings
  std::vector<Rule*> watched;        // rules with leases, or in need of one
  std::uint64_t generation = 0;      // of the budgets that were looked through
  std::vector<Definition> outbox;    // made here, to be told to the others
  std::int64_t last_definition = 0;  // seq of the last of them
  std::int64_t awaited = 0;          // reservations that had to wait for a lease
  std::int64_t exposures = 0;        // self-granted allowances

  [[nodiscard]] bool on() const { return options.has_value(); }
};

}  // namespace turnpike::account
