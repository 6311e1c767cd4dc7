// The ledger: keys, budgets, reservations and decision records of one gateway, in one directory.
//
// Threads: every member may be called from any thread. Balances live in memory under one mutex,
// held about 1 us; each change is a journal entry, written to the front journal (one write(2))
// before the call returns. One writer thread moves entries into SQLite in fsynced batches (25 ms or
// 256 entries) and alone touches SQLite. Members marked "asks the writer" wait for that thread and
// belong on an admin thread, not on an event loop. See docs/ledger.md.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/budget.hpp"
#include "account/decision_page.hpp"
#include "account/history.hpp"
#include "account/key_ring.hpp"
#include "account/replica.hpp"
#include "account/reservation.hpp"
#include "account/charges.hpp"
#include "account/spend.hpp"
#include "account/verify.hpp"
#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"
#include "turnpike/exchange.hpp"
#include "turnpike/ids.hpp"
#include "turnpike/secret.hpp"
#include "turnpike/stream.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::account {

/// Where a reserve entry must be before the request leaves. process: in the operating system;
/// survives kill -9, a power failure may lose the last 50 ms of intents. disk: fsynced; reserve()
/// then blocks its thread for one group commit (the writer is woken at once: one fsync, at most 50
/// ms).
enum class Intent : std::uint8_t { process, disk };

struct LedgerOptions {
  std::filesystem::path directory;
  Intent intent = Intent::process;
  PressureThresholds pressure;
  bool allow_anonymous = false;
  /// Key of the HMAC over client keys. Empty: `pepper` in the directory, made at first start (mode
  /// 0600).
  Secret pepper;
  std::chrono::milliseconds commit_interval{25};
  std::size_t batch_entries_max = 256;
  std::size_t records_queued_max =
      8192;  // decision records waiting for the writer; more are dropped, counted
  std::int64_t front_segment_bytes =
      1 << 20;  // a front segment is changed for the other at this size
  std::int64_t checkpoint_entries = 50'000;  // entries a start must read again, at most (about)
  std::int64_t output_tokens_floor = 1024;   // least capped maximum worth sending upstream
  std::optional<std::int32_t> key_concurrency_max;  // of keys without a bound of their own
  std::optional<ReplicaOptions> replica;     // one of several gateways with a central ledger
  /// Disk space kept back for the entries of running requests when the disk is full. Source:
  /// reliability specification, "Durability, start, failure of the store".
  std::int64_t space_reserve_bytes = 16 << 20;
  /// How long a store that fails, for another reason than a full disk, is tried again before it is
  /// given up (on_lost). A store that is damaged or lacks entries is given up at once.
  std::chrono::seconds heal_patience{10};
};

struct ReserveRequest {
  const Account* account = nullptr;
  std::string_view decision_id;
  int attempt = 1;  // counts from 1 within a request
  std::string_view provider;
  std::string_view model;
  std::string_view tier;          // that chose the target
  std::string_view conversation;  // RequestFacts::conversation
  const PriceQuote* quote = nullptr;
  std::int64_t prompt_tokens_bound = 0;     // upper bound, images included
  std::int64_t prompt_tokens_known = 0;     // of the bound, billed before for the same beginning
  std::int64_t prompt_tokens_estimate = 0;  // what is booked if a stream ends without usage
  InputClasses input_classes = InputClasses::all;
  std::int64_t output_tokens_max = 0;  // the client's or the model's, per choice
  std::int64_t choices = 1;
  PerServerTool items_max{};  // calls of server tools, at most
  bool client_gave_max = false;
  bool streaming = false;
/// The caller can wait without blocking its thread: for a larger lease it tries again in a moment,
  /// with Intent::disk it lets Reservation::ready() come true before it dispatches.
  bool may_wait = false;
  std::int64_t context_tokens =
      0;  // the model's window; usage above it is implausible. 0: not known
};

/// What open() found and did.
struct Recovery {
  std::int64_t entries_replayed = 0;  // from the front journal into SQLite
  std::int64_t torn_bytes = 0;        // unreadable tail of the front journal, dropped
  // Entries of the front journal that follow a gap, by seq; 0 if there are none. The store has lost
  // what was before them (a truncated write-ahead log), so they cannot be taken in.
  std::int64_t entries_dropped_first = 0;
  std::int64_t entries_dropped_last = 0;
  std::int64_t wal_bytes_dropped = 0;  // of a transaction that no commit closes, or damaged
  std::int64_t attempts_closed = 0;   // open attempts of the dead process, settled as estimates
  std::chrono::microseconds took{0};
};

/// For metrics; a consistent copy taken under the mutex.
struct LedgerFigures {
  std::int64_t entries = 0;          // last seq
  std::int64_t entries_durable = 0;  // of those, fsynced in SQLite
  std::int64_t front_bytes = 0;
  std::chrono::microseconds lag{0};  // age of the oldest entry that is not durable
  std::int64_t conflicts = 0;        // second, differing ends: refused
  std::int64_t overruns = 0;
  std::int64_t implausible = 0;
  std::int64_t estimated = 0;
  std::int64_t refused_exhausted = 0;
  std::int64_t refused_contended = 0;
  std::int64_t records_dropped = 0;
  std::int64_t attempts_open = 0;
  Credits reserved;  // by open attempts
  Credits settled;   // since open()
  std::int64_t store_errors = 0;  // failed reads, writes and fsyncs since open()
  bool disk_full = false;
  bool writable = true;
  bool clock_frozen = false;  // the wall clock jumped; windows go on by the monotonic one
  std::array<std::int64_t, 4> pressure_crossings{};  // by Pressure: how often a window reached it
};

