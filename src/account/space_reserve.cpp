#include "account/space_reserve.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace turnpike::account {

bool means_disk_full(int fault) { return fault == ENOSPC || fault == EDQUOT; }

SpaceReserve::SpaceReserve(std::filesystem::path directory, std::int64_t bytes)
    : path_(std::move(directory) / "reserve.space"), bytes_(bytes) {}

SpaceReserve::~SpaceReserve() {
  if (file_ >= 0) ::close(file_);
}

int SpaceReserve::hold() {
  const std::lock_guard lock{mutex_};
  if (held_) return 0;
  if (bytes_ == 0) {
    held_ = true;
    return 0;
  }
  if (file_ < 0) file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) return errno;
  const int fault = ::posix_fallocate(file_, 0, bytes_);
  if (fault == 0) {
    held_ = true;
  } else if (::ftruncate(file_, 0) != 0) {
    return errno;  // a part of it stays allocated; the next hold() or release() meets it again
  }
  return fault;
}

void SpaceReserve::release() {
  const std::lock_guard lock{mutex_};
  held_ = false;
  // Also the file that an earlier process left. A failure keeps the space; nothing depends on it.
  if (file_ < 0) file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  if (file_ < 0) return;
  [[maybe_unused]] const int ignored = ::ftruncate(file_, 0);
}

}  // namespace turnpike::account
