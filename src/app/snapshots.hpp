// Builds the immutable snapshot from files, whole or not at all.
#pragma once

#include <expected>
#include <memory>
#include <vector>

#include "app/config.hpp"
#include "app/config_files.hpp"
#include "catalog/fault.hpp"
#include "gateway/snapshot.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// Reads providers/ and the policy in force. `previous` hands on what was learned about the share where its settings
/// did not change. On failure nothing is kept and every fault is returned. `files`: told what was read, under the
/// snapshot's version.
std::expected<std::shared_ptr<const gateway::Snapshot>, std::vector<catalog::Fault>> build_snapshot(
    const Config& config, Instant now, const gateway::Snapshot* previous, ConfigFiles* files = nullptr);

/// Catalog and policy as the files say now, for looking ahead where no gateway runs: no provider's key is missed. Null if
/// the files have faults.
std::shared_ptr<const gateway::Snapshot> planning_snapshot(const Config& config, Instant now);

/// How the catalog is to be loaded under this configuration; provider keys come by provider_key().
catalog::LoadOptions load_options(const Config& config);

/// policies/<name>.toml, or the name itself if it is a path.
std::filesystem::path policy_file(const Config& config);

}  // namespace turnpike::app
