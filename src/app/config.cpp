#include "app/config.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "catalog/toml_reader.hpp"

namespace turnpike::app {
namespace {

using catalog::FaultLog;
using catalog::TableReader;
using catalog::TomlNode;

std::optional<ListenAddress> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string_view digits = text.substr(colon + 1);
  ListenAddress address{std::string{host}, 0};
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (fault != std::errc{} || end != digits.data() + digits.size() || host.empty()) return std::nullopt;
  return address;
}

void read_address(TableReader& table, std::string_view key, ListenAddress& target) {
  const auto text = table.string(key);
  if (!text) return;
  if (const auto address = parse_address(*text)) {
    target = *address;
  } else {
    table.faults().error(table.at(key), fmt::format("{} is not an address; write \"127.0.0.1:8080\"", quoted_for_message(*text)));
  }
}

void read_path(TableReader& table, std::string_view key, std::filesystem::path& target) {
  const auto text = table.string(key);
  if (!text) return;
  if (text->empty()) table.faults().error(table.at(key), fmt::format("\"{}\" is empty; name a path or leave it out", key));
  target = *text;
}

void read_tls(TableReader& table, Config& config) {
  read_path(table, "tls_cert", config.tls.certificate);
  read_path(table, "tls_key", config.tls.key);
  read_path(table, "tls_client_ca", config.tls.client_ca);
  if (config.tls.certificate.empty() != config.tls.key.empty()) {
    const bool lacks_key = config.tls.key.empty();
    table.faults().error(table.at(lacks_key ? "tls_cert" : "tls_key"), lacks_key ? "tls_cert needs tls_key" : "tls_key needs tls_cert");
  } else if (config.tls.certificate.empty() && !config.tls.client_ca.empty()) {
    table.faults().error(table.at("tls_client_ca"), "tls_client_ca needs tls_cert and tls_key");
  }
}

void read_server(const TomlNode& node, Config& config, FaultLog& faults) {
  TableReader table{node, "[server]", faults};
  read_address(table, "listen", config.listen);
  read_address(table, "admin", config.admin);
  if (!is_loopback(config.admin.host)) {
    faults.error(table.at("admin"), "the admin listener must be on a loopback address; reach it from elsewhere through a tunnel");
  }
  config.threads = table.integer("threads", 0, 256).value_or(config.threads);
  if (const auto seconds = table.integer("drain_delay_s", 0, 600)) config.drain_delay = std::chrono::seconds{*seconds};
  if (const auto seconds = table.integer("drain_deadline_s", 0, 3600)) config.drain_deadline = std::chrono::seconds{*seconds};
  read_tls(table, config);
  config.decision_headers = table.boolean("decision_headers").value_or(config.decision_headers);
  table.finish();
}

void read_paths(const TomlNode& node, Config& config, FaultLog& faults) {
  TableReader table{node, "[paths]", faults};
  read_path(table, "data", config.data);
  read_path(table, "providers", config.providers);
  read_path(table, "policies", config.policies);
  if (auto name = table.string("policy")) config.policy = std::move(*name);
  table.finish();
}

void read_auth(const TomlNode& node, Config& config, FaultLog& faults) {
  TableReader table{node, "[auth]", faults};
  read_path(table, "admin_token_file", config.admin_token_file);
  config.insecure_allow_anonymous = table.boolean("insecure_allow_anonymous").value_or(false);
  config.insecure_http = table.boolean("insecure_http").value_or(false);
  if (config.insecure_allow_anonymous && !is_loopback(config.listen.host)) {
    faults.error(table.at("insecure_allow_anonymous"), "anonymous access is allowed on a loopback listener only");
  }
  table.finish();
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// "deny" or "allow:5": credits that one replica may spend above its leases while the central ledger is away.
bool read_store_down(std::string_view text, account::ReplicaOptions& replica) {
  constexpr std::string_view allow = "allow:";
  if (text == "deny") return true;
  if (!text.starts_with(allow)) return false;
  const auto amount = parse_credits(text.substr(allow.size()));
  if (!amount || *amount < Credits{}) return false;
  replica.allow_when_down = *amount;
  return true;
}

/// The address may hold a password: it is kept as a Secret from here on and appears in no message.
Secret central_address(TableReader& table) {
  auto address = table.string("central");
  const auto variable = table.string("central_env");
  if (address && variable) table.faults().error(table.at("central_env"), "[ledger] has both central and central_env; keep one");
  if (address) return Secret{std::move(*address)};
  if (!variable) return {};
  const char* value = std::getenv(variable->c_str());
  if (value == nullptr || *value == '\0') {
    table.faults().error(table.at("central_env"),
                         fmt::format("the environment has no {} with the address of the central ledger", quoted_for_message(*variable)));
    return {};
  }
  return Secret{value};
}

void read_replica(TableReader& table, Config& config) {
  account::ReplicaOptions replica;
  replica.central = central_address(table);
  replica.name = table.string("replica").value_or(host_name());
  if (replica.name.empty() || replica.name.size() > 128) {
    table.faults().error(table.at("replica"), "a replica has a name of its own, at most 128 bytes");
  }
  if (const auto text = table.string("store_down"); text && !read_store_down(*text, replica)) {
    table.faults().error(table.at("store_down"), "store_down is \"deny\" or \"allow:CREDITS\", for example \"allow:5\"");
  }
  if (const auto text = table.string("lease_block_max")) {
    const auto amount = parse_credits(*text);
    if (amount && *amount > Credits{}) {
      replica.block_max = *amount;
    } else {
      table.faults().error(table.at("lease_block_max"), "lease_block_max is a positive number of credits, as a string");
    }
  }
  constexpr std::int64_t lease_min_s = 5;
  constexpr std::int64_t lease_max_s = 300;
  if (const auto seconds = table.integer("lease_s", lease_min_s, lease_max_s)) replica.lease_length = std::chrono::seconds{*seconds};
  if (!replica.central.empty()) config.replica = std::move(replica);
}

void read_ledger(const TomlNode& node, Config& config, FaultLog& faults) {
  TableReader table{node, "[ledger]", faults};
  static const std::array<std::string, 2> intents{"process", "disk"};
  if (const auto word = table.word("intent", intents)) {
    config.intent = *word == "disk" ? account::Intent::disk : account::Intent::process;
  }
  static const std::array<std::string, 2> bounds{"bound", "calibrated"};
  if (const auto word = table.word("admit_on", bounds)) config.admission.calibrated = *word == "calibrated";
  config.admission.prefix_tightening = table.boolean("prefix_tightening").value_or(config.admission.prefix_tightening);
  if (auto text = table.string("credits_per_usd")) config.credits_per_usd = std::move(*text);
  read_replica(table, config);
  table.finish();
}

void read_opaque(const TomlNode& node, Config& config, FaultLog& faults) {
  TableReader table{node, "[opaque]", faults};
  config.opaque_persist = table.boolean("persist").value_or(config.opaque_persist);
  constexpr std::int64_t bytes_min = std::int64_t{1} << 20;
  constexpr std::int64_t bytes_max = std::int64_t{16} << 30;
  if (const auto bytes = table.integer("bytes_max", bytes_min, bytes_max)) {
    config.opaque_bytes_max = static_cast<std::size_t>(*bytes);
  }
  constexpr std::int64_t month_h = 31 * 24;
  if (const auto hours = table.integer("lifetime_h", 1, month_h)) config.opaque_lifetime = std::chrono::hours{*hours};
  table.finish();
}

void read_bounds(const TomlNode& node, Config& config, FaultLog& faults) { read_limits(node, config.limits, faults); }

void read_log(const TomlNode& node, Config& config, FaultLog& faults) {
  TableReader table{node, "[log]", faults};
  static const std::array<std::string, 4> levels{"debug", "info", "warn", "error"};
  if (const auto word = table.word("level", levels)) {
    config.log_level = *word == "debug"  ? LogLevel::debug
                       : *word == "info" ? LogLevel::info
                       : *word == "warn" ? LogLevel::warn
                                         : LogLevel::error;
  }
  config.log_requests = table.boolean("requests").value_or(config.log_requests);
  table.finish();
}

void read_upstream(const TomlNode& node, Config& config, FaultLog& faults) {
  TableReader table{node, "[upstream]", faults};
  constexpr std::int64_t attempts_most = 10;
  config.attempts_max = static_cast<int>(table.integer("attempts_max", 1, attempts_most).value_or(config.attempts_max));
  config.hedge = table.boolean("hedge").value_or(config.hedge);
  table.finish();
}

void read_overrides(const TomlNode& node, Config& config, FaultLog& faults) {
  for (const auto& [key, at, value] : node.entries) {
    if (value.kind == catalog::TomlKind::string) {
      config.base_url_overrides[key] = value.text;
    } else {
      faults.error(at, fmt::format("[override] {} must be a base URL", quoted_for_message(key)));
    }
  }
}

void resolve(Config& config) {
  const std::filesystem::path folder = config.file.parent_path();
  for (std::filesystem::path* path : {&config.data, &config.providers, &config.policies, &config.admin_token_file,
                                      &config.tls.certificate, &config.tls.key, &config.tls.client_ca}) {
    if (!path->empty() && path->is_relative()) *path = folder / *path;
  }
  if (config.admin_token_file.empty()) config.admin_token_file = config.data / "admin.token";
}

}  // namespace

bool is_loopback(std::string_view host) { return host.starts_with("127.") || host == "::1"; }

std::expected<Config, std::vector<catalog::Fault>> load_config(const std::filesystem::path& file) {
  const auto text = catalog::read_file(file);
  if (!text) return std::unexpected{std::vector{text.error()}};
  return read_config(*text, file);
}

std::expected<Config, std::vector<catalog::Fault>> read_config(std::string_view text, const std::filesystem::path& file) {
  const auto document = catalog::parse_toml(text, file.string());
  if (!document) return std::unexpected{std::vector{document.error()}};
  Config config;
  config.file = file;
  FaultLog faults{file.string()};
  TableReader root{*document, "the file", faults};
  using Section = void (*)(const TomlNode&, Config&, FaultLog&);
  static constexpr std::array<std::pair<std::string_view, Section>, 9> sections{{{"server", read_server},
                                                                                 {"paths", read_paths},
                                                                                 {"auth", read_auth},
                                                                                 {"ledger", read_ledger},
                                                                                 {"opaque", read_opaque},
                                                                                 {"limits", read_bounds},
                                                                                 {"log", read_log},
                                                                                 {"upstream", read_upstream},
                                                                                 {"override", read_overrides}}};
  for (const auto& [name, read] : sections) {
    if (const TomlNode* node = root.table(name)) read(*node, config, faults);
  }
  root.finish();
  resolve(config);
  if (catalog::has_errors(faults.faults())) return std::unexpected{faults.take()};
  return config;
}

}  // namespace turnpike::app
