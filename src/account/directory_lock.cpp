#include "account/directory_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace turnpike::account {

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& directory) {
  const auto path = directory / "lock";
  DirectoryLock lock{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (lock.file_ < 0) {
    return std::unexpected{gateway_error(
        503, "store_read_only",
        fmt::format("cannot write in {}: {}", directory.string(), std::strerror(errno)))};
  }
  if (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected{gateway_error(
        503, "store_locked",
        fmt::format("{} is in use by another process; ask the running gateway instead (admin "
                    "address), or stop it first",
                    directory.string()))};
  }
  return lock;
}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace turnpike::account
