#include "account/store.hpp"

#include <chrono>

#include <fmt/format.h>
#include <sqlite3.h>

#include "account/space_reserve.hpp"
#include "account/store_rows.hpp"
#include "account/wal_file.hpp"

namespace turnpike::account {

namespace {

// 'TPLG': marks the file as a turnpike ledger.
constexpr std::int64_t application_id = 0x54504c47;


// Places next to the one an id maps to that a colliding id may take.
constexpr std::int64_t place_probes = 64;

/// Where a decision's row goes: ids begin with the time, so rows of one time lie together and the
/// newest at the end. ULID: 48 bits of milliseconds and the first 15 random bits. Any other id: a
/// hash.
std::int64_t place_of(std::string_view id) {
  constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  std::uint64_t place = 0;
  bool ulid = id.size() == 26;
  for (std::size_t i = 0; ulid && i < 13; ++i) {
    const char upper = id[i] >= 'a' && id[i] <= 'z' ? static_cast<char>(id[i] - 'a' + 'A') : id[i];
    const auto digit = alphabet.find(upper);
    ulid = digit != std::string_view::npos;
    place = (place << 5U) | (digit & 31U);
  }
  if (!ulid) {
    place = 0xcbf29ce484222325U;
    for (const char c : id) place = (place ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return static_cast<std::int64_t>((place & 0x7fffffffffffffffU) - (place & 63U));
}

std::int64_t place_low_bits(std::string_view id) {
  std::uint64_t low = 0;
  for (const char c : id) low = low * 31 + static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(low % static_cast<std::uint64_t>(place_probes));
}

std::string_view error_code(int code, int system) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "store_full";
    case SQLITE_IOERR:
      return means_disk_full(system) ? "store_full" : "store_unavailable";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "store_locked";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "store_read_only";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "store_corrupt";
    default:
      return "store_unavailable";
  }
}

}  // namespace

void Store::Closer::operator()(sqlite3* db) const { sqlite3_close_v2(db); }
void Store::Closer::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&& other) noexcept {
  if (broken_) abandon();
  // Statements must go before their connection does.
  insert_entry_ = std::move(other.insert_entry_);
  insert_decision_ = std::move(other.insert_decision_);
  db_ = std::move(other.db_);
  file_ = std::move(other.file_);
  broken_ = other.broken_;
  wal_bytes_dropped_ = other.wal_bytes_dropped_;
  wal_frames_ = std::move(other.wal_frames_);
  return *this;
}
Store::~Store() {
  if (broken_) abandon();
}

Result<Store> Store::open(const std::filesystem::path& directory, Access access) {
  Store store;
  const auto file = directory / "ledger.sqlite";
  const auto wal_bytes = wal_bytes_in_use(file);
  if (auto connected = store.connect(file, access); !connected) {
    return std::unexpected{connected.error()};
  }
  if (auto known = store.check_schema(access); !known) return std::unexpected{known.error()};
  if (auto taken = store.take_in_wal(wal_bytes, access); !taken) {
    return std::unexpected{taken.error()};
  }
  const auto insert_entry = insert_entry_sql();
  if (auto ready = store.prepare(store.insert_entry_, insert_entry.c_str()); !ready) {
    return std::unexpected{ready.error()};
  }
  if (auto ready = store.prepare(store.insert_decision_,
                                 "INSERT OR FAIL INTO decisions(place,id,at,key,tier,target,cost,"
                                 "record) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)");
      !ready) {
    return std::unexpected{ready.error()};
  }
  return store;
}

Result<void> Store::connect(const std::filesystem::path& file, Access access) {
  file_ = file.string();
  std::error_code ignored;
  if (access != Access::write && !std::filesystem::exists(file, ignored)) {
    return std::unexpected{
        gateway_error(503, "store_missing", fmt::format("there is no ledger at {}", file_))};
  }
  // Reading opens for writing too: a copy's write-ahead log can only be taken in by a connection
  // that may write.
  const int create = access == Access::write ? SQLITE_OPEN_CREATE : 0;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | create;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file_.c_str(), &raw, flags, nullptr);
  db_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected{error("cannot open")};
  // Exclusive locking first: then the WAL index lives in our memory and no other process can get in
  // between.
  return execute("PRAGMA locking_mode=EXCLUSIVE");
}