class Ledger {
 public:
  /// Locks the directory (made if missing), replays, and settles what a dead process left open: all
  /// before it returns. Error codes: `store_locked` (another process has it; exit code 73),
  /// `store_read_only`, `store_schema`, `store_corrupt`, `store_unavailable`.
  static Result<std::unique_ptr<Ledger>> open(LedgerOptions options, const Clock& clock,
                                              Randomness& randomness);
  /// Everything is fsynced. No Reservation may be left.
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // --- The path of a request.

  /// Logical time: never backwards, and not misled by a wall clock that jumps. Windows, prices and the
  /// expiry of keys go by it.
  [[nodiscard]] Instant time();

  /// By headers alone, before the body is read. About 1 us.
  Result<std::shared_ptr<const Account>> authenticate(const HeaderList& headers);
  /// Early refusal: 402 `budget_exhausted` or `budget_frozen`, 429 `concurrency_exceeded`, 503
  /// `ledger_unavailable`.
  Result<Allowance> admit(const Account& account, std::string_view conversation = {});
  /// As admit(), for information only.
  [[nodiscard]] Allowance allowance(const Account& account, std::string_view conversation = {});
  /// Holds the upper bound of the attempt's cost in every budget on the path, or in none. Refusals:
  /// 402 `budget_exhausted`, `request_cost_exceeded`, `budget_frozen`; 429 `budget_contended` (only
  /// reservations are in the way), `concurrency_exceeded`; 503 `ledger_unavailable`. With
  /// `may_wait`: `lease_awaited`, a larger lease has been asked for.
  Result<Reservation> reserve(const ReserveRequest& request);
  /// Stores the decision record; never blocks. The text is made on the writer's thread.
  void record(Exchange exchange);

  // --- Keys and budgets. Each change is an entry with who and when, in the operating system on
  // return.

  Result<CreatedKey> create_key(const NewKey& key);
  /// 404 `unknown_key`, 409 `key_revoked`, 400 `bad_key`.
  Result<void> change_key(std::string_view key_id, const KeyChange& change, std::string_view by);
  /// A new secret under the same id; the old one is good for `grace` more. Errors as change_key().
  Result<CreatedKey> rotate_key(std::string_view key_id, std::chrono::seconds grace,
                                std::string_view by);
  Result<void> revoke_key(std::string_view key_id, std::string_view by);
  [[nodiscard]] std::vector<KeyInfo> keys() const;  // revoked ones too
  /// No entry is written if nothing would change, so a start may apply its configuration every
  /// time.
  Result<void> set_budget(const BudgetSettings& settings);
  /// Without those of single conversations.
  [[nodiscard]] std::vector<BudgetState> budgets() const;
  /// The wall clock has jumped, no window moves on until it has been steady for 10 minutes, and the
  /// operator says that it is right. 409 `clock_not_frozen`.
  Result<void> confirm_clock(std::string_view by);
  /// A new entry that adds `amount` (may be negative) to the windows the named settlement was
  /// charged to; the old entry stays. Asks the writer.
  Result<void> correct(std::int64_t entry, Credits amount, std::string_view by,
                       std::string_view why);

  // --- Questions.

  /// Every entry that set this budget, oldest first. Asks the writer.
  Result<std::vector<BudgetChange>> budget_history(std::string_view budget);
  /// How the key was made, changed and revoked, oldest first. Asks the writer.
  Result<std::vector<KeyHistoryEntry>> key_history(std::string_view key_id);
  /// The decision record as JSON text. Asks the writer.
  [[nodiscard]] std::optional<std::string> decision_json(std::string_view decision_id);
  /// The newest records, latest first. Asks the writer.
  [[nodiscard]] std::vector<std::string> recent_decisions(std::size_t count);
  /// Up to `count` records from a place on, oldest first. Asks the writer.
  Result<DecisionPage> decisions_from(DecisionPlace place, std::size_t count);
  /// Where the newest `count` records begin. Asks the writer.
  Result<DecisionPlace> place_of_newest(std::size_t count);
  /// Asks the writer, a slice of the journal at a time.
  Result<std::vector<SpendRow>> spend(const SpendQuery& query);
  /// Shows every charge of a stretch to `visit`, on the calling thread, in the journal's order, up to
  /// the last entry when the call began. Asks the writer, in slices.
  Result<void> each_charge(const ChargeQuery& query, const ChargeVisitor& visit);
  /// Entries of one kind that define something or that people made, in order. Asks the writer.
  Result<std::vector<Entry>> definitions(EntryKind kind);
  /// Of the running instance, up to the last entry when the call began. Asks the writer, in slices.
  Result<VerifyReport> verify();

  /// Returns when everything appended so far is fsynced. False if the store is failing.
  bool flush();
  [[nodiscard]] LedgerFigures figures() const;
  [[nodiscard]] ReplicaFigures replica() const;
  /// Replicas: whether the central ledger's sums are its leases', and its leases within the limits. Waits for an answer.
  Result<CentralFigures> check_central();
  /// False while the store fails; then nothing is admitted and running requests are settled in
  /// memory until it is back.
  [[nodiscard]] bool writable() const;
  /// Calls `told` once if the store is lost for good: damaged, without entries it had, or failing for
  /// longer than heal_patience. From then on nothing is admitted; ends of running requests still go
  /// to the front journal. The process should end: the next start recovers what can be. On the
  /// ledger's thread, or on the caller's if it has happened already; `told` may not call the ledger.
  /// An empty function takes the call back.
  void on_lost(std::function<void(const Error& why)> told);
  [[nodiscard]] const Recovery& recovery() const;

 private:
  class Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::account
