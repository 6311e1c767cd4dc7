// Disk space kept back for a full disk: a file without content whose blocks are allocated. When the
// disk is full it is emptied, and what is left of running requests finds room in its place.
// Source: reliability specification, "Durability, start, failure of the store".
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>

namespace turnpike::account {

/// Any thread.
class SpaceReserve {
 public:
  /// `bytes` 0: nothing is kept back, and hold() always succeeds.
  SpaceReserve(std::filesystem::path directory, std::int64_t bytes);
  ~SpaceReserve();
  SpaceReserve(const SpaceReserve&) = delete;
  SpaceReserve& operator=(const SpaceReserve&) = delete;

  /// Allocates the whole file; 0, or the errno of the refusal, and then nothing is allocated.
  [[nodiscard]] int hold();
  /// Gives the space back to the file system.
  void release();
  [[nodiscard]] bool held() const { return held_.load(std::memory_order_relaxed); }

 private:
  std::filesystem::path path_;
  std::int64_t bytes_;
  std::mutex mutex_;
  int file_ = -1;
  std::atomic<bool> held_{false};
};

/// Whether an errno says that there is no room, rather than that the device is failing.
[[nodiscard]] bool means_disk_full(int fault);

}  // namespace turnpike::account
