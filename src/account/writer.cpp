#include "account/writer.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {
constexpr std::chrono::milliseconds heal_pause{200};
constexpr int shutdown_tries = 3;
}  // namespace

Writer::Writer(Store store, Books& books, Bell& bell, const LedgerOptions& options)
    : store_(std::move(store)), books_(books), bell_(bell), options_(options), thread_([this] {
        loop();
      }) {}

Writer::~Writer() {
  stopping_ = true;
  bell_.ring_urgently();
  thread_.join();
}

void Writer::enqueue(DecisionRow row) {
  {
    const std::lock_guard lock{mutex_};
    if (records_.size() >= options_.records_queued_max) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    records_.push_back(std::move(row));
  }
  bell_.ring();
}

bool Writer::run(const Job& job) {
  Waiting waiting{&job};
  std::unique_lock lock{mutex_};
  jobs_.push_back(&waiting);
  lock.unlock();
  bell_.ring_urgently();
  lock.lock();
  answered_.wait(lock, [&] { return waiting.done; });
  return waiting.ran;
}

void Writer::loop() {
  ::pthread_setname_np(::pthread_self(), "ledger");  // for top -H and bench/ledger
  while (!stopping_) {
    bell_.wait(options_.commit_interval);
    const bool healthy = write_batch();
    if (healthy) books_.mend_front();
    answer(healthy);
  }
  shut_down();
}

/// One batch a ring: what arrives meanwhile rings again and gathers, or a busy store would be fsynced without pause
/// for a handful of entries each time.
bool Writer::write_batch() {
  auto batch = books_.take();
  std::vector<DecisionRow> records;
  {
    const std::lock_guard lock{mutex_};
    records.swap(records_);
  }
  if (batch.entries.empty() && records.empty()) return true;
  return write(batch, records);
}

bool Writer::write(Books::Batch& batch, std::vector<DecisionRow>& records) {
  const auto last = batch.entries.empty() ? 0 : batch.entries.back().seq;
  for (int tries = 0;; ++tries) {
    const auto written = store_.commit(batch.entries, records, batch.checkpoint);
    if (written) {
      books_.stored(last);
      return true;
    }
    log(LogLevel::error, "ledger_store_failed",
        {{"message", std::string_view{written.error().message}}});
    books_.store_failed();
    answer(false);
    if (stopping_ && tries >= shutdown_tries) return false;
    bell_.nap(heal_pause);
    heal(batch);
  }
}

/// A handle that failed once is never used again: the store is opened anew and its end compared
/// with ours. Entries that had arrived after all are taken out of the batch.
void Writer::heal(Books::Batch& batch) {
  store_ = Store::closed();
  auto reopened = Store::open(options_.directory, Store::Access::write);
  if (!reopened) return;
  const auto tail = reopened->tail();
  if (!tail) return;
  std::erase_if(batch.entries, [&](const Entry& entry) { return entry.seq <= tail->seq; });
  if (!batch.entries.empty() && batch.entries.front().seq != tail->seq + 1) {
    log(LogLevel::error, "ledger_store_lost_entries", {{"last", tail->seq}});
    return;
  }
  store_ = std::move(*reopened);
}

void Writer::answer(bool healthy) {
  std::vector<Waiting*> jobs;
  {
    const std::lock_guard lock{mutex_};
    jobs.swap(jobs_);
  }
  if (jobs.empty()) return;
  for (auto* waiting : jobs) {
    if (healthy) (*waiting->job)(store_);
    waiting->ran = healthy;
  }
  {
    const std::lock_guard lock{mutex_};
    for (auto* waiting : jobs) waiting->done = true;
  }
  answered_.notify_all();
}

void Writer::shut_down() {
  // Nothing is appended any more; two rounds hold what came before and during the last one.
  const bool healthy = write_batch() && write_batch();
  if (healthy) {
    const auto written = store_.commit({}, {}, books_.checkpoint());
    if (written && !books_.empty_front()) log(LogLevel::warn, "ledger_front_not_emptied");
  }
  answer(healthy);
}

}  // namespace turnpike::account
