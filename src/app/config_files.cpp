#include "app/config_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "app/snapshots.hpp"
#include "app/synced_file.hpp"
#include "catalog/toml_reader.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view policy_name = "policy.toml";
constexpr std::string_view loaded_name = "loaded.json";

Error not_kept(const std::string& version) {
  return gateway_error(404, "config_not_kept", fmt::format("configuration {} is not kept in this data directory", version));
}

Result<std::string> read_text(const fs::path& file) {
  auto text = catalog::read_file(file);
  if (!text) return std::unexpected{gateway_error(500, "config_unreadable", to_string(text.error()))};
  return *std::move(text);
}

Result<std::vector<std::pair<std::string, std::string>>> read_providers(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> files;
  std::error_code failed;
  for (fs::directory_iterator entry{folder, failed}, end; !failed && entry != end; entry.increment(failed)) {
    if (entry->path().extension() != ".toml") continue;
    auto text = read_text(entry->path());
    if (!text) return std::unexpected{text.error()};
    files.emplace_back(entry->path().filename().string(), *std::move(text));
  }
  if (failed)
    return std::unexpected{gateway_error(500, "config_unreadable", fmt::format("{}: {}", folder.string(), failed.message()))};
  std::ranges::sort(files);
  return files;
}

std::string loaded_text(const ConfigFiles& files) {
  ordered_json json;
  json["credits_per_usd"] = files.credits_per_usd;
  json["keys_missing"] = files.keys_missing;
  return json.dump(2) + "\n";
}

bool write_files(const fs::path& folder, const ConfigFiles& files) {
  std::error_code failed;
  fs::create_directories(folder / "providers", failed);
  bool written = !failed && write_synced(folder / policy_name, files.policy) && write_synced(folder / loaded_name, loaded_text(files));
  for (const auto& [name, text] : files.providers) written = written && write_synced(folder / "providers" / name, text);
  return written;
}

std::uintmax_t bytes_of(const fs::path& folder) {
  std::uintmax_t sum = 0;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator{folder, ignored}) {
    if (entry.is_regular_file(ignored)) sum += entry.file_size(ignored);
  }
  return sum;
}

}  // namespace

