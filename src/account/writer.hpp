// The ledger's writer thread: moves entries and decision records into SQLite, one fsynced
// transaction at a time, and answers questions that need SQLite. Alone touches the Store while the
// ledger runs.
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
#include "account/ledger.hpp"
#include "account/store.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::account {

class Writer {
 public:
  Writer(Store store, Books& books, Bell& bell, const LedgerOptions& options, const Clock& clock);
  /// Stores everything, writes a checkpoint, empties the front journal. A store that keeps failing
  /// is left after a few tries: the front journal has what is missing.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Any thread; never waits. Drops the record (counted) if too many wait. Its text is made on the writer thread.
  void enqueue(Exchange&& exchange);
  [[nodiscard]] std::int64_t records_dropped() const {
    return dropped_.load(std::memory_order_relaxed);
  }

  using Job = std::function<void(Store&)>;
  /// Runs the job on the writer thread, after everything appended before the call has been stored;
  /// returns when it has run. False if the store fails, and then the job did not run. Any thread
  /// but the writer's.
  bool run(const Job& job);

  /// See Ledger::on_lost().
  void on_lost(std::function<void(const Error& why)> told);

 private:
  struct Waiting {
    const Job* job = nullptr;
    bool done = false;
    bool ran = false;
  };
  struct Work {  // not stored yet
    Books::Batch batch;
    std::vector<DecisionRow> records;
  };

  void loop();
  bool write_batch();
  void give_back_taken();
  bool write(Work& work);
  Result<void> commit(Work& work);
  bool try_again(const Error& error);
  Result<void> heal(Work& work);
  Result<void> examine(Store& store, Work& work);
  void mend();
  [[nodiscard]] bool out_of_patience();
  void give_up(const Error& why);
  void answer(bool healthy);
  void shut_down();

  Store store_;
  Books& books_;
  Bell& bell_;
  const LedgerOptions& options_;
  const Clock& clock_;

  // The writer thread's own.
  Store::Tail durable_;  // the last entry that was committed
  std::optional<Monotonic> failing_since_;
  std::string last_message_;  // of the failure under way: each is logged once
  int pauses_ = 0;
  int tries_at_end_ = 0;
  bool lost_ = false;
  // Empty between batches; changes places with finished_, so that neither grows anew for each batch.
  std::vector<std::unique_ptr<Exchange>> taken_;

  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<std::unique_ptr<Exchange>> finished_;  // guarded by mutex_: what the next records are made of
  std::vector<std::unique_ptr<Exchange>> spent_;     // guarded by mutex_: to be freed by those who made them
  std::vector<Waiting*> jobs_;        // guarded by mutex_
  std::mutex lost_mutex_;
  std::function<void(const Error&)> on_lost_;  // guarded by lost_mutex_
  std::optional<Error> why_lost_;              // guarded by lost_mutex_
  std::atomic<std::int64_t> dropped_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace turnpike::account
