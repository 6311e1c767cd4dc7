// The provider keys that an operator took out of service, across restarts: <data>/disabled_keys.state, a line
// "provider key" each. What a provider refuses is not kept: it says so again with the first request.
#pragma once

#include <filesystem>

#include "catalog/catalog.hpp"
#include "gateway/backends.hpp"

namespace turnpike::app {

/// The file of a data directory.
std::filesystem::path disabled_keys_file(const std::filesystem::path& data);

/// Takes them out of service again: at the start, and with each reload, which may bring a provider back. Keys that the catalog
/// does not have are skipped with a warning, and stay in the file. A file that cannot be read is an error in the log.
void restore_disabled_keys(const std::filesystem::path& file, const catalog::Catalog& catalog, gateway::Backends& backends);

/// The operator's word as it stands. False: the disk did not take it, and a restart will forget it.
[[nodiscard]] bool save_disabled_keys(const std::filesystem::path& file, const catalog::Catalog& catalog, gateway::Backends& backends);

}  // namespace turnpike::app
