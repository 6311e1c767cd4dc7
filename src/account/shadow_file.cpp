#include "account/shadow_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "turnpike/log.hpp"

namespace turnpike::account {
namespace {

// 'TPSH': marks the file as turnpike's shadow pairs.
constexpr std::int64_t application_id = 0x54505348;
constexpr int schema_version = 1;
constexpr const char* schema_sql = R"sql(
CREATE TABLE pair(
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, decision TEXT NOT NULL, candidate TEXT NOT NULL, measures TEXT NOT NULL) STRICT;
CREATE INDEX pair_at ON pair(at);
CREATE INDEX pair_decision ON pair(decision);
)sql";
/// How long rows that are too old may stay while nothing happens.
constexpr std::chrono::minutes idle_interval{10};

struct StatementCloser {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, StatementCloser>;

std::filesystem::path file_in(const std::filesystem::path& directory) { return directory / "shadow.db"; }

std::int64_t micros(Instant instant) { return instant.time_since_epoch().count(); }

/// Extracts may be in it, if a policy has opted in: for the owner of the file alone.
bool make_private(const std::filesystem::path& file) {
  const int opened = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (opened < 0) return false;
  const bool done = ::fchmod(opened, S_IRUSR | S_IWUSR) == 0;
  ::close(opened);
  return done;
}

Error store_error(sqlite3* db, const std::filesystem::path& file, const char* doing) {
  const int code = db == nullptr ? SQLITE_CANTOPEN : sqlite3_errcode(db);
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return gateway_error(503, damaged ? "store_corrupt" : "store_unavailable",
                       fmt::format("{} {}: {}", doing, file.string(), db == nullptr ? "cannot be opened" : sqlite3_errmsg(db)));
}

Statement prepared(sqlite3* db, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  sqlite3_prepare_v2(db, sql, -1, &raw, nullptr);
  return Statement{raw};
}

/// Nothing if it cannot be read: the connection's error code says why.
std::optional<std::int64_t> number(sqlite3* db, const char* sql) {
  const auto statement = prepared(db, sql);
  if (!statement || sqlite3_step(statement.get()) != SQLITE_ROW) return std::nullopt;
  return sqlite3_column_int64(statement.get(), 0);
}

/// The first of shadow.db.damaged, shadow.db.damaged.2, … that is free: an earlier copy is not lost.
std::filesystem::path damaged_name(const std::filesystem::path& file) {
  std::filesystem::path name{file};
  name += ".damaged";
  std::error_code ignored;
  for (int i = 2; std::filesystem::exists(name, ignored); ++i) {
    name = file;
    name += fmt::format(".damaged.{}", i);
  }
  return name;
}

void bind(sqlite3_stmt* statement, int index, const std::string& text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

std::string column(sqlite3_stmt* row, int index) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, index));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(row, index))};
}

}  // namespace

void ShadowFile::Closer::operator()(sqlite3* db) const { sqlite3_close_v2(db); }

