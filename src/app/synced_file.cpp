#include "app/synced_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace turnpike::app {

bool write_synced(const std::filesystem::path& file, std::string_view bytes) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (opened < 0) return false;
  bool good = true;
  while (good && !bytes.empty()) {
    const auto written = ::write(opened, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    good = written > 0;
    if (good) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  good = good && ::fsync(opened) == 0;
  return ::close(opened) == 0 && good;
}

bool replace_synced(const std::filesystem::path& file, std::string_view bytes) {
  std::filesystem::path fresh = file;
  fresh += ".new";
  if (!write_synced(fresh, bytes) || std::rename(fresh.c_str(), file.c_str()) != 0) return false;
  // Until the folder is on the disk, a power cut may bring the old file back.
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return false;
  const bool good = ::fsync(opened) == 0;
  return ::close(opened) == 0 && good;
}

std::filesystem::path set_aside(const std::filesystem::path& file) {
  std::filesystem::path aside = file;
  aside += ".damaged";
  std::error_code ignored;
  std::filesystem::rename(file, aside, ignored);
  return aside;
}

}  // namespace turnpike::app
