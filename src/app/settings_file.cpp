#include "app/settings_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

namespace turnpike::app {
namespace {

namespace fs = std::filesystem;

std::string failed(std::string_view what, const fs::path& path, int number) {
  return fmt::format("cannot {} {}: {}", what, path.string(),
                     std::generic_category().message(number));
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(file) == 0;
}

/// The file that a link leads to, so that the link itself stays.
fs::path target_of(const fs::path& path) {
  std::error_code failure;
  auto target = fs::weakly_canonical(path, failure);
  return failure ? path : target;
}

}  // namespace

std::expected<std::string, std::string> read_settings(const fs::path& path) {
  std::error_code failure;
  if (!fs::exists(path, failure)) {
    if (failure) return std::unexpected{failed("read", path, failure.value())};
    return "";
  }
  if (!fs::is_regular_file(path, failure))
    return std::unexpected{fmt::format("{} is not a file", path.string())};
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file) return std::unexpected{failed("read", path, errno)};
  return text;
}

std::expected<fs::path, std::string> back_up(const fs::path& path, Instant now) {
  const auto source = target_of(path);
  std::error_code failure;
  if (!fs::exists(source, failure)) return fs::path{};
  std::string stamp;
  for (const char c : to_rfc3339(now).substr(0, 19)) {
    if (c != '-' && c != ':') stamp += c;
  }
  const auto base = fmt::format("{}.backup-{}Z", path.string(), stamp);
  fs::path backup = base;
  for (int i = 2; fs::exists(backup, failure); ++i) backup = fmt::format("{}-{}", base, i);
  if (!fs::copy_file(source, backup, failure))
    return std::unexpected{failed("write", backup, failure.value())};
  return backup;
}

std::expected<void, std::string> replace_settings(const fs::path& path, const std::string& text) {
  const auto target = target_of(path);
  std::error_code failure;
  fs::create_directories(target.parent_path(), failure);
  if (failure) return std::unexpected{failed("make", target.parent_path(), failure.value())};
  struct stat present{};
  const bool exists = ::stat(target.c_str(), &present) == 0;
  const mode_t mode = exists ? present.st_mode & 07777U : 0600U;
  const auto temporary = fmt::format("{}.new-{}", target.string(), ::getpid());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return std::unexpected{failed("write", temporary, errno)};
  const bool written = write_all(file, text) && ::fchmod(file, mode) == 0;
  const int number = errno;
  ::close(file);
  if (written && ::rename(temporary.c_str(), target.c_str()) == 0) return {};
  const int why = written ? errno : number;
  ::unlink(temporary.c_str());
  return std::unexpected{failed("write", target, why)};
}

}  // namespace turnpike::app