std::string ConfigFiles::version() const {
  // Every part with its length in front: no two configurations run together to the same bytes.
  std::string bytes = "turnpike-config-1";
  const auto add = [&bytes](std::string_view part) { bytes += fmt::format("\n{}:{}", part.size(), part); };
  add(policy);
  add(std::to_string(providers.size()));
  for (const auto& [name, text] : providers) {
    add(name);
    add(text);
  }
  add(credits_per_usd);
  for (const auto& variable : keys_missing) add(variable);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  std::string hex;
  for (std::size_t i = 0; i < 8; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Result<ConfigFiles> read_config_files(const Config& config) {
  ConfigFiles files;
  auto policy = read_text(policy_file(config));
  if (!policy) return std::unexpected{policy.error()};
  files.policy = *std::move(policy);
  auto providers = read_providers(config.providers);
  if (!providers) return std::unexpected{providers.error()};
  files.providers = *std::move(providers);
  files.credits_per_usd = config.credits_per_usd;
  return files;
}

std::vector<std::string> keys_missing(const catalog::Catalog& catalog) {
  std::vector<std::string> names;
  for (const auto& provider : catalog.providers()) {
    for (const auto& key : provider.keys) {
      if (key.missing) names.push_back(key.env);
    }
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::expected<std::shared_ptr<gateway::Snapshot>, std::vector<catalog::Fault>> load_rules(const fs::path& policy, const fs::path& providers,
                                                                                         const ConfigFiles& files, Instant at) {
  catalog::LoadOptions options;
  options.credits_per_usd = files.credits_per_usd;
  options.insecure_http_allowed = true;  // nothing is called
  options.secret_of = [&files](std::string_view name) -> std::optional<std::string> {
    if (std::ranges::find(files.keys_missing, name) != files.keys_missing.end()) return std::nullopt;
    return "not read";
  };
  auto catalog = catalog::Catalog::load(providers, options);
  if (!catalog) return std::unexpected{catalog.error()};
  auto loaded = policy::Policy::load(policy, *catalog, {.now = at, .unusable_tier = catalog::Severity::warning});
  if (!loaded) return std::unexpected{loaded.error()};
  auto rules = std::make_shared<gateway::Snapshot>();
  rules->catalog = *std::move(catalog);
  rules->policy = *std::move(loaded);
  rules->classifier = &classify::Classifier::built_in();
  rules->version = files.version();
  return rules;
}

void keep_config(const Config& config, const ConfigFiles& files) {
  const auto kept = ConfigArchive{config.data}.keep(files);
  if (!kept) log(LogLevel::error, "config_not_kept", {{"message", std::string_view{kept.error().message}}});
}

Result<void> ConfigArchive::keep(const ConfigFiles& files) const {
  const auto place = folder_ / files.version();
  std::error_code failed;
  if (!this->files(files.version())) {  // not there, or damaged
    const auto draft = folder_ / fmt::format(".{}-{}", files.version(), ::getpid());
    const mode_t before = ::umask(0077);
    const bool written = write_files(draft, files);
    ::umask(before);
    std::error_code ignored;
    if (written) {
      fs::remove_all(place, ignored);
      fs::rename(draft, place, failed);
    }
    fs::remove_all(draft, ignored);
    if ((!written || failed) && !this->files(files.version()))
      return std::unexpected{gateway_error(500, "config_not_kept", fmt::format("{} cannot be written", place.string()))};
  }
  ::utimensat(AT_FDCWD, place.c_str(), nullptr, 0);  // now: used last
  forget_oldest();
  return {};
}

std::vector<std::string> ConfigArchive::versions() const {
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  std::error_code failed;
  for (fs::directory_iterator entry{folder_, failed}, end; !failed && entry != end; entry.increment(failed)) {
    auto name = entry->path().filename().string();
    if (name.empty() || name.front() == '.') continue;
    std::error_code ignored;
    found.emplace_back(entry->last_write_time(ignored), std::move(name));
  }
  std::ranges::sort(found, std::greater{});
  std::vector<std::string> names;
  names.reserve(found.size());
  for (auto& [at, name] : found) names.push_back(std::move(name));
  return names;
}

void ConfigArchive::forget_oldest() const {
  std::uintmax_t bytes = 0;
  std::size_t kept = 0;
  for (const auto& version : versions()) {
    bytes += bytes_of(folder_ / version);
    if (kept > 0 && (kept >= versions_max || bytes > bytes_max)) {
      std::error_code ignored;
      fs::remove_all(folder_ / version, ignored);
    } else {
      ++kept;
    }
  }
}

Result<ConfigFiles> ConfigArchive::files(const std::string& version) const {
  const auto place = folder_ / version;
  std::error_code ignored;
  const bool plain = !version.empty() && version.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!plain || !fs::exists(place, ignored)) return std::unexpected{not_kept(version)};
  ConfigFiles files;
  auto policy = read_text(place / policy_name);
  if (!policy) return std::unexpected{policy.error()};
  files.policy = *std::move(policy);
  auto providers = read_providers(place / "providers");
  if (!providers) return std::unexpected{providers.error()};
  files.providers = *std::move(providers);
  const auto text = read_text(place / loaded_name);
  const auto loaded = ordered_json::parse(text.value_or(""), nullptr, false);
  if (loaded.is_object()) {
    files.credits_per_usd = loaded.value("credits_per_usd", "");
    files.keys_missing = loaded.value("keys_missing", std::vector<std::string>{});
  }
  if (files.version() != version)
    return std::unexpected{gateway_error(500, "config_damaged", fmt::format("{} is not what its name says", place.string()))};
  return files;
}

Result<std::shared_ptr<const gateway::Snapshot>> ConfigArchive::rules(const std::string& version, Instant at) const {
  auto found = files(version);
  if (!found) return std::unexpected{found.error()};
  const auto place = folder_ / version;
  auto rules = load_rules(place / policy_name, place / "providers", *found, at);
  if (rules) return *std::move(rules);
  const auto& faults = rules.error();
  const auto first = std::ranges::find(faults, catalog::Severity::error, &catalog::Fault::severity);
  return std::unexpected{gateway_error(500, "config_refused", first == faults.end() ? place.string() : to_string(*first))};
}

}  // namespace turnpike::app
