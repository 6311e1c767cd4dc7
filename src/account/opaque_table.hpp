// The table of opaque state in SQLite: one file, one connection, nobody else's. One thread at a
// time.
//
// Nothing here is precious: synchronous is off, and a file that cannot be read is set aside for an
// empty one. Nothing here knows what a state means.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace turnpike::account {

struct OpaqueRow {
  std::string owner;
  std::string key;
  std::string state;
  Instant expires;
};

class OpaqueTable {
 public:
  /// In SQLite's user_version. A file of any other is set aside.
  static constexpr int schema_version = 1;

  /// Makes the file (mode 0600) if it is missing. `store_corrupt`: the file is damaged or not one
  /// of these.
  static Result<OpaqueTable> open(const std::filesystem::path& file);
  OpaqueTable(OpaqueTable&&) noexcept;
  OpaqueTable& operator=(OpaqueTable&&) noexcept;
  ~OpaqueTable();

  /// Rows that have not expired, the longest-lived first, until `take` says no.
  Result<void> read(Instant now, const std::function<bool(OpaqueRow)>& take);

  Result<void> begin();
  Result<void> commit();
  void rollback();
  /// Replaces what stands under owner and key.
  Result<void> put(const OpaqueRow& row);
  Result<void> extend(std::string_view owner, std::string_view key, Instant expires);
  Result<void> drop(std::string_view owner, std::string_view key);
  /// Deletes what has expired, then the oldest of whoever holds most until `bytes_max` is met.
  Result<void> prune(Instant now, std::int64_t bytes_max);

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  /// Of keys and states, with a flat charge per row.
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  struct Closer {
    void operator()(sqlite3* db) const;
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Closer>;

  OpaqueTable() = default;
  Result<void> connect(const std::filesystem::path& file);
  Result<void> check_schema();
  Result<void> prepare_all();
  Result<void> prepare(Statement& statement, const char* sql);
  Result<void> execute(const char* sql);
  Result<std::int64_t> number(const char* sql);
  /// Steps once and resets. The column of the row as a number, 0 if there is none.
  Result<std::int64_t> run(Statement& statement, const char* doing);
  Result<void> count();
  Result<void> drop_some_of_the_largest();
  [[nodiscard]] Error error(std::string_view doing) const;

  std::unique_ptr<sqlite3, Closer> db_;
  std::string file_;
  Statement bytes_of_;
  Statement put_;
  Statement extend_;
  Statement drop_;
  std::int64_t rows_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace turnpike::account
