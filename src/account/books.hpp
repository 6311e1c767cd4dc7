// The running ledger's heart: balances, the front journal and the queue towards SQLite, all under
// one mutex, so that the order of the journal is the order in which balances changed. A call takes
// the mutex about 1 us and never waits for SQLite (except reserve() with Intent::disk).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/balances.hpp"
#include "account/bell.hpp"
#include "account/clock_guard.hpp"
#include "account/front_journal.hpp"
#include "account/lease_state.hpp"
#include "account/ledger.hpp"
#include "account/reservation.hpp"
#include "account/space_reserve.hpp"
#include "account/store.hpp"

namespace turnpike::account {

/// How an attempt ends, as its Reservation sees it.
struct AttemptEnd {
  EntryKind kind = EntryKind::void_;
  Credits cost;
  Usage usage;
  std::string_view cause;
  std::int64_t flags = 0;
};

/// Any thread, unless said otherwise.
class Books {
 public:
  Books(const LedgerOptions& options, const Clock& clock, Bell& bell);

  // --- Start: one thread, before anybody else has a pointer.

  /// Gives up the reserve of space that the last process left: the start may need it.
  void make_room() { space_.release(); }
  /// Balances as of `tail`, from a checkpoint.
  [[nodiscard]] bool restore(const Checkpoint& checkpoint, const Store::Tail& tail);
  /// The next entry of the journal, already stored somewhere. False if it does not follow or cannot
  /// be applied.
  [[nodiscard]] bool replay(const Entry& entry);
  /// Begins a new epoch and settles what the dead process left open; returns how many attempts that
  /// were.
  Result<std::int64_t> start();

  // --- The path of a request.

  Instant time();
  Result<Allowance> admit(const Account& account, std::string_view conversation);
  /// What admit() would answer, without refusing; none if the store fails.
  Allowance allowance(const Account& account, std::string_view conversation);
  Result<Reservation> reserve(const ReserveRequest& request);
  void progress(std::int64_t attempt, std::int64_t output_tokens);
  /// False if the attempt has ended already: a conflict, counted and logged.
  bool end(const Reservation::State& attempt, const AttemptEnd& end);
  void count_conflict(std::string_view attempt_id);

  // --- Administration.

  Result<void> create_key(const KeyInfo& key);
  /// `apply` changes a copy of the key, under the mutex; what it returns as an error is passed on.
  Result<void> change_key(std::string_view key_id, std::string_view by,
                          const std::function<Result<void>(KeyInfo&, Instant now)>& apply);
  Result<void> revoke_key(std::string_view key_id, std::string_view by);
  Result<void> set_budget(const BudgetSettings& settings);
  /// Believes a wall clock that has jumped, at once.
  Result<void> confirm_clock(std::string_view by);
  Result<void> correct(const Entry& settled, Credits amount, const std::string& detail);
  [[nodiscard]] std::vector<KeyInfo> keys() const;
  [[nodiscard]] std::vector<BudgetState> budgets() const;
  [[nodiscard]] LedgerFigures figures() const;
  [[nodiscard]] std::int64_t last_seq() const;

  // --- The lease keeper's thread (replicas; books_leases.cpp, books_lease_exchange.cpp).

  /// What a window asks of the central ledger, and where the answer goes.
  struct LeaseQuestion {
    LeaseAsk ask;
    Rule* rule = nullptr;     // of these Books; nullptr: no part of them
    std::int64_t window = 0;  // 0: not opened yet
    bool current = false;
  };
  /// From now on nothing is reserved without a lease. Before anybody reserves.
  void keep_leases(ReplicaOptions options, Bell& keeper);
  void central_heard(Monotonic good_until);
  void central_lost(bool superseded);
  /// Others need what we do not use of these.
  void recall(const std::vector<WindowName>& windows);
  /// Of the rules that are watched, `count` from `first` on; takes the mutex once.
  std::vector<LeaseQuestion> lease_questions(std::size_t first, std::size_t count);
  void lease_answered(const LeaseQuestion& question, const LeaseGrant& grant);
  std::vector<LeaseQuestion> unknown_leases(const std::vector<HeldLease>& held);
  std::vector<LeaseQuestion> all_back();
  void forget_idle_rules();
  [[nodiscard]] std::size_t rules_watched() const;

