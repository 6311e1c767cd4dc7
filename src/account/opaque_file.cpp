#include "account/opaque_file.hpp"

#include <system_error>
#include <utility>

#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

constexpr std::size_t change_overhead = 192;
/// A longer transaction would keep load() waiting and the WAL growing.
constexpr std::size_t batch_changes_max = 4096;
/// How long an expired state may stay on disk while nothing happens.
constexpr std::chrono::minutes idle_interval{10};

std::filesystem::path file_in(const std::filesystem::path& directory) {
  return directory / "opaque.db";
}

std::size_t size_of(const OpaqueRow& row) {
  return change_overhead + row.owner.size() + row.key.size() + row.state.size();
}

}  // namespace

OpaqueFile::OpaqueFile(OpaqueFileOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  open();
  publish(0);
  thread_ = std::thread{[this] { loop(); }};
}

OpaqueFile::~OpaqueFile() {
  {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

/// Without a table, changes are counted as failed: the next start may do better.
void OpaqueFile::open() {
  const auto ready = [this]() -> Result<void> {
    auto opened = OpaqueTable::open(file_in(options_.directory));
    if (!opened) return std::unexpected{opened.error()};
    auto pruned = opened->prune(clock_.now(), static_cast<std::int64_t>(options_.bytes_max));
    if (!pruned) return pruned;
    table_ = std::move(*opened);
    return {};
  };
  auto done = ready();
  if (!done && done.error().code == "store_corrupt") {
    set_aside(done.error());
    done = ready();
  }
  if (!done) report(done.error(), 0);
}

void OpaqueFile::set_aside(const Error& why) {
  table_.reset();
  const auto file = file_in(options_.directory);
  auto damaged = file;
  damaged += ".damaged";
  std::error_code failed;
  std::filesystem::rename(file, damaged, failed);
  for (const char* ending : {"-wal", "-shm"}) {
    auto beside = file;
    beside += ending;
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
  }
  log(LogLevel::warn, "opaque_state_set_aside",
      {{"why", std::string_view{why.message}}, {"moved", !failed}});
}

void OpaqueFile::load(const std::function<bool(OpaqueRow)>& take) {
  flush();
  const std::scoped_lock lock{table_mutex_};
  if (!table_) return;
  const auto read = table_->read(clock_.now(), take);
  if (read) return;
  if (read.error().code != "store_corrupt") return report(read.error(), 0);
  set_aside(read.error());
  open();
}

void OpaqueFile::put(OpaqueRow row) { enqueue({Change::What::put, std::move(row)}); }

void OpaqueFile::extend(std::string owner, std::string key, Instant expires) {
  enqueue({Change::What::extend, {std::move(owner), std::move(key), {}, expires}});
}

void OpaqueFile::drop(std::string owner, std::string key) {
  enqueue({Change::What::drop, {std::move(owner), std::move(key), {}, {}}});
}

void OpaqueFile::enqueue(Change change) {
  const std::size_t bytes = size_of(change.row);
  bool wake = false;
  {
    const std::scoped_lock lock{mutex_};
    if (queue_bytes_ + bytes > options_.queue_bytes_max) {
      ++figures_.dropped;
      return;
    }
    queue_.push_back(std::move(change));
    queue_bytes_ += bytes;
    ++changes_in_;
    wake = queue_.size() == 1 || hurried();
  }
  if (wake) wake_.notify_one();
}

void OpaqueFile::flush() {
  std::unique_lock lock{mutex_};
  const auto wanted = changes_in_;
  while (changes_out_ < wanted) {
    urgent_ = true;
    wake_.notify_one();
    written_.wait(lock);
  }
}

OpaqueFileFigures OpaqueFile::figures() const {
  const std::scoped_lock lock{mutex_};
  return figures_;
}

void OpaqueFile::loop() {
  std::vector<Change> batch;
  while (gather(batch)) {
    if (batch.empty()) write({});  // what has expired meanwhile
    for (std::size_t at = 0; at < batch.size(); at += batch_changes_max) {
      const auto begin = batch.begin() + static_cast<std::ptrdiff_t>(at);
      const auto count = std::min(batch_changes_max, batch.size() - at);
      const std::vector<Change> part{
          std::make_move_iterator(begin),
          std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(count))};
      write(part);
    }
    batch.clear();
  }
}

/// Waits for a first change, then for more of them; nothing after a long silence. False when all is
/// written and the end has come.
bool OpaqueFile::gather(std::vector<Change>& batch) {
  std::unique_lock lock{mutex_};
  wake_.wait_for(lock, idle_interval, [this] { return stopping_ || !queue_.empty(); });
  if (!queue_.empty()) wake_.wait_for(lock, options_.batch_interval, [this] { return hurried(); });
  batch.swap(queue_);
  queue_bytes_ = 0;
  urgent_ = false;
  return !batch.empty() || !stopping_;
}

bool OpaqueFile::hurried() const {
  return stopping_ || urgent_ || queue_bytes_ > options_.queue_bytes_max / 2;
}

void OpaqueFile::write(const std::vector<Change>& batch) {
  const std::scoped_lock lock{table_mutex_};
  if (table_) {
    const auto applied = apply(*table_, batch);
    if (applied) {
      trouble_told_ = false;
      return publish(batch.size());
    }
    table_->rollback();
    report(applied.error(), batch.size());
    if (applied.error().code == "store_corrupt") {
      set_aside(applied.error());
      open();
    }
  } else {
    const std::scoped_lock figures{mutex_};
    figures_.failed += batch.size();
  }
  publish(batch.size());
}

Result<void> OpaqueFile::apply(OpaqueTable& table, const std::vector<Change>& batch) const {
  if (auto done = table.begin(); !done) return done;
  for (const Change& change : batch) {
    if (auto done = apply(table, change); !done) return done;
  }
  const auto bytes_max = static_cast<std::int64_t>(options_.bytes_max);
  if (auto done = table.prune(clock_.now(), bytes_max); !done) return done;
  return table.commit();
}

Result<void> OpaqueFile::apply(OpaqueTable& table, const Change& change) {
  const auto& row = change.row;
  switch (change.what) {
    case Change::What::put:
      return table.put(row);
    case Change::What::extend:
      return table.extend(row.owner, row.key, row.expires);
    case Change::What::drop:
      break;
  }
  return table.drop(row.owner, row.key);
}

/// One line until a batch succeeds again.
void OpaqueFile::report(const Error& error, std::size_t lost) {
  {
    const std::scoped_lock lock{mutex_};
    figures_.failed += lost;
  }
  if (std::exchange(trouble_told_, true)) return;
  log(LogLevel::warn, "opaque_state_not_kept", {{"why", std::string_view{error.message}}});
}

void OpaqueFile::publish(std::size_t written) {
  {
    const std::scoped_lock lock{mutex_};
    figures_.rows = table_ ? table_->rows() : 0;
    figures_.bytes = table_ ? table_->bytes() : 0;
    changes_out_ += written;
  }
  written_.notify_all();
}

}  // namespace turnpike::account
