#include "account/store_rows.hpp"

#include <array>

#include <fmt/format.h>
#include <sqlite3.h>

namespace turnpike::account {

// Integer primary keys only: rows are appended, no hot row touches a second tree. The partial index
// holds the rare entries that have a detail, so that names can be looked up without reading the
// journal.
const char* const schema_sql = R"sql(
CREATE TABLE journal(
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, epoch INTEGER NOT NULL,
  lease INTEGER NOT NULL, attempt INTEGER NOT NULL, path INTEGER NOT NULL, model INTEGER NOT NULL,
  price INTEGER NOT NULL, cause INTEGER NOT NULL, amount INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  flags INTEGER NOT NULL, tokens INTEGER NOT NULL, input_fresh INTEGER NOT NULL,
  input_cache_read INTEGER NOT NULL, input_cache_write_5m INTEGER NOT NULL,
  input_cache_write_1h INTEGER NOT NULL, output_text INTEGER NOT NULL,
  output_reasoning INTEGER NOT NULL, chain INTEGER NOT NULL, decision TEXT, detail TEXT,
  tier INTEGER NOT NULL DEFAULT 0, web_search INTEGER NOT NULL DEFAULT 0,
  web_fetch INTEGER NOT NULL DEFAULT 0, code_execution INTEGER NOT NULL DEFAULT 0,
  file_search INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX journal_details ON journal(kind) WHERE detail IS NOT NULL;
CREATE TABLE decisions(
  place INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, key TEXT NOT NULL,
  tier TEXT NOT NULL, target TEXT NOT NULL, cost INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE TABLE checkpoint(seq INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT;
)sql";

const char* const upgrade_from_1_sql = R"sql(
ALTER TABLE journal ADD COLUMN tier INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN web_search INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN web_fetch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN code_execution INTEGER NOT NULL DEFAULT 0;
ALTER TABLE journal ADD COLUMN file_search INTEGER NOT NULL DEFAULT 0;
)sql";

namespace {

constexpr std::string_view columns =
    "seq,at,kind,epoch,lease,attempt,path,model,price,cause,amount,ordinal,flags,tokens,"
    "input_fresh,input_cache_read,input_cache_write_5m,input_cache_write_1h,output_text,"
    "output_reasoning,tier,web_search,web_fetch,code_execution,file_search,chain,decision,detail";
constexpr int integer_columns = 26;

/// The integer columns in their order; `kind` and `chain` have other types in an Entry.
template <typename AnyEntry, typename Integer>
auto fields_of(AnyEntry& entry, Integer& kind, Integer& chain) {
  auto& usage = entry.usage;
  return std::array<Integer*, integer_columns>{&entry.seq,
                                               &entry.at,
                                               &kind,
                                               &entry.epoch,
                                               &entry.lease,
                                               &entry.attempt,
                                               &entry.path,
                                               &entry.model,
                                               &entry.price,
                                               &entry.cause,
                                               &entry.amount,
                                               &entry.ordinal,
                                               &entry.flags,
                                               &entry.tokens,
                                               &usage.input_fresh,
                                               &usage.input_cache_read,
                                               &usage.input_cache_write_5m,
                                               &usage.input_cache_write_1h,
                                               &usage.output_text,
                                               &usage.output_reasoning,
                                               &entry.tier,
                                               &usage.items[0],
                                               &usage.items[1],
                                               &usage.items[2],
                                               &usage.items[3],
                                               &chain};
}

constexpr std::uint32_t seal = 0xffffffff;  // no entry is as long

void append_u32(std::string& out, std::uint32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  bytes.copy(reinterpret_cast<char*>(&value), sizeof value);
  return value;
}

std::uint32_t checksum(std::string_view state, const Entry& last) {
  return crc32c(state, chain_of(last, last.chain));
}

}  // namespace

std::string_view entry_columns() { return columns; }

std::string insert_entry_sql() {
  std::string places;
  for (int i = 1; i <= integer_columns + 2; ++i)
    places += fmt::format("{}?{}", i == 1 ? "" : ",", i);
  return fmt::format("INSERT INTO journal({}) VALUES({})", columns, places);
}

void bind_entry(sqlite3_stmt* insert, const Entry& entry) {
  const auto kind = static_cast<std::int64_t>(entry.kind);
  const auto chain = std::int64_t{entry.chain};
  const auto fields = fields_of(entry, kind, chain);
  for (int i = 0; i < integer_columns; ++i) {
    sqlite3_bind_int64(insert, i + 1, *fields[static_cast<std::size_t>(i)]);
  }
  bind_text(insert, integer_columns + 1, entry.decision);
  bind_text(insert, integer_columns + 2, entry.detail);
}

Entry row_entry(sqlite3_stmt* row) {
  Entry entry;
  std::int64_t kind = 0;
  std::int64_t chain = 0;
  const auto fields = fields_of(entry, kind, chain);
  for (int i = 0; i < integer_columns; ++i) {
    *fields[static_cast<std::size_t>(i)] = sqlite3_column_int64(row, i);
  }
  entry.kind = static_cast<EntryKind>(kind);
  entry.chain = static_cast<std::uint32_t>(chain);
  entry.decision = column_text(row, integer_columns);
  entry.detail = column_text(row, integer_columns + 1);
  return entry;
}

void bind_text(sqlite3_stmt* statement, int column, std::string_view text) {
  if (text.empty()) {
    sqlite3_bind_null(statement, column);
  } else {
    sqlite3_bind_text(statement, column, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
}

std::string column_text(sqlite3_stmt* statement, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column))};
}

std::string pack(const std::vector<Entry>& entries, const Entry& last) {
  std::string packed;
  std::string one;
  for (const auto& entry : entries) {
    one.clear();
    encode(entry, one);
    append_u32(packed, static_cast<std::uint32_t>(one.size()));
    packed += one;
  }
  const auto sum = checksum(packed, last);
  append_u32(packed, seal);
  append_u32(packed, sum);
  return packed;
}

std::optional<std::vector<Entry>> unpack(std::string_view packed, const Entry& last) {
  const auto whole = packed;
  std::vector<Entry> entries;
  while (packed.size() >= 4) {
    const auto length = read_u32(packed);
    packed.remove_prefix(4);
    if (length == seal) {
      const auto before = whole.substr(0, whole.size() - packed.size() - 4);
      if (packed.size() != 4 || read_u32(packed) != checksum(before, last)) return std::nullopt;
      return entries;
    }
    if (length > packed.size()) return std::nullopt;
    auto entry = decode(packed.substr(0, length));
    if (!entry) return std::nullopt;
    entries.push_back(*std::move(entry));
    packed.remove_prefix(length);
  }
  if (!packed.empty()) return std::nullopt;
  return entries;
}

}  // namespace turnpike::account
