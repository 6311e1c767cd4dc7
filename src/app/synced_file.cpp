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
  return write_synced(fresh, bytes) && std::rename(fresh.c_str(), file.c_str()) == 0;
}

std::filesystem::path set_aside(const std::filesystem::path& file) {
  std::filesystem::path aside = file;
  aside += ".damaged";
  std::error_code ignored;
  std::filesystem::rename(file, aside, ignored);
  return aside;
}

}  // namespace turnpike::app
