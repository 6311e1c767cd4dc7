#include "app/disabled_keys.hpp"

#include <algorithm>
#include <fstream>
#include <string>

#include "app/synced_file.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

/// False: there is no such key.
bool disable(std::string_view provider_id, std::string_view key_id, const catalog::Catalog& catalog, gateway::Backends& backends) {
  const auto* provider = catalog.provider(provider_id);
  if (provider == nullptr) return false;
  const auto key = std::ranges::find(provider->keys, key_id, &catalog::ProviderKey::id);
  if (key == provider->keys.end()) return false;
  backends.disable(*provider, static_cast<std::size_t>(key - provider->keys.begin()));
  return true;
}

}  // namespace

std::filesystem::path disabled_keys_file(const std::filesystem::path& data) { return data / "disabled_keys.state"; }

void restore_disabled_keys(const std::filesystem::path& file, const catalog::Catalog& catalog, gateway::Backends& backends) {
  std::ifstream stream{file};
  for (std::string line; std::getline(stream, line);) {
    const auto blank = line.find(' ');
    const bool known = blank != std::string::npos && disable(line.substr(0, blank), line.substr(blank + 1), catalog, backends);
    if (!known) log(LogLevel::warn, "disabled_key_unknown", {{"line", std::string_view{line}.substr(0, 200)}});
  }
}

bool save_disabled_keys(const std::filesystem::path& file, const catalog::Catalog& catalog, gateway::Backends& backends) {
  std::string text;
  for (const auto& key : backends.keys(catalog)) {
    if (key.out_of_service && key.out_of_service->fault == gateway::KeyFault::by_operator) text += key.provider + ' ' + key.key + '\n';
  }
  return replace_synced(file, text);
}

}  // namespace turnpike::app
