// The journal on disk: SQLite in WAL mode, synchronous=FULL, one connection with exclusive locking.
// One thread at a time; while a ledger runs, its writer thread. Nothing here knows what an entry
// means.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/decision_page.hpp"
#include "account/entry.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace turnpike::account {

/// One finished exchange: what `explain` shows, and a few columns for SQL.
struct DecisionRow {
  std::string id;
  std::int64_t at = 0;
  std::string key;
  std::string tier;
  std::string target;
  std::int64_t cost = 0;
  std::string record;  // JSON
};

/// The balances at one entry, so that a start need not read the journal from its beginning. A
/// cache: verify() compares it with the journal.
struct Checkpoint {
  std::int64_t seq = 0;
  std::vector<Entry> state;  // Balances::snapshot()
};

class Store {
 public:
  /// The schema's version, in SQLite's user_version. Older ones are upgraded when opened for writing;
  /// any other is refused.
  static constexpr int schema_version = 2;

  enum class Access : std::uint8_t { write, reopen, read };
  /// write: makes the file if it is missing. reopen: as write, but `store_missing` if there is none.
  /// read: likewise, and leaves the file as it is. Both kinds of writing make durable what is found:
  /// after a failed fsync a page may be in memory only and look as good as any other.
  static Result<Store> open(const std::filesystem::path& directory, Access access);
  /// Without a file: every use fails.
  static Store closed() { return {}; }
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  /// One fsynced transaction: all or nothing.
  Result<void> commit(std::span<const Entry> entries, std::span<const DecisionRow> decisions,
                      const std::optional<Checkpoint>& checkpoint = std::nullopt);
  /// Moves the write-ahead log into the database once it is long. SQLite would do it by itself after
  /// a commit, but keeps the failure of an fsync to itself.
  Result<void> shorten_wal();

  [[nodiscard]] const std::string& file() const { return file_; }

  /// False once a read, write or fsync has failed: the handle may not be used again. A full disk
  /// alone does not break it; the transaction was undone.
  [[nodiscard]] bool usable() const { return db_ && !broken_; }
  /// Closes the handle without touching the files.
  void abandon();
  /// Bytes at the end of the write-ahead log that open() found unusable: a transaction that was
  /// never committed, or damage.
  [[nodiscard]] std::int64_t wal_bytes_dropped() const { return wal_bytes_dropped_; }

  struct Tail {
    std::int64_t seq = 0;  // 0: empty
    std::int64_t at = 0;
    std::int64_t epoch = 0;
    std::uint32_t chain = 0;
  };
  Result<Tail> tail();
  Result<std::optional<Checkpoint>> checkpoint();
  /// Up to `count` entries from `first` on, in order.
  Result<std::vector<Entry>> read(std::int64_t first, std::int64_t count);
  /// Entries with a detail (definitions, keys, budgets) up to `last`, in order. Few, and found by
  /// index.
  Result<std::vector<Entry>> definitions(EntryKind kind);
  /// Seq of the first entry at or after the instant (entries are ordered in time); tail + 1 if
  /// there is none.
  Result<std::int64_t> first_at(std::int64_t at);
  Result<std::optional<std::string>> decision(std::string_view id);
  Result<std::vector<std::string>> recent_decisions(std::int64_t count);
  Result<DecisionPage> decisions_from(DecisionPlace place, std::int64_t count);
  /// Where the newest `count` records begin.
  Result<DecisionPlace> place_of_newest(std::int64_t count);

 private:
  struct Closer {
    void operator()(sqlite3* db) const;
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Closer>;

  Store() = default;
  Result<void> connect(const std::filesystem::path& file, Access access);
  Result<void> take_in_wal(std::int64_t bytes_in_use, Access access);
  Result<void> fold_wal(std::int64_t* frames = nullptr);
  Result<void> check_schema(Access access);
  Result<void> check_pages(Access access);
  Result<void> prepare(Statement& statement, const char* sql);
  Result<void> execute(const char* sql);
  Result<std::int64_t> number(const char* sql);
  Result<void> write_entries(std::span<const Entry> entries);
  Result<void> write_decisions(std::span<const DecisionRow> decisions);
  Result<void> write_checkpoint(const Checkpoint& checkpoint);
  Result<std::vector<Entry>> collect(Statement& statement);
  Error error(std::string_view doing);

  std::unique_ptr<sqlite3, Closer> db_;
  std::string file_;
  bool broken_ = false;
  std::int64_t wal_bytes_dropped_ = 0;
  std::unique_ptr<std::int64_t> wal_frames_;  // SQLite's hook writes it: it must not move
  Statement insert_entry_;
  Statement insert_decision_;
};

}  // namespace turnpike::account
