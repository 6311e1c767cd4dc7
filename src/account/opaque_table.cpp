#include "account/opaque_table.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace turnpike::account {

namespace {

// 'TPOS': marks the file as turnpike's opaque state.
constexpr std::int64_t application_id = 0x54504f53;

// The second index answers who holds most, and what is oldest of theirs, without a look at the
// states.
constexpr const char* schema_sql = R"sql(
CREATE TABLE state(
  owner TEXT NOT NULL, key TEXT NOT NULL, expires INTEGER NOT NULL, bytes INTEGER NOT NULL,
  state BLOB NOT NULL, UNIQUE(owner, key)) STRICT;
CREATE INDEX state_expires ON state(expires);
CREATE INDEX state_held ON state(owner, expires, bytes);
)sql";

// Row header, three index entries and a share of unused page bytes.
constexpr std::int64_t row_overhead = 384;

std::int64_t micros(Instant instant) { return instant.time_since_epoch().count(); }

std::int64_t charge_of(const OpaqueRow& row) {
  return row_overhead +
         static_cast<std::int64_t>(row.owner.size() + row.key.size() + row.state.size());
}

void bind_key(sqlite3_stmt* statement, std::string_view owner, std::string_view key) {
  sqlite3_bind_text(statement, 1, owner.data(), static_cast<int>(owner.size()), SQLITE_STATIC);
  sqlite3_bind_text(statement, 2, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
}

std::string column_bytes(sqlite3_stmt* row, int column) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(row, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(row, column))};
}

/// The states are what a model thought: for the owner of the file alone. SQLite gives its other
/// files the same mode.
bool make_private(const std::filesystem::path& file) {
  const int opened =
      ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (opened < 0) return false;
  const bool done = ::fchmod(opened, S_IRUSR | S_IWUSR) == 0;
  ::close(opened);
  return done;
}

}  // namespace

void OpaqueTable::Closer::operator()(sqlite3* db) const { sqlite3_close_v2(db); }
void OpaqueTable::Closer::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

OpaqueTable::OpaqueTable(OpaqueTable&&) noexcept = default;
OpaqueTable& OpaqueTable::operator=(OpaqueTable&& other) noexcept {
  // Statements must go before their connection does.
  bytes_of_ = std::move(other.bytes_of_);
  put_ = std::move(other.put_);
  extend_ = std::move(other.extend_);
  drop_ = std::move(other.drop_);
  db_ = std::move(other.db_);
  file_ = std::move(other.file_);
  rows_ = other.rows_;
  bytes_ = other.bytes_;
  return *this;
}
OpaqueTable::~OpaqueTable() = default;

Result<OpaqueTable> OpaqueTable::open(const std::filesystem::path& file) {
  OpaqueTable table;
  if (auto done = table.connect(file); !done) return std::unexpected{done.error()};
  if (auto done = table.check_schema(); !done) return std::unexpected{done.error()};
  if (auto done = table.prepare_all(); !done) return std::unexpected{done.error()};
  if (auto done = table.count(); !done) return std::unexpected{done.error()};
  return table;
}

