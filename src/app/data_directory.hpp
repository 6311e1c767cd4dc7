// The data directory before anybody opens something in it: whose it is, who may read it, who has it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

#include "account/ledger.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// While it lives, what the process makes is for its owner alone (files 0600, folders 0700), whatever the umask was:
/// ledger, journals and state hold digests of keys and who spent what.
class PrivateFiles {
 public:
  PrivateFiles();
  ~PrivateFiles();
  PrivateFiles(const PrivateFiles&) = delete;
  PrivateFiles& operator=(const PrivateFiles&) = delete;

 private:
  mode_t before_;
};

/// Makes the directory (0700) if it is missing, takes from others what rights earlier versions left them on its files, and
/// moves folders aside that stand where learned state belongs (NAME.damaged; a warning). A folder in the place of what
/// cannot be missed is an Error that names it.
Result<void> prepare_data_directory(const std::filesystem::path& directory);

/// How long another process (a verb of the command line, a gateway that ends) is waited for before `store_locked`.
inline constexpr std::chrono::milliseconds lock_patience{1500};

/// Prepares the directory and opens the ledger in it. While another process has it, tries again until `give_up` says so.
Result<std::unique_ptr<account::Ledger>> open_ledger(const account::LedgerOptions& options, const Clock& clock,
                                                     const std::function<bool()>& give_up);
/// With lock_patience.
Result<std::unique_ptr<account::Ledger>> open_ledger(const account::LedgerOptions& options, const Clock& clock);

}  // namespace turnpike::app
