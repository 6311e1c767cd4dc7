// The store's write-ahead log and pages: taken in when a store is opened, moved into the database
// when the log is long, left alone when a handle is given up.
#include <algorithm>

#include <fmt/format.h>
#include <sqlite3.h>

#include "account/store.hpp"
#include "account/store_rows.hpp"
#include "account/wal_file.hpp"

namespace turnpike::account {

namespace {

// Up to this size all pages are looked at when the store is opened (about 1 ms per MiB); a larger
// one is left to `turnpike ledger verify`, because a start must not take seconds. A store that has
// failed is looked at whole, whatever it takes.
constexpr std::uintmax_t checked_bytes_max = 256U << 20U;

// The log is moved into the database from this many pages on (16 MiB; SQLite's own default).
constexpr std::int64_t wal_frames_max = 1000;

}  // namespace

Result<void> Store::check_pages(Access access) {
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(file_, ignored);
  if (access != Access::reopen && !ignored && bytes > checked_bytes_max) return {};
  Statement check;
  if (auto ready = prepare(check, "PRAGMA quick_check(1)"); !ready) return ready;
  if (sqlite3_step(check.get()) != SQLITE_ROW) return std::unexpected{error("cannot check")};
  const auto verdict = column_text(check.get(), 0);
  if (verdict == "ok") return {};
  return std::unexpected{gateway_error(
      503, "store_corrupt",
      fmt::format("{} is damaged: {}. Restore a copy; `turnpike ledger verify` judges it", file_,
                  verdict))};
}

/// What an earlier process committed may be in the page cache only, if its fsync failed. Copied
/// into the database and fsynced there, it is durable.
Result<void> Store::take_in_wal(std::int64_t bytes_in_use, Access access) {
  if (access == Access::read) return {};
  wal_frames_ = std::make_unique<std::int64_t>(0);
  const auto count = [](void* frames, sqlite3*, const char*, int now) {
    *static_cast<std::int64_t*>(frames) = now;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(db_.get(), count, wal_frames_.get());
  std::int64_t frames = 0;
  if (auto folded = fold_wal(&frames); !folded) return folded;
  const auto page = number("PRAGMA page_size");
  if (!page) return std::unexpected{page.error()};
  wal_bytes_dropped_ = std::max<std::int64_t>(0, bytes_in_use - wal_bytes_of(frames, *page));
  return {};
}

Result<void> Store::shorten_wal() {
  if (!wal_frames_ || *wal_frames_ < wal_frames_max) return {};
  return fold_wal();
}

Result<void> Store::fold_wal(std::int64_t* frames) {
  int in_log = 0;
  int moved = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  if (code != SQLITE_OK || moved < in_log) {
    return std::unexpected{error("cannot move the write-ahead log into")};
  }
  *wal_frames_ = 0;
  if (frames != nullptr) *frames = in_log;
  return {};
}

void Store::abandon() {
  insert_entry_.reset();
  insert_decision_.reset();
  if (db_) sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  db_.reset();
}

}  // namespace turnpike::account
