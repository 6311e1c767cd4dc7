// What the writer thread takes from the books, and tells them: how far the store has come, that it
// fails, that the disk is full.
#include <fmt/format.h>

#include "account/books.hpp"
#include "account/compare.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {
// A conversation that goes on after this long begins its cap anew.
constexpr std::chrono::hours conversation_idle{24};
}  // namespace

Books::Batch Books::take() {
  const std::lock_guard lock{mutex_};
  Batch batch;
  const bool checkpoint_due = since_checkpoint_ >= options_.checkpoint_entries && !pending_.empty();
  if (checkpoint_due && !front_broken()) lift_idle_conversations();
  batch.entries.swap(pending_);
  pending_.reserve(batch.entries.size());
  if (checkpoint_due) {
    since_checkpoint_ = 0;
    balances_.collect();
    batch.checkpoint = Checkpoint{tail_.seq, balances_.snapshot()};
  }
  return batch;
}

/// A cap on conversations makes a budget for each: those that are over are not kept for ever.
void Books::lift_idle_conversations() {
  stamp();
  constexpr auto idle = std::chrono::microseconds{conversation_idle}.count();
  for (const auto& name : balances_.idle_conversations(at_ - idle)) {
    BudgetSettings settings;
    settings.budget = name;
    settings.by = "idle";
    Entry entry;
    entry.kind = EntryKind::budget_set;
    entry.detail = budget_detail(settings);
    if (!append(std::move(entry), Append::may_fail)) return;
  }
}

void Books::stored(std::int64_t seq) {
  {
    const std::lock_guard lock{stored_mutex_};
    stored_ = std::max(stored_, seq);
    store_failing_ = false;
  }
  resume(Stop::store);
  stored_changed_.notify_all();
  const bool emptied = front_.resting_done(seq);
  if (emptied) front_.truncate_resting();
  const std::lock_guard lock{mutex_};
  if (emptied) front_.resting_emptied();
  front_.turn(options_.front_segment_bytes);
}

void Books::mend_front() {
  std::int64_t stored = 0;
  {
    const std::lock_guard lock{stored_mutex_};
    stored = stored_;
  }
  const std::lock_guard lock{mutex_};
  if (front_broken() && stored == tail_.seq && front_.renew()) resume(Stop::front);
}

void Books::store_failed() {
  stop(Stop::store);
  {
    const std::lock_guard lock{stored_mutex_};
    store_failing_ = true;
  }
  stored_changed_.notify_all();
}

void Books::count_store_error() {
  const std::lock_guard lock{mutex_};
  ++figures_.store_errors;
}

void Books::give_up() {
  stop(Stop::lost);
  store_failed();
}

void Books::space_gone() {
  if (!short_of_space()) log(LogLevel::error, "ledger_disk_full");
  stop(Stop::space);
  space_.release();
  bell_.ring();
}

bool Books::regain_space() {
  const int fault = space_.hold();
  // Under the mutex, or a disk that was full again just now would be forgotten.
  const std::lock_guard lock{mutex_};
  if (means_disk_full(fault) || (fault == 0 && !space_.held())) return false;
  if (short_of_space()) log(LogLevel::info, "ledger_disk_has_space");
  resume(Stop::space);
  return true;
}

std::optional<std::string> Books::difference(Books& other) {
  const std::lock_guard lock{mutex_};
  for (const auto& entry : pending_) {
    if (!other.replay(entry)) return fmt::format("entry {} does not follow", entry.seq);
  }
  return account::difference(balances_, other.balances_);
}

Checkpoint Books::checkpoint() {
  const std::lock_guard lock{mutex_};
  balances_.collect();
  return {tail_.seq, balances_.snapshot()};
}

bool Books::empty_front() {
  const std::lock_guard lock{mutex_};
  return front_.reset();
}

bool Books::placed(std::int64_t seq) const {
  if (options_.intent == Intent::process) return true;
  const std::lock_guard lock{stored_mutex_};
  return stored_ >= seq;
}

bool Books::wait_stored(std::int64_t seq) {
  bell_.ring_urgently();
  std::unique_lock lock{stored_mutex_};
  stored_changed_.wait(lock, [&] { return stored_ >= seq || store_failing_; });
  return stored_ >= seq;
}

}  // namespace turnpike::account
