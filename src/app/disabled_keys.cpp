#include "app/disabled_keys.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "app/synced_file.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

/// A line of the file: provider ids may have blanks, key ids have none.
struct Named {
  std::string provider;
  std::string key;
};

std::optional<Named> named_in(const std::string& line) {
  const auto blank = line.rfind(' ');
  if (blank == std::string::npos) return std::nullopt;
  return Named{line.substr(0, blank), line.substr(blank + 1)};
}

/// The key's place in its provider's list; none: the catalog does not have it.
std::optional<std::size_t> place_of(const Named& named, const catalog::Catalog& catalog) {
  const auto* provider = catalog.provider(named.provider);
  if (provider == nullptr) return std::nullopt;
  const auto key = std::ranges::find(provider->keys, named.key, &catalog::ProviderKey::id);
  if (key == provider->keys.end()) return std::nullopt;
  return static_cast<std::size_t>(key - provider->keys.begin());
}

bool by_operator(const gateway::Backends::KeyReport& key) {
  return key.out_of_service && key.out_of_service->fault == gateway::KeyFault::by_operator;
}

bool is_disabled(const Named& named, const std::vector<gateway::Backends::KeyReport>& keys) {
  return std::ranges::any_of(keys, [&named](const gateway::Backends::KeyReport& key) {
    return key.provider == named.provider && key.key == named.key && by_operator(key);
  });
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  std::ifstream stream{file};
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::error_code unknown;
  const bool absent = !std::filesystem::exists(file, unknown) && !unknown;
  if (!absent && (!stream.eof() || stream.bad()))
    log(LogLevel::error, "disabled_keys_unreadable", {{"file", std::string_view{file.native()}}});
  return lines;
}

}  // namespace

std::filesystem::path disabled_keys_file(const std::filesystem::path& data) {
  return data / "disabled_keys.state";
}

void restore_disabled_keys(const std::filesystem::path& file, const catalog::Catalog& catalog,
                           gateway::Backends& backends) {
  for (const auto& line : lines_of(file)) {
    const auto named = named_in(line);
    const auto place = named ? place_of(*named, catalog) : std::nullopt;
    if (place) {
      if (!is_disabled(*named, backends.keys(catalog)))
        backends.disable(*catalog.provider(named->provider), *place);
    } else {
      log(LogLevel::warn, "disabled_key_unknown",
          {{"line", std::string_view{line}.substr(0, 200)}});
    }
  }
}

bool save_disabled_keys(const std::filesystem::path& file, const catalog::Catalog& catalog,
                        gateway::Backends& backends) {
  std::string text;
  for (const auto& key : backends.keys(catalog)) {
    if (by_operator(key)) text += key.provider + ' ' + key.key + '\n';
  }
  // A provider whose file is away for a while may come back.
  for (const auto& line : lines_of(file)) {
    const auto named = named_in(line);
    if (named && !place_of(*named, catalog)) text += line + '\n';
  }
  return replace_synced(file, text);
}

}  // namespace turnpike::app
