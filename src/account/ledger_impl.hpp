// What a ledger is made of; for the files that hold its bodies: ledger.cpp (opening, spending),
// ledger_keys.cpp, ledger_reading.cpp.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "account/books.hpp"
#include "account/directory_lock.hpp"
#include "account/lease_keeper.hpp"
#include "account/ledger.hpp"
#include "account/writer.hpp"

namespace turnpike::account {

inline Error store_error(std::string code, std::string message) {
  return gateway_error(503, std::move(code), std::move(message));
}

inline Error store_failing() {
  return store_error("ledger_unavailable", "the ledger's store is failing");
}

class Ledger::Impl {
 public:
  Impl(LedgerOptions opts, const Clock& clock_in, DirectoryLock lock)
      : options(std::move(opts)),
        clock(clock_in),
        directory_lock(std::move(lock)),
        books(options, clock, bell) {}

  Result<void> start();
  Result<void> take_in_front(Store& store);
  void renew_keys();
  /// After a change of keys or budgets: all replicas know of it on return, or the error says that
  /// they do not yet.
  Result<void> told_all() { return keeper ? keeper->wait_published() : Result<void>{}; }
  /// Calls take(entry) for the stored entries of a range, in order, until it returns false.
  Result<void> each_entry(std::int64_t first, std::int64_t last,
                          const std::function<bool(const Entry&)>& take);
  /// Entries of rare kinds, in the order of the journal.
  Result<std::vector<Entry>> definitions(std::initializer_list<EntryKind> kinds);

  LedgerOptions options;
  const Clock& clock;
  DirectoryLock directory_lock;
  Bell bell;
  Books books;
  std::unique_ptr<Writer> writer;
  std::unique_ptr<LeaseKeeper> keeper;  // replicas; ends before the writer
  Recovery recovery;
  std::mutex admin;  // one key is made or revoked at a time, so that the ring is never older than
                     // the journal
  mutable std::mutex ring_mutex;
  std::shared_ptr<const KeyRing> ring;
};

}  // namespace turnpike::account
