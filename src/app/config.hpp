// turnpike.toml: where things are and who may come in. Routing is in policies/, models and prices in providers/.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/ledger.hpp"
#include "catalog/fault.hpp"
#include "dialect/opaque_store.hpp"
#include "app/limits.hpp"
#include "gateway/admission_rules.hpp"
#include "server/tls_context.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {

/// "127.0.0.1:8080" or "[::1]:8080".
struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

struct Config {
  std::filesystem::path file;  // where it came from; empty: built-in defaults

  ListenAddress listen{"127.0.0.1", 8080};
  ListenAddress admin{"127.0.0.1", 9091};  // loopback only
  std::int64_t threads = 0;                // event loops; 0: one per core
  std::chrono::seconds drain_delay{0};     // between SIGTERM and closing the listener, for balancers to look away
  std::chrono::seconds drain_deadline{300};
  server::TlsFiles tls;  // of the data listener; no certificate: plain HTTP
  [[nodiscard]] bool tls_on() const { return !tls.certificate.empty(); }

  std::filesystem::path data = "data";
  std::filesystem::path providers = "providers";
  std::filesystem::path policies = "policies";
  std::string policy = "seventy-thirty";

  std::filesystem::path admin_token_file;  // default: <data>/admin.token, made at first start
  bool insecure_allow_anonymous = false;   // only with a loopback listener
  bool insecure_http = false;              // providers may be http on other hosts than loopback

  bool opaque_persist = true;  // <data>/opaque.db
  std::size_t opaque_bytes_max = dialect::OpaqueStore::bytes_max_default;
  std::chrono::hours opaque_lifetime = dialect::OpaqueStore::lifetime_default;

  std::string credits_per_usd = "1";
  account::Intent intent = account::Intent::process;
  std::optional<account::ReplicaOptions> replica;  // one of several gateways with a central ledger
  gateway::AdmissionRules admission;
  Limits limits;
  int attempts_max = 3;  // per request, over all backends
  bool hedge = false;    // a second attempt beside one that is slow to begin
  LogLevel log_level = LogLevel::info;
  bool log_requests = true;
  bool decision_headers = true;
  /// Provider id -> base URL in place of the provider file's.
  std::map<std::string, std::string, std::less<>> base_url_overrides;
};

[[nodiscard]] bool is_loopback(std::string_view host);

/// Relative paths are taken from the folder of the file. All faults are reported, each with line and column.
std::expected<Config, std::vector<catalog::Fault>> load_config(const std::filesystem::path& file);
/// The same from the file's text; `file` names it in faults and is what paths are relative to.
std::expected<Config, std::vector<catalog::Fault>> read_config(std::string_view text, const std::filesystem::path& file);

}  // namespace turnpike::app