Result<void> Store::check_schema(Access access) {
  const auto version = number("PRAGMA user_version");
  if (!version) return std::unexpected{version.error()};
  const auto tables = number("SELECT count(*) FROM sqlite_master");
  if (!tables) return std::unexpected{tables.error()};
  const bool fresh = *version == 0 && *tables == 0 && access == Access::write;
  const auto mark = number("PRAGMA application_id");
  const bool older = *version >= 1 && *version < schema_version && access == Access::write;
  if (!fresh && ((*version != schema_version && !older) || !mark || *mark != application_id)) {
    return std::unexpected{gateway_error(503, "store_schema",
                                         fmt::format("{} has schema version {}; this program knows "
                                                     "version {}. Use the program that wrote it",
                                                     file_, *version, schema_version))};
  }
  if (access != Access::read) {
    // Large pages: records of a kilobyte fill 4 KiB ones badly (11 us of CPU a request against 8).
    for (const char* sql : {"PRAGMA page_size=16384", "PRAGMA journal_mode=WAL",
                            "PRAGMA synchronous=FULL", "PRAGMA cache_size=-2000"}) {
      if (auto done = execute(sql); !done) return done;
    }
  }
  if (fresh) {
    const auto sql =
        fmt::format("BEGIN IMMEDIATE;{} PRAGMA application_id={}; PRAGMA user_version={}; COMMIT",
                    schema_sql, application_id, schema_version);
    return execute(sql.c_str());
  }
  if (auto sound = check_pages(access); !sound) return sound;
  if (older) {
    const auto sql = fmt::format("BEGIN IMMEDIATE;{} PRAGMA user_version={}; COMMIT", upgrade_from_1_sql, schema_version);
    if (auto upgraded = execute(sql.c_str()); !upgraded) return upgraded;
  }
  // Takes the lock for good where the pragmas alone have not written anything.
  return access == Access::read ? Result<void>{} : execute("BEGIN IMMEDIATE; COMMIT");
}