Result<void> OpaqueTable::connect(const std::filesystem::path& file) {
  file_ = file.string();
  if (!make_private(file)) {
    return std::unexpected{
        gateway_error(503, "store_read_only", fmt::format("cannot open {}", file_))};
  }
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(file_.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  db_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected{error("cannot open")};
  // Exclusive locking first: then the WAL index lives in our memory.
  for (const char* sql :
       {"PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF",
        "PRAGMA cache_size=-2000", "PRAGMA journal_size_limit=4194304"}) {
    if (auto done = execute(sql); !done) return done;
  }
  return {};
}

Result<void> OpaqueTable::check_schema() {
  const auto tables = number("SELECT count(*) FROM sqlite_master");
  if (!tables) return std::unexpected{tables.error()};
  if (*tables == 0) {
    const auto sql =
        fmt::format("BEGIN IMMEDIATE;{} PRAGMA application_id={}; PRAGMA user_version={}; COMMIT",
                    schema_sql, application_id, schema_version);
    return execute(sql.c_str());
  }
  const auto version = number("PRAGMA user_version");
  if (!version) return std::unexpected{version.error()};
  const auto mark = number("PRAGMA application_id");
  if (!mark) return std::unexpected{mark.error()};
  if (*version != schema_version || *mark != application_id) {
    return std::unexpected{gateway_error(503, "store_corrupt",
                                         fmt::format("{} has schema version {}", file_, *version))};
  }
  const auto sound = number("SELECT quick_check = 'ok' FROM pragma_quick_check(1)");
  if (!sound) return std::unexpected{sound.error()};
  if (*sound == 1) return {};
  return std::unexpected{gateway_error(503, "store_corrupt", fmt::format("{} is damaged", file_))};
}

Result<void> OpaqueTable::prepare_all() {
  struct Wanted {
    Statement& statement;
    const char* sql;
  };
  for (const auto& [statement, sql] :
       {Wanted{bytes_of_, "SELECT bytes FROM state WHERE owner=?1 AND key=?2"},
        Wanted{put_,
               "INSERT OR REPLACE INTO state(owner,key,expires,bytes,state) "
               "VALUES(?1,?2,?3,?4,?5)"},
        Wanted{extend_, "UPDATE state SET expires=?3 WHERE owner=?1 AND key=?2"},
        Wanted{drop_, "DELETE FROM state WHERE owner=?1 AND key=?2"}}) {
    if (auto done = prepare(statement, sql); !done) return done;
  }
  return {};
}

Result<void> OpaqueTable::read(Instant now, const std::function<bool(OpaqueRow)>& take) {
  Statement select;
  if (auto ready = prepare(select,
                           "SELECT owner,key,state,expires FROM state WHERE expires>?1 "
                           "ORDER BY expires DESC");
      !ready) {
    return ready;
  }
  sqlite3_bind_int64(select.get(), 1, micros(now));
  int code = SQLITE_ROW;
  bool more = true;
  while (more && (code = sqlite3_step(select.get())) == SQLITE_ROW) {
    OpaqueRow row{column_bytes(select.get(), 0), column_bytes(select.get(), 1),
                  column_bytes(select.get(), 2),
                  Instant{std::chrono::microseconds{sqlite3_column_int64(select.get(), 3)}}};
    more = take(std::move(row));
  }
  if (code != SQLITE_DONE && code != SQLITE_ROW) return std::unexpected{error("cannot read")};
  return {};
}

Result<void> OpaqueTable::begin() { return execute("BEGIN IMMEDIATE"); }

Result<void> OpaqueTable::commit() { return execute("COMMIT"); }

void OpaqueTable::rollback() {
  // Fails if the error has rolled back already.
  sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  if (!count()) rows_ = bytes_ = 0;
}

Result<void> OpaqueTable::put(const OpaqueRow& row) {
  bind_key(bytes_of_.get(), row.owner, row.key);
  const auto before = run(bytes_of_, "cannot read");
  if (!before) return std::unexpected{before.error()};
  const auto charge = charge_of(row);
  bind_key(put_.get(), row.owner, row.key);
  sqlite3_bind_int64(put_.get(), 3, micros(row.expires));
  sqlite3_bind_int64(put_.get(), 4, charge);
  sqlite3_bind_blob64(put_.get(), 5, row.state.data(), row.state.size(), SQLITE_STATIC);
  if (auto done = run(put_, "cannot write"); !done) return std::unexpected{done.error()};
  bytes_ += charge - *before;
  rows_ += *before == 0 ? 1 : 0;
  return {};
}

Result<void> OpaqueTable::extend(std::string_view owner, std::string_view key, Instant expires) {
  bind_key(extend_.get(), owner, key);
  sqlite3_bind_int64(extend_.get(), 3, micros(expires));
  if (auto done = run(extend_, "cannot write"); !done) return std::unexpected{done.error()};
  return {};
}

Result<void> OpaqueTable::drop(std::string_view owner, std::string_view key) {
  bind_key(bytes_of_.get(), owner, key);
  const auto before = run(bytes_of_, "cannot read");
  if (!before) return std::unexpected{before.error()};
  if (*before == 0) return {};
  bind_key(drop_.get(), owner, key);
  if (auto done = run(drop_, "cannot write"); !done) return std::unexpected{done.error()};
  bytes_ -= *before;
  --rows_;
  return {};
}

Result<void> OpaqueTable::prune(Instant now, std::int64_t bytes_max) {
  const auto sql = fmt::format("DELETE FROM state WHERE expires<={}", micros(now));
  if (auto done = execute(sql.c_str()); !done) return done;
  if (sqlite3_changes(db_.get()) > 0) {
    if (auto done = count(); !done) return done;
  }
  while (bytes_ > bytes_max && rows_ > 0) {
    if (auto done = drop_some_of_the_largest(); !done) return done;
  }
  return {};
}

Result<void> OpaqueTable::drop_some_of_the_largest() {
  if (auto done =
          execute("DELETE FROM state WHERE rowid IN (SELECT rowid FROM state WHERE owner="
                  "(SELECT owner FROM state GROUP BY owner ORDER BY sum(bytes) DESC LIMIT 1)"
                  " ORDER BY expires LIMIT 16)");
      !done) {
    return done;
  }
  return count();
}

Result<void> OpaqueTable::count() {
  const auto rows = number("SELECT count(*) FROM state");
  if (!rows) return std::unexpected{rows.error()};
  const auto bytes = number("SELECT coalesce(sum(bytes),0) FROM state");
  if (!bytes) return std::unexpected{bytes.error()};
  rows_ = *rows;
  bytes_ = *bytes;
  return {};
}

Result<void> OpaqueTable::prepare(Statement& statement, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  statement.reset(raw);
  if (code != SQLITE_OK) return std::unexpected{error("cannot read")};
  return {};
}

Result<void> OpaqueTable::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected{error("cannot write")};
}

Result<std::int64_t> OpaqueTable::number(const char* sql) {
  Statement select;
  if (auto ready = prepare(select, sql); !ready) return std::unexpected{ready.error()};
  return run(select, "cannot read");
}

Result<std::int64_t> OpaqueTable::run(Statement& statement, const char* doing) {
  const int code = sqlite3_step(statement.get());
  std::int64_t value = 0;
  if (code == SQLITE_ROW) value = sqlite3_column_int64(statement.get(), 0);
  Result<std::int64_t> result{value};
  if (code != SQLITE_ROW && code != SQLITE_DONE) result = std::unexpected{error(doing)};
  sqlite3_reset(statement.get());
  sqlite3_clear_bindings(statement.get());
  return result;
}

Error OpaqueTable::error(std::string_view doing) const {
  const int code = sqlite3_errcode(db_.get()) & 0xff;
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return gateway_error(503, damaged ? "store_corrupt" : "store_unavailable",
                       fmt::format("{} {}: {}", doing, file_, sqlite3_errmsg(db_.get())));
}

}  // namespace turnpike::account
