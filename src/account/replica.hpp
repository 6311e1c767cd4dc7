// Several gateways on one set of budgets: what a replica and the central ledger say to each other.
//
// A central window is one span of one rule of one budget. A replica holds at most one lease of it;
// the lease's amount counts everything the replica ever charged to that window, so each exchange
// states totals and may be repeated:
//
//   amount   what the replica may charge to the window in all; the local journal has the same
//   figure used     of that, what it has told the central ledger as settled amount - used   is
//   still out: counted in the window's `leased`, or in `quarantine` once the replica is silent
//
// The central ledger lends no credit twice: what is out comes back only by the word of the replica
// that has it (or is booked as spent after a day). Source of the figures: reliability
// specification, "Several replicas".
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "account/budget.hpp"
#include "account/calendar.hpp"
#include "account/entry.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/secret.hpp"

namespace turnpike::account {

struct ReplicaOptions {
  Secret central;    // libpq connection string or URI; may hold a password
  std::string name;  // unique among the replicas; a second process of the same name ends the first
                     // one's leases
  /// While the central ledger cannot be reached and the leases do not suffice: nothing more
  /// (absent), or so much above the leases in every budget window, journalled.
  std::optional<Credits> allow_when_down;
  Credits block_max = Credits::from_nano(
      std::int64_t{10} * 1'000'000'000);           // of one block, unless a request needs more
  std::chrono::milliseconds lease_length{15'000};  // renewed with every beat
  std::chrono::milliseconds stop_before{
      2'000};  // the replica stops so much before the end of its leases
  std::chrono::milliseconds reclaim_after{30'000};  // and they are quarantined so much after it
  std::chrono::milliseconds quarantine{std::chrono::hours{24}};  // then booked as spent, estimated
  std::chrono::milliseconds idle{60'000};                        // an unused lease is given back
  std::chrono::milliseconds beat{250};  // definitions of other replicas arrive, leases are renewed
  std::chrono::milliseconds patience{2'000};  // for one answer of the central ledger
};

/// Which central window.
struct WindowName {
  std::string budget;
  WindowRule rule;
  Span span;
};

/// What a replica says about one window, and asks for.
struct LeaseAsk {
  WindowName window;
  Credits settled;  // in all, by this replica
  Credits used;     // settled and reserved
  Credits keep;  // of what it was granted, what it goes on holding; at least `used`, except after
                 // an overrun
  Credits exposed;  // used without a lease while the central ledger was away, and not yet told
  /// Nothing: it only reports. Else a block is wanted: `want` is the largest reservation that
  /// waits, `least` what it could be cut down to.
  struct Want {
    Credits want;
    Credits least;
  };
  std::optional<Want> wants;
  bool last = false;  // the window is over and nothing is open: close the lease
};

struct LeaseGrant {
  std::size_t ask = 0;     // which of the asks
  std::int64_t lease = 0;  // its number in the central ledger
  Credits amount;          // the lease's new amount
  Credits block;           // of that, granted now
  Credits elsewhere;       // settled by others in the rule's live windows, quarantine included
  Credits free;            // of the limit, after this; negative: overdrawn
};

/// A lease that the central ledger knows of and that is not closed.
struct HeldLease {
  std::int64_t lease = 0;
  WindowName window;
  Credits amount;
  Credits used;
};

/// A key or a budget as made on some replica: the journal entry's kind and detail.
struct Definition {
  std::int64_t seq = 0;  // on the way there: its entry in the local journal; on the way back: in
                         // the order of commits
  EntryKind kind = EntryKind::key_created;
  std::string subject;  // "key:<id>" or the budget's name
  std::string detail;
};

/// Which process speaks, from which local journal.
struct ReplicaIdentity {
  std::string name;
  std::string journal;       // of the local ledger, from its first entry
  std::int64_t durable = 0;  // its last fsynced entry
  std::string pepper;        // fingerprint: keys must mean the same on all replicas
};

struct Joined {
  std::int64_t epoch = 0;
  std::int64_t published =
      0;  // last definition of the local journal that the others know of; 0: none yet
};

struct Pulse {
  std::int64_t live = 1;             // replicas with leases in force
  std::int64_t newest = 0;           // seq of the last definition
  bool lapsed = false;               // our leases had run out in between
  std::vector<WindowName> short_of;  // windows of which others need what we hold
};

/// For gauges: this replica's part.
struct ReplicaFigures {
  bool on = false;          // false: an embedded ledger
  bool reachable = false;   // the central ledger answered last time
  bool usable = false;      // the leases are in force
  bool superseded = false;  // another process speaks for this replica
  std::int64_t leases = 0;  // open ones
  Credits spare;            // of them, neither settled nor reserved
  Credits exposed;          // self-granted, not yet borne by a limit
  std::int64_t awaited = 0;    // reservations that waited for a lease
  std::int64_t exposures = 0;  // self-granted allowances
  std::int64_t exchanges = 0;  // questions to the central ledger
  std::int64_t failures = 0;   // of those, without an answer
  Credits leased;              // by all replicas, unreported
  Credits quarantine;          // of silent replicas
  std::int64_t live = 0;       // replicas with leases in force
};

/// For gauges and the test of invariants: the whole central ledger in four sums, and what does not
/// add up.
struct CentralFigures {
  Credits leased;
  Credits quarantine;
  std::int64_t live = 0;
  std::vector<std::string> faults;
};

}  // namespace turnpike::account