  /// Keys and budgets made here that the others do not know yet, in order.
  std::vector<Definition> unpublished();
  void published(std::int64_t seq);
  [[nodiscard]] std::int64_t last_definition() const;
  std::optional<BudgetSettings> settings_of(const std::string& budget);
  bool apply_definition(const Definition& definition);
  [[nodiscard]] ReplicaFigures replica_figures() const;

  // --- The writer thread.

  struct Batch {
    std::vector<Entry> entries;
    std::optional<Checkpoint> checkpoint;  // as of the last of them
  };
  /// All entries that wait to be stored. The caller keeps them until they are.
  Batch take();
  /// Everything up to `seq` is fsynced.
  void stored(std::int64_t seq);
  /// The store refuses: nothing is admitted until stored() is called again.
  void store_failed();
  void count_store_error();
  /// The disk is full: the reserve of space goes to what still runs, and nothing is admitted until
  /// regain_space() has it again.
  void space_gone();
  [[nodiscard]] bool short_of_space() const { return stopped_by(Stop::space); }
  /// True if the disk has room for the reserve (again). Where files cannot be allocated at all there
  /// is none, and that is fine.
  bool regain_space();
  /// The store is lost, for good: nothing is admitted any more.
  void give_up();
  /// After a failed write to the front journal: once SQLite has everything, begins it anew and
  /// admits again.
  void mend_front();
  /// What `other`, which has replayed all that was taken, says otherwise after the entries that
  /// still wait; nothing if the two agree.
  std::optional<std::string> difference(Books& other);
  /// The front journal has failed and waits for mend_front().
  [[nodiscard]] bool front_broken() const { return stopped_by(Stop::front); }
  /// At the end, with nothing left to store: a checkpoint of everything.
  Checkpoint checkpoint();
  bool empty_front();

  /// True if the entry is where Intent wants it before a request leaves.
  [[nodiscard]] bool placed(std::int64_t seq) const;
  /// Waits until `seq` is fsynced; false if the store fails meanwhile.
  bool wait_stored(std::int64_t seq);
  [[nodiscard]] bool writable() const { return stops_.load(std::memory_order_relaxed) == 0; }

 private:
  /// may_fail: an entry that allows something must be in the front journal first. must_happen: an
  /// end is booked in memory even if the front journal is broken; SQLite gets it, and nothing new
  /// is admitted meanwhile.
  enum class Append : std::uint8_t { may_fail, must_happen };

  /// Why nothing is admitted: bits of stops_.
  enum class Stop : std::uint8_t { store = 1, front = 2, space = 4, lost = 8 };

  void stop(Stop why) { stops_ |= static_cast<std::uint8_t>(why); }
  void resume(Stop why) { stops_ &= static_cast<std::uint8_t>(~static_cast<unsigned>(why)); }
  [[nodiscard]] bool stopped_by(Stop why) const {
    return (stops_.load(std::memory_order_relaxed) & static_cast<std::uint8_t>(why)) != 0;
  }
  /// 503 `ledger_unavailable`, with the reason as far as it concerns a client.
  [[nodiscard]] Error unavailable() const;

