// The credentials of a provider, as its file names them.
//   keys := key_env | keys[]        key := { id, env, weight?, in_flight_max? }

#include <fmt/format.h>

#include <algorithm>

#include "catalog/provider_file.hpp"

namespace turnpike::catalog {
namespace {

constexpr std::size_t keys_max = 64;
constexpr std::int64_t weight_max = 1000;
constexpr std::int64_t in_flight_max_max = 100'000;

/// It becomes a metric label and a word on the command line.
bool acceptable_id(std::string_view id) {
  constexpr std::string_view known =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !id.empty() && id.size() <= 64 && id.find_first_not_of(known) == std::string_view::npos;
}

/// Whoever writes the secret itself here must not find it in warnings afterwards.
bool acceptable_variable(std::string_view name) {
  constexpr std::string_view known =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  const bool digit_first = !name.empty() && name.front() >= '0' && name.front() <= '9';
  return !name.empty() && !digit_first && name.find_first_not_of(known) == std::string_view::npos;
}

/// Reads the name of an environment variable; what cannot be one is a fault and is told nowhere.
std::string checked_variable(std::string name, TomlPosition at, std::string_view key,
                             FaultLog& faults) {
  if (name.empty() || acceptable_variable(name)) return name;
  faults.error(at, fmt::format("[provider]: \"{}\" is the name of an environment variable, of "
                               "letters, digits and '_', not the secret",
                               key));
  return {};
}

ProviderKey read_key(const TomlNode& node, FaultLog& faults) {
  TableReader table{node, "[provider] keys", faults};
  ProviderKey key;
  key.id = table.required_string("id");
  if (!key.id.empty() && !acceptable_id(key.id))
    faults.error(
        table.at("id"),
        "[provider] keys: \"id\" is a name of letters, digits, '.', '_' and '-', not the secret");
  key.env = checked_variable(table.required_string("env"), table.at("env"), "env", faults);
  key.weight = table.integer("weight", 1, weight_max).value_or(key.weight);
  key.in_flight_max =
      table.integer("in_flight_max", 1, in_flight_max_max).value_or(key.in_flight_max);
  table.rename(fmt::format("[provider] keys \"{}\"", key.id));
  table.finish();
  return key;
}

}  // namespace

std::vector<ProviderKey> read_keys(TableReader& provider) {
  std::vector<ProviderKey> keys;
  auto& faults = provider.faults();
  ProviderKey only;
  only.id = "default";
  only.env = checked_variable(provider.string("key_env").value_or(""), provider.at("key_env"),
                              "key_env", faults);
  only.in_flight_max =
      provider.integer("in_flight_max", 1, in_flight_max_max).value_or(only.in_flight_max);
  for (const auto* node : provider.tables("keys")) keys.push_back(read_key(*node, faults));
  const auto* listed = provider.find("keys");
  if (listed != nullptr && listed->kind == TomlKind::array && listed->items.empty())
    faults.error(listed->at,
                 "[provider]: \"keys\" names no key; leave it out where the provider needs none");
  if (keys.empty()) return {only};
  if (!only.env.empty())
    faults.error(provider.at("key_env"),
                 "[provider]: name the keys in \"keys\" or in \"key_env\", not in both");
  if (provider.find("in_flight_max") != nullptr)
    faults.error(provider.at("in_flight_max"),
                 "[provider]: with \"keys\", \"in_flight_max\" belongs to each of them");
  if (keys.size() > keys_max)
    faults.error(provider.at("keys"), fmt::format("[provider]: at most {} keys", keys_max));
  for (auto key = keys.begin(); key != keys.end(); ++key) {
    if (std::any_of(keys.begin(), key, [&](const auto& other) { return other.id == key->id; }))
      faults.error(provider.at("keys"),
                   fmt::format("[provider]: key \"{}\" is named twice", key->id));
  }
  return keys;
}

}  // namespace turnpike::catalog
