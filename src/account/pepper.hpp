// The pepper of the client keys: 32 random bytes in a file of their own, so that a copy of the
// journal alone does not allow keys to be tried.
#pragma once

#include <filesystem>

#include "turnpike/error.hpp"
#include "turnpike/secret.hpp"

namespace turnpike::account {

/// Reads `pepper` in the directory, or makes it (mode 0600, fsynced). Errors `store_read_only`,
/// `store_corrupt`.
Result<Secret> load_pepper(const std::filesystem::path& directory);

}  // namespace turnpike::account
