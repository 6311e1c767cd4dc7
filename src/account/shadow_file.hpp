// Finished shadow pairs on disk, in <data>/shadow.db: one row a pair, its measures as one text that this room does not read.
//
//   any thread --put--> [ bounded queue ] --one thread, in batches--> SQLite (WAL)
//
// Never waits and never fails for its users: a full queue drops the row (counted), a store that cannot be written loses the
// batch (counted, logged once), a file that is not one of these is set aside as shadow.db.damaged (with its
// -wal; later ones as shadow.db.damaged.2, …), and one that cannot be read now is left as it is. A crash loses what came
// in the last batch_interval; fewer pairs make a verdict later, never wrong. Rows are bounded in number and age.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

struct sqlite3;

namespace turnpike::account {

struct ShadowRow {
  Instant at{};
  std::string decision;   // id of the client's step
  std::string candidate;  // target of the second answer
  std::string measures;
};

struct ShadowFileOptions {
  std::filesystem::path directory;  // must exist
  std::int64_t rows_max = 200'000;
  std::chrono::days days_max{90};
  std::size_t queue_rows_max = 4096;
  std::chrono::milliseconds batch_interval{200};
};

struct ShadowFileFigures {
  std::int64_t rows = 0;
  std::uint64_t dropped = 0;  // rows lost to a full queue
  std::uint64_t failed = 0;   // rows lost to the disk
};

class ShadowFile {
 public:
  /// Opens or makes the file. The clock must outlive this.
  ShadowFile(ShadowFileOptions options, const Clock& clock);
  /// Writes what waits.
  ~ShadowFile();
  ShadowFile(const ShadowFile&) = delete;
  ShadowFile& operator=(const ShadowFile&) = delete;

  void put(ShadowRow row);
  /// Returns when all that was put before is on disk, or given up.
  void flush();
  [[nodiscard]] ShadowFileFigures figures() const;

 private:
  struct Closer {
    void operator()(sqlite3* db) const;
  };
  Result<void> open();
  void set_aside(const Error& why);
  void loop();
  bool gather(std::vector<ShadowRow>& batch);
  void write(const std::vector<ShadowRow>& batch);
  Result<void> insert(const std::vector<ShadowRow>& batch);
  Result<void> prune();
  Result<void> execute(const char* sql);
  [[nodiscard]] Error error(const char* doing) const;

  const ShadowFileOptions options_;
  const Clock& clock_;
  std::unique_ptr<sqlite3, Closer> db_;  // the writer's thread only, once that runs
  bool trouble_told_ = false;            // likewise

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable written_;
  std::vector<ShadowRow> queue_;
  std::uint64_t rows_in_ = 0;   // ever queued
  std::uint64_t rows_out_ = 0;  // ever written or given up
  bool urgent_ = false;
  bool stopping_ = false;
  ShadowFileFigures figures_;
  std::thread thread_;  // the last member: it uses all others
};

struct ShadowQuery {
  std::optional<Instant> since;
  std::optional<Instant> until;
  std::string decision;  // only this one's; empty: all
};

/// Shows every row of the file in `directory`, the oldest first, until `visit` says no. Reads beside a running writer. No
/// file: no rows. Waits for the disk.
Result<void> read_shadow_rows(const std::filesystem::path& directory, const ShadowQuery& query, const std::function<bool(const ShadowRow&)>& visit);

}  // namespace turnpike::account
