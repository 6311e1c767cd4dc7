// One process at a time works in a data directory.
#pragma once

#include <filesystem>
#include <utility>

#include "turnpike/error.hpp"

namespace turnpike::account {

/// Given back when the process ends, however it ends.
class DirectoryLock {
 public:
  /// Errors: store_read_only, store_locked.
  static Result<DirectoryLock> take(const std::filesystem::path& directory);

  DirectoryLock(DirectoryLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int file) : file_(file) {}

  int file_;
};

}  // namespace turnpike::account
