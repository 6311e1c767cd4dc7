// The files that a routing configuration is made of, as they were read, and their place in the data directory: an old
// decision is taken again under the configuration it was made with.
//
//   <data>/configs/<version>/policy.toml, providers/*.toml, loaded.json
//
// A version is a hash of all that, so a directory never changes. No secret is kept: loaded.json names the variables
// that held no key, nothing else of the environment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/config.hpp"
#include "catalog/catalog.hpp"
#include "gateway/snapshot.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

struct ConfigFiles {
  std::string policy;                                           // text of the policy's file
  std::vector<std::pair<std::string, std::string>> providers;  // name and text of each file, by name
  std::string credits_per_usd = "1";
  std::vector<std::string> keys_missing;  // variables without a provider's key, by name
  bool operator==(const ConfigFiles&) const = default;

  /// 16 hex digits of a SHA-256 over everything: the same in every build.
  [[nodiscard]] std::string version() const;
};

/// The files in force now; `keys_missing` is left to whoever loads them.
Result<ConfigFiles> read_config_files(const Config& config);
std::vector<std::string> keys_missing(const catalog::Catalog& catalog);

/// What decide() needs of a configuration: catalog, policy, version. Loads the files that `files` was read from as they
/// were loaded then: credits, and the keys that were missing. `at`: prices and retirements are judged at this instant; a
/// tier without any model on sale is no fault any more.
std::expected<std::shared_ptr<gateway::Snapshot>, std::vector<catalog::Fault>> load_rules(
    const std::filesystem::path& policy, const std::filesystem::path& providers, const ConfigFiles& files, Instant at);

/// Into the archive of the data directory; a failure is logged, since serving does not need it.
void keep_config(const Config& config, const ConfigFiles& files);

class ConfigArchive {
 public:
  static constexpr std::size_t versions_max = 200;
  static constexpr std::uintmax_t bytes_max = std::uintmax_t{64} << 20U;

  explicit ConfigArchive(std::filesystem::path data) : folder_(std::move(data) / "configs") {}

  /// Writes the files if their version is not there yet, and makes it the newest; versions longest unused go beyond the
  /// bounds. A half-written version is never seen under its name.
  Result<void> keep(const ConfigFiles& files) const;

  /// Newest use first.
  [[nodiscard]] std::vector<std::string> versions() const;
  /// 404 `config_not_kept`; `config_damaged` if the files are not what their version says.
  [[nodiscard]] Result<ConfigFiles> files(const std::string& version) const;
  [[nodiscard]] Result<std::shared_ptr<const gateway::Snapshot>> rules(const std::string& version, Instant at) const;

 private:
  void forget_oldest() const;
  std::filesystem::path folder_;
};

}  // namespace turnpike::app
