// The front journal: entries on their way to SQLite. One write(2) per entry puts it in the
// operating system, where it survives kill -9; SQLite makes it durable some milliseconds later.
//
// segment := record*; record := length (4 bytes, little-endian) chain (4 bytes) entry (as encode()
// writes it) Two segment files take turns: one takes appends until it is full, the other is emptied
// once SQLite has all of it. A record is good if its chain continues the entry before it; the first
// bad one ends the journal (a torn tail).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "account/entry.hpp"
#include "turnpike/error.hpp"

namespace turnpike::account {

/// Appends go under the Books mutex; see each member for the rest.
class FrontJournal {
 public:
  FrontJournal() = default;
  ~FrontJournal();
  FrontJournal(const FrontJournal&) = delete;
  FrontJournal& operator=(const FrontJournal&) = delete;

  struct Found {
    std::vector<Entry> entries;   // those that follow the given one without a gap
    std::int64_t torn_bytes = 0;  // behind them, unreadable or not contiguous
    // Readable entries among those, by seq; 0 if there are none. They follow a gap: what was before
    // them is lost.
    std::int64_t dropped_first = 0;
    std::int64_t dropped_last = 0;
  };
  /// What the segments in `directory` hold beyond entry `seq` with chain value `chain`. Missing
  /// files are empty ones.
  static Found read(const std::filesystem::path& directory, std::int64_t seq, std::uint32_t chain);

  /// Opens (makes) the segment files and keeps what is in them.
  Result<void> open(const std::filesystem::path& directory);
  /// Appends the record of one entry, in one write. 0, or the errno of the refusal; then nothing is
  /// appended, but whether the file can still be trusted is known only for a full disk.
  [[nodiscard]] int append(const Entry& entry);
  /// Empties both segments; everything in them must be in SQLite. Under the Books mutex.
  [[nodiscard]] bool reset();
  /// After a failure: reset() on fresh descriptors, and a block written on trial.
  [[nodiscard]] bool renew();

  /// The resting segment holds only entries up to `durable` and is not yet empty.
  [[nodiscard]] bool resting_done(std::int64_t durable) const;
  /// Empties the resting segment's file. The writer thread alone, without the mutex: nobody else
  /// touches that file.
  void truncate_resting();
  /// Under the mutex, after truncate_resting(): takes the emptied segment into account.
  void resting_emptied() { bytes_[1 - active_] = 0; }
  /// Changes segments if the active one has reached `bytes_max` and the other is empty. Under the
  /// mutex.
  void turn(std::int64_t bytes_max);

  [[nodiscard]] std::int64_t bytes() const { return bytes_[0] + bytes_[1]; }

 private:
  void close_files();

  std::filesystem::path directory_;
  std::array<int, 2> files_{-1, -1};
  std::array<std::int64_t, 2> bytes_{0, 0};
  std::array<std::int64_t, 2> last_seq_{0, 0};
  std::size_t active_ = 0;
  std::string record_;  // reused
};

}  // namespace turnpike::account