ShadowFile::ShadowFile(ShadowFileOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {
  auto ready = open();
  if (!ready && ready.error().code == "store_corrupt") {
    set_aside(ready.error());
    ready = open();
  }
  if (!ready) {
    db_.reset();
    log(LogLevel::warn, "shadow_pairs_not_kept", {{"why", std::string_view{ready.error().message}}});
  }
  thread_ = std::thread{[this] { loop(); }};
}

ShadowFile::~ShadowFile() {
  {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Result<void> ShadowFile::open() {
  const auto file = file_in(options_.directory);
  if (!make_private(file)) return std::unexpected{error("cannot open")};
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  db_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected{error("cannot open")};
  // Reports read beside this writer, so its locks are taken and given back with each batch.
  for (const char* sql : {"PRAGMA busy_timeout=2000", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA journal_size_limit=4194304"}) {
    if (auto done = execute(sql); !done) return done;
  }
  const auto tables = number(raw, "SELECT count(*) FROM sqlite_master");
  if (!tables) return std::unexpected{error("cannot read")};
  if (*tables == 0) {
    const auto sql = fmt::format("BEGIN IMMEDIATE;{} PRAGMA application_id={}; PRAGMA user_version={}; COMMIT", schema_sql, application_id, schema_version);
    if (auto done = execute(sql.c_str()); !done) return done;
  }
  // Only what was read and differs makes it another file; whatever keeps it from being read may pass.
  for (const auto& [sql, wanted] : {std::pair{"PRAGMA application_id", application_id}, {"PRAGMA user_version", std::int64_t{schema_version}}}) {
    const auto found = number(raw, sql);
    if (!found) return std::unexpected{error("cannot read")};
    if (*found == wanted) continue;
    return std::unexpected{gateway_error(503, "store_corrupt", fmt::format("{} is no file of shadow pairs of this version", file.string()))};
  }
  const auto rows = number(raw, "SELECT count(*) FROM pair");
  if (!rows) return std::unexpected{error("cannot read")};
  figures_.rows = *rows;
  return {};
}

void ShadowFile::set_aside(const Error& why) {
  // Closing would write the log into the damaged file, and delete it.
  if (db_) sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  db_.reset();
  const auto file = file_in(options_.directory);
  std::error_code failed;
  const auto aside = damaged_name(file);
  std::filesystem::rename(file, aside, failed);
  if (!failed) {
    // With the log of what was written last, the copy is all there was; a new file must not find it.
    std::error_code ignored;
    std::filesystem::rename(std::filesystem::path{file} += "-wal", std::filesystem::path{aside} += "-wal", ignored);
    std::filesystem::remove(std::filesystem::path{file} += "-shm", ignored);
  }
  const std::string name = aside.filename().string();
  log(LogLevel::warn, "shadow_pairs_set_aside", {{"why", std::string_view{why.message}}, {"moved", !failed}, {"to", std::string_view{name}}});
}

void ShadowFile::put(ShadowRow row) {
  {
    const std::scoped_lock lock{mutex_};
    if (queue_.size() >= options_.queue_rows_max) {
      ++figures_.dropped;
      return;
    }
    queue_.push_back(std::move(row));
    ++rows_in_;
  }
  wake_.notify_one();
}

void ShadowFile::flush() {
  std::unique_lock lock{mutex_};
  const auto wanted = rows_in_;
  while (rows_out_ < wanted) {
    urgent_ = true;
    wake_.notify_one();
    written_.wait(lock);
  }
}

ShadowFileFigures ShadowFile::figures() const {
  const std::scoped_lock lock{mutex_};
  return figures_;
}

void ShadowFile::loop() {
  std::vector<ShadowRow> batch;
  while (gather(batch)) {
    write(batch);
    batch.clear();
  }
}

/// Waits for a first row, then for more of them; nothing after a long silence. False when all is written and the end has come.
bool ShadowFile::gather(std::vector<ShadowRow>& batch) {
  const auto hurried = [this] { return stopping_ || urgent_ || queue_.size() > options_.queue_rows_max / 2; };
  std::unique_lock lock{mutex_};
  wake_.wait_for(lock, idle_interval, [this] { return stopping_ || !queue_.empty(); });
  if (!queue_.empty()) wake_.wait_for(lock, options_.batch_interval, hurried);
  batch.swap(queue_);
  urgent_ = false;
  return !batch.empty() || !stopping_;
}

void ShadowFile::write(const std::vector<ShadowRow>& batch) {
  Result<void> done;
  if (db_) {
    done = insert(batch);
    if (!done) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    if (!done && !std::exchange(trouble_told_, true)) {
      log(LogLevel::warn, "shadow_pairs_not_kept", {{"why", std::string_view{done.error().message}}});
    }
    if (done) trouble_told_ = false;
  }
  const bool kept = db_ && done;
  const auto rows = kept ? number(db_.get(), "SELECT count(*) FROM pair") : std::nullopt;
  {
    const std::scoped_lock lock{mutex_};
    if (!kept) figures_.failed += batch.size();
    if (rows) figures_.rows = *rows;
    rows_out_ += batch.size();
  }
  written_.notify_all();
}

Result<void> ShadowFile::insert(const std::vector<ShadowRow>& batch) {
  if (auto done = execute("BEGIN IMMEDIATE"); !done) return done;
  const auto statement = prepared(db_.get(), "INSERT INTO pair(at,decision,candidate,measures) VALUES(?1,?2,?3,?4)");
  if (!statement) return std::unexpected{error("cannot write")};
  for (const auto& row : batch) {
    sqlite3_bind_int64(statement.get(), 1, micros(row.at));
    bind(statement.get(), 2, row.decision);
    bind(statement.get(), 3, row.candidate);
    bind(statement.get(), 4, row.measures);
    if (sqlite3_step(statement.get()) != SQLITE_DONE) return std::unexpected{error("cannot write")};
    sqlite3_reset(statement.get());
  }
  if (auto done = prune(); !done) return done;
  return execute("COMMIT");
}

/// By age, then the oldest beyond the number.
Result<void> ShadowFile::prune() {
  const auto sql = fmt::format(
      "DELETE FROM pair WHERE at<{}; DELETE FROM pair WHERE seq<=(SELECT seq FROM pair ORDER BY seq DESC LIMIT 1 OFFSET {})",
      micros(clock_.now() - options_.days_max), options_.rows_max);
  return execute(sql.c_str());
}

Result<void> ShadowFile::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return std::unexpected{error("cannot write")};
  return {};
}

Error ShadowFile::error(const char* doing) const { return store_error(db_.get(), file_in(options_.directory), doing); }

Result<void> read_shadow_rows(const std::filesystem::path& directory, const ShadowQuery& query, const std::function<bool(const ShadowRow&)>& visit) {
  const auto file = file_in(directory);
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  sqlite3* raw = nullptr;
  // Not read-only: the last reader of a WAL that a crash has left must be able to take it in.
  sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)> db{raw, sqlite3_close_v2};
  sqlite3_busy_timeout(raw, 2000);
  const auto statement = prepared(raw,
                                  "SELECT at,decision,candidate,measures FROM pair WHERE at>=?1 AND at<?2 AND (?3='' OR decision=?3) ORDER BY seq");
  if (!statement) return std::unexpected{store_error(raw, file, "cannot read")};
  sqlite3_bind_int64(statement.get(), 1, query.since ? micros(*query.since) : INT64_MIN);
  sqlite3_bind_int64(statement.get(), 2, query.until ? micros(*query.until) : INT64_MAX);
  bind(statement.get(), 3, query.decision);
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
    const ShadowRow row{Instant{std::chrono::microseconds{sqlite3_column_int64(statement.get(), 0)}}, column(statement.get(), 1),
                        column(statement.get(), 2), column(statement.get(), 3)};
    if (!visit(row)) return {};
  }
  if (code != SQLITE_DONE) return std::unexpected{store_error(raw, file, "cannot read")};
  return {};
}

}  // namespace turnpike::account
