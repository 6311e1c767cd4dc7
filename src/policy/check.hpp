// What `turnpike check` reports of providers/ and policies/.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "catalog/catalog.hpp"
#include "catalog/fault.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::policy {

/// Loads every file and returns all faults, errors and warnings, sorted by file and position.
/// Prices are judged at `now`. `active` is the policy in force, by file name without ".toml" or by
/// path: only there is a tier without a usable target an error; in the others it is a warning. An
/// active policy that no file holds is an error.
std::vector<catalog::Fault> check_all(const std::filesystem::path& providers_dir,
                                      const std::filesystem::path& policies_dir,
                                      std::string_view active, const catalog::LoadOptions& options,
                                      Instant now);

}  // namespace turnpike::policy