Result<void> Store::commit(std::span<const Entry> entries, std::span<const DecisionRow> decisions,
                           const std::optional<Checkpoint>& checkpoint) {
  if (!db_)
    return std::unexpected{gateway_error(503, "store_unavailable", "the ledger's store is closed")};
  if (auto begun = execute("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = write_entries(entries);
  if (done) done = write_decisions(decisions);
  if (done && checkpoint) done = write_checkpoint(*checkpoint);
  if (done) done = execute("COMMIT");
  if (!done) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

Result<void> Store::write_entries(std::span<const Entry> entries) {
  auto* insert = insert_entry_.get();
  for (const auto& entry : entries) {
    bind_entry(insert, entry);
    const int code = sqlite3_step(insert);
    sqlite3_reset(insert);
    if (code != SQLITE_DONE) return std::unexpected{error("cannot write an entry to")};
  }
  return {};
}

Result<void> Store::write_decisions(std::span<const DecisionRow> decisions) {
  auto* insert = insert_decision_.get();
  for (const auto& row : decisions) {
    bind_text(insert, 2, row.id);
    sqlite3_bind_int64(insert, 3, row.at);
    sqlite3_bind_text(insert, 4, row.key.data(), static_cast<int>(row.key.size()), SQLITE_STATIC);
    sqlite3_bind_text(insert, 5, row.tier.data(), static_cast<int>(row.tier.size()), SQLITE_STATIC);
    sqlite3_bind_text(insert, 6, row.target.data(), static_cast<int>(row.target.size()),
                      SQLITE_STATIC);
    sqlite3_bind_int64(insert, 7, row.cost);
    sqlite3_bind_text(insert, 8, row.record.data(), static_cast<int>(row.record.size()),
                      SQLITE_STATIC);
    const auto base = place_of(row.id);
    const auto first = place_low_bits(row.id);
    int code = SQLITE_CONSTRAINT;
    for (std::int64_t probe = 0; probe < place_probes && code == SQLITE_CONSTRAINT; ++probe) {
      sqlite3_bind_int64(insert, 1, base + (first + probe) % place_probes);
      code = sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    if (code != SQLITE_DONE && code != SQLITE_CONSTRAINT) {
      return std::unexpected{error("cannot write a decision record to")};
    }
  }
  return {};
}

Result<void> Store::write_checkpoint(const Checkpoint& checkpoint) {
  Statement insert;
  if (auto ready = prepare(insert, "INSERT OR REPLACE INTO checkpoint(seq,state) VALUES(?1,?2)");
      !ready) {
    return ready;
  }
  const auto last = read(checkpoint.seq, 1);
  if (!last) return std::unexpected{last.error()};
  const auto packed = pack(checkpoint.state, last->empty() ? Entry{} : last->front());
  sqlite3_bind_int64(insert.get(), 1, checkpoint.seq);
  sqlite3_bind_blob64(insert.get(), 2, packed.data(), packed.size(), SQLITE_STATIC);
  if (sqlite3_step(insert.get()) != SQLITE_DONE)
    return std::unexpected{error("cannot write a checkpoint to")};
  return execute(fmt::format("DELETE FROM checkpoint WHERE seq<>{}", checkpoint.seq).c_str());
}

Result<Store::Tail> Store::tail() {
  Statement select;
  if (auto ready =
          prepare(select, "SELECT seq,at,epoch,chain FROM journal ORDER BY seq DESC LIMIT 1");
      !ready) {
    return std::unexpected{ready.error()};
  }
  const int code = sqlite3_step(select.get());
  if (code == SQLITE_DONE) return Tail{};
  if (code != SQLITE_ROW) return std::unexpected{error("cannot read")};
  return Tail{sqlite3_column_int64(select.get(), 0), sqlite3_column_int64(select.get(), 1),
              sqlite3_column_int64(select.get(), 2),
              static_cast<std::uint32_t>(sqlite3_column_int64(select.get(), 3))};
}

Result<std::optional<Checkpoint>> Store::checkpoint() {
  Statement select;
  if (auto ready = prepare(select, "SELECT seq,state FROM checkpoint ORDER BY seq DESC LIMIT 1");
      !ready) {
    return std::unexpected{ready.error()};
  }
  const int code = sqlite3_step(select.get());
  if (code == SQLITE_DONE) return std::nullopt;
  if (code != SQLITE_ROW) return std::unexpected{error("cannot read")};
  const auto* data = static_cast<const char*>(sqlite3_column_blob(select.get(), 1));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(select.get(), 1));
  const auto seq = sqlite3_column_int64(select.get(), 0);
  const auto last = read(seq, 1);
  if (!last) return std::unexpected{last.error()};
  auto state = unpack(data == nullptr ? std::string_view{} : std::string_view{data, size},
                      last->empty() ? Entry{} : last->front());
  if (!state) {
    return std::unexpected{
        gateway_error(503, "store_corrupt", fmt::format("the checkpoint in {} is damaged", file_))};
  }
  return Checkpoint{seq, *std::move(state)};
}

Result<std::vector<Entry>> Store::read(std::int64_t first, std::int64_t count) {
  Statement select;
  const auto sql =
      fmt::format("SELECT {} FROM journal WHERE seq>=?1 ORDER BY seq LIMIT ?2", entry_columns());
  if (auto ready = prepare(select, sql.c_str()); !ready) return std::unexpected{ready.error()};
  sqlite3_bind_int64(select.get(), 1, first);
  sqlite3_bind_int64(select.get(), 2, count);
  return collect(select);
}

Result<std::vector<Entry>> Store::definitions(EntryKind kind) {
  Statement select;
  const auto sql = fmt::format(
      "SELECT {} FROM journal WHERE kind=?1 AND detail IS NOT NULL ORDER BY seq", entry_columns());
  if (auto ready = prepare(select, sql.c_str()); !ready) return std::unexpected{ready.error()};
  sqlite3_bind_int64(select.get(), 1, static_cast<std::int64_t>(kind));
  return collect(select);
}

Result<std::int64_t> Store::first_at(std::int64_t at) {
  const auto last = tail();
  if (!last) return std::unexpected{last.error()};
  Statement select;
  if (auto ready = prepare(select, "SELECT at FROM journal WHERE seq=?1"); !ready) {
    return std::unexpected{ready.error()};
  }
  std::int64_t low = 1;
  std::int64_t high = last->seq + 1;
  while (low < high) {  // the answer is in [low, high]
    const auto middle = low + (high - low) / 2;
    sqlite3_bind_int64(select.get(), 1, middle);
    if (sqlite3_step(select.get()) != SQLITE_ROW) return std::unexpected{error("cannot read")};
    const bool early = sqlite3_column_int64(select.get(), 0) < at;
    sqlite3_reset(select.get());
    if (early) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Result<std::optional<std::string>> Store::decision(std::string_view id) {
  Statement select;
  if (auto ready =
          prepare(select, "SELECT record FROM decisions WHERE place>=?1 AND place<?1+?2 AND id=?3");
      !ready) {
    return std::unexpected{ready.error()};
  }
  sqlite3_bind_int64(select.get(), 1, place_of(id));
  sqlite3_bind_int64(select.get(), 2, place_probes);
  bind_text(select.get(), 3, id);
  const int code = sqlite3_step(select.get());
  if (code == SQLITE_DONE) return std::nullopt;
  if (code != SQLITE_ROW) return std::unexpected{error("cannot read")};
  return column_text(select.get(), 0);
}

Result<std::vector<std::string>> Store::recent_decisions(std::int64_t count) {
  Statement select;
  if (auto ready = prepare(select, "SELECT record FROM decisions ORDER BY place DESC LIMIT ?1");
      !ready) {
    return std::unexpected{ready.error()};
  }
  sqlite3_bind_int64(select.get(), 1, count);
  std::vector<std::string> records;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(select.get())) == SQLITE_ROW)
    records.push_back(column_text(select.get(), 0));
  if (code != SQLITE_DONE) return std::unexpected{error("cannot read")};
  return records;
}

Result<DecisionPage> Store::decisions_from(DecisionPlace place, std::int64_t count) {
  Statement select;
  if (auto ready = prepare(select,
                           "SELECT place,record FROM decisions WHERE place>=?1 ORDER BY place LIMIT ?2");
      !ready) {
    return std::unexpected{ready.error()};
  }
  sqlite3_bind_int64(select.get(), 1, place);
  sqlite3_bind_int64(select.get(), 2, count);
  DecisionPage page;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(select.get())) == SQLITE_ROW) {
    page.next = sqlite3_column_int64(select.get(), 0) + 1;
    page.records.push_back(column_text(select.get(), 1));
  }
  if (code != SQLITE_DONE) return std::unexpected{error("cannot read")};
  if (std::ssize(page.records) < count) page.next = 0;
  return page;
}

Result<DecisionPlace> Store::place_of_newest(std::int64_t count) {
  Statement select;
  if (auto ready = prepare(select,
                           "SELECT min(place) FROM (SELECT place FROM decisions ORDER BY place DESC LIMIT ?1)");
      !ready) {
    return std::unexpected{ready.error()};
  }
  sqlite3_bind_int64(select.get(), 1, count);
  if (sqlite3_step(select.get()) != SQLITE_ROW) return std::unexpected{error("cannot read")};
  return sqlite3_column_int64(select.get(), 0);
}

Result<std::vector<Entry>> Store::collect(Statement& statement) {
  std::vector<Entry> entries;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW)
    entries.push_back(row_entry(statement.get()));
  if (code != SQLITE_DONE) return std::unexpected{error("cannot read")};
  return entries;
}

Result<void> Store::prepare(Statement& statement, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  statement.reset(raw);
  if (code != SQLITE_OK) return std::unexpected{error("cannot read")};
  return {};
}

Result<void> Store::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected{error("cannot write")};
}

Result<std::int64_t> Store::number(const char* sql) {
  Statement select;
  if (auto ready = prepare(select, sql); !ready) return std::unexpected{ready.error()};
  if (sqlite3_step(select.get()) != SQLITE_ROW) return std::unexpected{error("cannot read")};
  return sqlite3_column_int64(select.get(), 0);
}

Error Store::error(std::string_view doing) {
  const int code = sqlite3_errcode(db_.get());
  const auto word = error_code(code, sqlite3_system_errno(db_.get()));
  const int kind = code & 0xff;
  broken_ = broken_ || (kind != SQLITE_FULL && kind != SQLITE_BUSY && kind != SQLITE_LOCKED);
  const auto* hint = word == "store_locked" ? "; another process uses it" : "";
  return gateway_error(503, std::string{word},
                       fmt::format("{} {}: {}{}", doing, file_, sqlite3_errmsg(db_.get()), hint));
}

}  // namespace turnpike::account
