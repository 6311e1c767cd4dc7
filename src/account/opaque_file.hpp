// Opaque state on disk: what a gateway must give back to providers, kept beyond its own life in
// <data>/opaque.db.
//
//   any thread --put, extend, drop--> [ bounded queue ] --one thread, in batches--> OpaqueTable
//
// Never waits and never fails for its users: a full queue drops the change (counted), a store that
// cannot be written loses the batch (counted, logged once), a damaged file is set aside as
// opaque.db.damaged. Losing state costs quality, never correctness.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "account/opaque_table.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::account {

struct OpaqueFileOptions {
  std::filesystem::path directory;  // must exist
  std::size_t bytes_max = std::size_t{64} << 20U;
  std::size_t queue_bytes_max = std::size_t{8} << 20U;
  std::chrono::milliseconds batch_interval{200};  // what a crash may lose
};

struct OpaqueFileFigures {
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  std::uint64_t dropped = 0;  // changes lost to a full queue
  std::uint64_t failed = 0;   // changes lost to the disk
};

class OpaqueFile {
 public:
  /// Opens or makes the file; what has expired or is too much is deleted. The clock must outlive
  /// this.
  OpaqueFile(OpaqueFileOptions options, const Clock& clock);
  /// Writes what waits.
  ~OpaqueFile();
  OpaqueFile(const OpaqueFile&) = delete;
  OpaqueFile& operator=(const OpaqueFile&) = delete;

  /// What is on disk, the longest-lived first, until `take` says no. Waits for the writer.
  void load(const std::function<bool(OpaqueRow)>& take);

  void put(OpaqueRow row);
  void extend(std::string owner, std::string key, Instant expires);
  void drop(std::string owner, std::string key);
  /// Returns when all that was told before is on disk, or given up.
  void flush();
  [[nodiscard]] OpaqueFileFigures figures() const;

 private:
  struct Change {
    enum class What : std::uint8_t { put, extend, drop };
    What what = What::put;
    OpaqueRow row;
  };

  void open();
  void set_aside(const Error& why);
  void enqueue(Change change);
  void loop();
  bool gather(std::vector<Change>& batch);
  [[nodiscard]] bool hurried() const;  // under mutex_
  void write(const std::vector<Change>& batch);
  Result<void> apply(OpaqueTable& table, const std::vector<Change>& batch) const;
  static Result<void> apply(OpaqueTable& table, const Change& change);
  void report(const Error& error, std::size_t lost);
  void publish(std::size_t written);

  const OpaqueFileOptions options_;
  const Clock& clock_;

  std::mutex table_mutex_;  // held for a batch or a load
  std::optional<OpaqueTable> table_;
  bool trouble_told_ = false;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable written_;
  std::vector<Change> queue_;
  std::size_t queue_bytes_ = 0;
  std::uint64_t changes_in_ = 0;   // ever queued
  std::uint64_t changes_out_ = 0;  // ever written or given up
  bool urgent_ = false;
  bool stopping_ = false;
  OpaqueFileFigures figures_;
  std::thread thread_;  // the last member: it uses all others
};

}  // namespace turnpike::account
