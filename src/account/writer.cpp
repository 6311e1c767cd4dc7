#include "account/writer.hpp"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "account/decision_record.hpp"
#include "account/load.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

constexpr std::chrono::milliseconds heal_pause{200};
// While nothing is admitted the writer looks every commit interval; it tries the disk every so often.
constexpr int pauses_per_mend = 8;
constexpr int tries_at_end_max = 3;

/// What trying again cannot mend.
bool definitive(const Error& error) {
  return error.code == "store_corrupt" || error.code == "store_lost" ||
         error.code == "store_schema" || error.code == "store_missing";
}

}  // namespace

Writer::Writer(Store store, Books& books, Bell& bell, const LedgerOptions& options,
               const Clock& clock)
    : store_(std::move(store)),
      books_(books),
      bell_(bell),
      options_(options),
      clock_(clock),
      durable_(store_.tail().value_or(Store::Tail{})),
      thread_([this] { loop(); }) {}

Writer::~Writer() {
  stopping_ = true;
  bell_.ring_urgently();
  thread_.join();
}

void Writer::enqueue(Exchange&& exchange) {
  auto fresh = std::make_unique<Exchange>(std::move(exchange));
  // Two for each that comes, so that nothing gathers and no call has much to free.
  std::array<std::unique_ptr<Exchange>, 2> spent;
  {
    const std::lock_guard lock{mutex_};
    if (finished_.size() >= options_.records_queued_max) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    finished_.push_back(std::move(fresh));
    for (auto& one : spent) {
      if (spent_.empty()) break;
      one = std::move(spent_.back());
      spent_.pop_back();
    }
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

void Writer::on_lost(std::function<void(const Error&)> told) {
  const std::lock_guard lock{lost_mutex_};
  on_lost_ = std::move(told);
  if (why_lost_ && on_lost_) on_lost_(*why_lost_);
}

void Writer::loop() {
  ::pthread_setname_np(::pthread_self(), "ledger");  // for top -H and bench/ledger
  while (!stopping_) {
    if (books_.writable()) {
      bell_.wait(options_.commit_interval);
    } else {
      bell_.nap(options_.commit_interval);
    }
    const bool healthy = write_batch();
    if (healthy) mend();
    answer(healthy);
  }
  shut_down();
}

/// One batch a ring: what arrives meanwhile rings again and gathers, or a busy store would be fsynced without pause
/// for a handful of entries each time.
bool Writer::write_batch() {
  if (lost_) return false;
  Work work;
  work.batch = books_.take();
  {
    const std::lock_guard lock{mutex_};
    taken_.swap(finished_);
  }
  work.records.reserve(taken_.size());
  for (const auto& exchange : taken_) work.records.push_back(decision_row(*exchange));
  give_back_taken();
  if (work.batch.entries.empty() && work.records.empty()) return true;
  return write(work);
}

/// Freeing some hundred small blocks of another thread costs twice and holds up that thread's own allocations.
void Writer::give_back_taken() {
  constexpr std::size_t spent_max = 256;
  {
    const std::lock_guard lock{mutex_};
    while (!taken_.empty() && spent_.size() < spent_max) {
      spent_.push_back(std::move(taken_.back()));
      taken_.pop_back();
    }
  }
  taken_.clear();
}

bool Writer::write(Work& work) {
  while (true) {
    auto done = store_.usable() ? Result<void>{} : heal(work);
    if (done) done = commit(work);
    if (done) {
      last_message_.clear();
      return true;
    }
    if (!try_again(done.error())) return false;
  }
}

Result<void> Writer::commit(Work& work) {
  const auto& entries = work.batch.entries;
  if (auto written = store_.commit(entries, work.records, work.batch.checkpoint); !written) {
    return written;
  }
  if (!entries.empty()) {
    const auto& last = entries.back();
    durable_ = {last.seq, last.at, last.epoch, last.chain};
  }
  work = {};
  books_.stored(durable_.seq);
  const auto shortened = store_.shorten_wal();
  if (shortened) return {};
  if (!store_.usable()) return shortened;
  books_.space_gone();  // the log may grow a little longer
  return {};
}

/// After a failure: stops admission, and waits a little. False if there is no use in going on.
bool Writer::try_again(const Error& error) {
  const bool full = error.code == "store_full";
  if (full && !books_.short_of_space()) {
    books_.space_gone();
    return true;  // the reserve has made room
  }
  books_.store_failed();
  if (!full) books_.count_store_error();
  if (error.message != last_message_) {
    last_message_ = error.message;
    log(LogLevel::error, "ledger_store_failed", {{"message", std::string_view{error.message}}});
  }
  answer(false);
  if (definitive(error) || (!full && out_of_patience())) {
    give_up(error);
    return false;
  }
  if (stopping_ && ++tries_at_end_ >= tries_at_end_max) {
    lost_ = true;  // what this batch holds is in the front journal only; nothing may follow it
    store_.abandon();
    return false;
  }
  bell_.nap(heal_pause);
  return true;
}

/// A handle that failed once is never used again: the store is opened anew, looked at page by page,
/// made durable, and compared with what this process knows.
Result<void> Writer::heal(Work& work) {
  store_.abandon();
  auto reopened = Store::open(options_.directory, Store::Access::reopen);
  if (!reopened) return std::unexpected{reopened.error()};
  if (auto sound = examine(*reopened, work); !sound) {
    reopened->abandon();
    return sound;
  }
  store_ = *std::move(reopened);
  log(LogLevel::warn, "ledger_store_reopened", {{"last_entry", durable_.seq}});
  return {};
}

/// Every entry that was committed must be there, as it was; those of the failed transaction may be,
/// and are then not written again. The balances folded from it all must be those in memory.
Result<void> Writer::examine(Store& store, Work& work) {
  const auto lost = [&](const std::string& what) {
    return std::unexpected{
        gateway_error(503, "store_lost", fmt::format("{}: {}", store.file(), what))};
  };
  const auto tail = store.tail();
  if (!tail) return std::unexpected{tail.error()};
  if (tail->seq < durable_.seq) {
    return lost(fmt::format("entries {} to {} are gone", tail->seq + 1, durable_.seq));
  }
  auto& entries = work.batch.entries;
  auto written = durable_;
  std::size_t arrived = 0;
  while (arrived < entries.size() && entries[arrived].seq <= tail->seq) {
    const auto& entry = entries[arrived++];
    written = {entry.seq, entry.at, entry.epoch, entry.chain};
  }
  if (tail->seq != written.seq || tail->chain != written.chain) {
    return lost(fmt::format("entry {} is not the one that was written", tail->seq));
  }
  Books folded{options_, clock_, bell_};
  if (auto loaded = load(store, folded); !loaded) return loaded;
  if (arrived > 0 && arrived == entries.size()) work.records.clear();  // came with the last of them
  entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(arrived));
  durable_ = written;
  for (const auto& entry : entries) {
    if (!folded.replay(entry)) return lost(fmt::format("entry {} does not follow", entry.seq));
  }
  if (const auto found = books_.difference(folded)) return lost(*found);
  return {};
}

/// The store is sound, and still nothing is admitted: for want of space, or because the front journal
/// has failed.
void Writer::mend() {
  if (books_.writable()) {
    failing_since_.reset();
    return;
  }
  if (++pauses_ % pauses_per_mend != 0) return;
  if (books_.short_of_space() && !books_.regain_space()) return;
  if (!books_.front_broken()) return;
  books_.mend_front();
  if (!books_.front_broken() || !out_of_patience()) return;
  give_up(gateway_error(503, "store_unavailable",
                        fmt::format("the front journal in {} cannot be written",
                                    options_.directory.string())));
}

bool Writer::out_of_patience() {
  const auto now = clock_.monotonic();
  if (!failing_since_) failing_since_ = now;
  return now - *failing_since_ >= options_.heal_patience;
}

void Writer::give_up(const Error& why) {
  lost_ = true;
  store_.abandon();
  books_.give_up();
  log(LogLevel::error, "ledger_store_lost",
      {{"code", std::string_view{why.code}}, {"message", std::string_view{why.message}}});
  const std::lock_guard lock{lost_mutex_};
  why_lost_ = why;
  if (on_lost_) on_lost_(why);
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