  void stamp();
  [[nodiscard]] Instant logical_now() const;
  void note_clock(ClockGuard::Change change, std::string_view by);
  bool append(Entry entry, Append mode);
  bool put_in_front(const Entry& entry, Append mode);
  std::int64_t intern(const std::string& text, Append mode);
  const PinnedPrice* pin(const PriceQuote& quote);
  Result<Path*> path_of(const Account& account);
  Result<Path*> path_of(const Account& account, std::string_view conversation);
  Result<Path*> path_of(const ReserveRequest& request);
  Result<Path*> follow(const PathDetail& detail);
  bool cap_conversation(const std::string& name, const Path& path, Credits cap);
  bool open_windows(Budget& budget, Instant instant);
  Result<Path*> define_path(Route& route, PathDetail detail, Instant instant);
  Result<void> check_open(const Account& account, const Path& path) const;
  Allowance allowance_of(const Path& path);
  void update_level(Rule& rule);
  void lift_idle_conversations();
  /// The refusal of `amount`, or nothing if it fits every window.
  std::optional<Error> refusal(const Path& path, Credits amount);
  Result<std::unique_ptr<Reservation::State>> reserve_locked(const ReserveRequest& request,
                                                             Credits bound);
  Result<std::unique_ptr<Reservation::State>> write_reserve(const ReserveRequest& request,
                                                            const Path& path, Credits amount,
                                                            std::int64_t output_tokens);
  std::int64_t close_abandoned();

  [[nodiscard]] Credits room_on(const Path& path, std::optional<Credits> request_cost_max) const;
  std::optional<Error> await_leases(const ReserveRequest& request, const Path& path, Credits bound,
                                    std::optional<Credits> request_cost_max);
  [[nodiscard]] bool by_lease(const Rule& rule) const;
  [[nodiscard]] Credits room_of(const Window& window, Monotonic now) const;
  void watch(Rule& rule);
  void lease_used(const Path& path, Monotonic now);
  bool want_leases(const Path& path, Credits bound, Credits least, Monotonic now);
  void expose(const Path& path, Credits bound, Monotonic now);
  void window_begun(Rule& rule);
  [[nodiscard]] Entry lease_entry(const Window& window, Credits leased, Credits exposed) const;
  void look_for_rules(Monotonic now);
  void ask_opened(Rule& rule, Instant now, Monotonic mono, std::vector<LeaseQuestion>& questions);
  void ask_early(Rule& rule, Instant now, Monotonic mono, std::vector<LeaseQuestion>& questions);
  std::optional<LeaseQuestion> question_about(Window& window, bool current, Monotonic mono);
  void note_grant(Rule& rule, const LeaseQuestion& question, const LeaseGrant& grant);
  bool changes_something(const Definition& definition);
  void complete_overrun();

  const LedgerOptions& options_;
  const Clock& clock_;
  Bell& bell_;

  mutable std::mutex mutex_;
  Balances balances_;
  FrontJournal front_;
  Store::Tail tail_;
  ClockGuard clock_guard_;
  std::int64_t at_ = 0;  // logical time of the operation under way
  Entry last_;           // the newest entry, for complete_overrun()
  std::vector<Entry> pending_;
  std::int64_t oldest_pending_at_ = 0;
  std::int64_t since_checkpoint_ = 0;
  LeaseState leases_;
  LedgerFigures figures_;
  SpaceReserve space_;

  std::atomic<std::uint8_t> stops_{0};
  mutable std::mutex stored_mutex_;
  std::condition_variable stored_changed_;
  std::int64_t stored_ = 0;     // guarded by stored_mutex_
  bool store_failing_ = false;  // guarded by stored_mutex_
};

/// The definition of a key or a budget that an entry holds; nullopt for other kinds.
std::optional<Definition> definition_in(const Entry& entry);
/// Upper bound of what a request may cost with so many output tokens; saturates where the product
/// overflows.
Result<Credits> cost_bound(const ReserveRequest& request, std::int64_t output_tokens);
/// The most output tokens (per choice) whose bound is within `room`; nullopt if fewer than `floor`
/// are.
std::optional<std::int64_t> affordable_output(const ReserveRequest& request, Credits room,
                                              std::int64_t floor);

}  // namespace turnpike::account
