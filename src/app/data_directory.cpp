#include "app/data_directory.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <system_error>
#include <thread>

#include "app/synced_file.hpp"
#include "turnpike/ids.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 7> learned{"share.state", "routing.state", "classifier.state", "price_watch.state",
                                                  "opaque.db",   "shadow.db",     "admin.address"};
constexpr std::array<std::string_view, 6> indispensable{"ledger.sqlite", "journal.front.0", "journal.front.1", "pepper", "lock", "reserve.space"};
constexpr std::chrono::milliseconds lock_retry{20};

Error unusable(const fs::path& path, std::string_view why) {
  return gateway_error(503, "store_read_only", fmt::format("{} {}", path.string(), why));
}

void take_rights_from_others(const fs::path& directory) {
  std::error_code failed;
  for (fs::directory_iterator entry{directory, failed}, end; !failed && entry != end; entry.increment(failed)) {
    struct stat status{};
    if (::lstat(entry->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) continue;
    if ((status.st_mode & S_IRWXO) == 0) continue;
    const std::string name = entry->path().filename().string();
    if (::chmod(entry->path().c_str(), status.st_mode & 07770U) == 0) log(LogLevel::warn, "data_file_closed_to_others", {{"file", std::string_view{name}}});
  }
}

}  // namespace

PrivateFiles::PrivateFiles() : before_(::umask(0077)) {}
PrivateFiles::~PrivateFiles() { ::umask(before_); }

Result<void> prepare_data_directory(const fs::path& directory) {
  const PrivateFiles own;
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) return std::unexpected{unusable(directory, fmt::format("cannot be made: {}", failed.message()))};
  for (const auto name : indispensable) {
    if (fs::is_directory(directory / name, failed)) return std::unexpected{unusable(directory / name, "is a folder where a file belongs; move it away")};
  }
  for (const auto name : learned) {
    if (!fs::is_directory(directory / name, failed)) continue;
    const std::string kept = set_aside(directory / name).string();
    if (fs::is_directory(directory / name, failed)) return std::unexpected{unusable(directory / name, "is a folder where a file belongs; move it away")};
    log(LogLevel::warn, "data_folder_set_aside", {{"file", name}, {"kept", std::string_view{kept}}});
  }
  take_rights_from_others(directory);
  return {};
}

Result<std::unique_ptr<account::Ledger>> open_ledger(const account::LedgerOptions& options, const Clock& clock,
                                                     const std::function<bool()>& give_up) {
  static SystemRandomness randomness;
  const PrivateFiles own;
  if (auto prepared = prepare_data_directory(options.directory); !prepared) return std::unexpected{prepared.error()};
  for (;;) {
    auto ledger = account::Ledger::open(options, clock, randomness);
    if (ledger || ledger.error().code != "store_locked" || give_up()) return ledger;
    std::this_thread::sleep_for(lock_retry);
  }
}

Result<std::unique_ptr<account::Ledger>> open_ledger(const account::LedgerOptions& options, const Clock& clock) {
  const Monotonic end = clock.monotonic() + lock_patience;
  return open_ledger(options, clock, [&] { return clock.monotonic() >= end; });
}

}  // namespace turnpike::app
