// The thread between Books and the central ledger: renews, refills and returns leases, reports what
// was settled, publishes keys and budgets made here and takes over those made elsewhere. Requests
// never wait for it; only it speaks to PostgreSQL.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "account/bell.hpp"
#include "account/books.hpp"
#include "account/central_store.hpp"
#include "account/replica.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::account {

class LeaseKeeper {
 public:
  /// From here on the books reserve nothing without a lease. `journal` is read during the call
  /// only.
  static Result<std::unique_ptr<LeaseKeeper>> make(const ReplicaOptions& options,
                                                   const Secret& pepper, Store& journal,
                                                   Books& books, const Clock& clock);
  /// Gives all leases back if the central ledger answers. No reservation is open.
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  /// The first round, on the caller's thread, then the keeper's own. A central ledger that cannot
  /// be reached is no error: it is tried again. One that refuses this replica is. `keys_changed`:
  /// called on the keeper's thread, and in here.
  Result<void> begin(std::function<void()> keys_changed);
  /// Waits until the definitions made here so far are known to all. Error: they hold here, and are
  /// told later.
  Result<void> wait_published();
  [[nodiscard]] ReplicaFigures figures() const;
  /// Of the central ledger; asked on the keeper's thread at its next round.
  Result<CentralFigures> check();

 private:
  LeaseKeeper(const ReplicaOptions& options, CentralStore store, Books& books, const Clock& clock);
  void loop();
  Result<void> round();
  Result<void> join();
  Result<void> beat();
  Result<void> publish();
  Result<void> publish_one(const Definition& definition);
  Result<void> learn();
  void take_over(const std::vector<Definition>& definitions);
  Result<void> exchange();
  Result<void> exchange(const std::vector<Books::LeaseQuestion>& questions);
  Result<void> tidy();
  void failed(const Error& error);
  void answer_check();

  const ReplicaOptions options_;
  CentralStore store_;
  Books& books_;
  const Clock& clock_;
  ReplicaIdentity identity_;
  std::vector<Definition> own_;  // made by this journal before this process, in order; until joined
  std::function<void()> keys_changed_;
  Bell bell_;

  // The keeper's thread only.
  bool joined_ = false;
  bool told_lost_ = false;
  std::int64_t known_ = 0;      // last definition of the others taken over
  std::int64_t published_ = 0;  // last own definition the others have
  Monotonic beaten_{};
  Monotonic tidied_{};
  Monotonic retry_at_{};

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t published_shown_ = 0;               // guarded by mutex_
  CentralFigures central_;                         // guarded by mutex_
  bool check_wanted_ = false;                      // guarded by mutex_
  std::optional<Result<CentralFigures>> checked_;  // guarded by mutex_
  std::atomic<std::int64_t> exchanges_{0};
  std::atomic<std::int64_t> failures_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace turnpike::account
