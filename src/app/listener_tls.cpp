#include "app/listener_tls.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "catalog/toml_reader.hpp"

namespace turnpike::app {
namespace {

using catalog::Fault;
using catalog::Severity;
using server::TlsCertificate;

/// The time an operator needs to renew a certificate by hand.
constexpr std::chrono::days expires_soon{14};

/// Where [server] sets it; nowhere if it does not, or the file has changed since it was read.
catalog::TomlPosition position_of(const Config& config, std::string_view setting) {
  const auto text = catalog::read_file(config.file);
  const auto document = text ? catalog::parse_toml(*text, config.file.string()) : std::unexpected{text.error()};
  if (!document) return {};
  for (const auto& section : document->entries) {
    if (section.key != "server") continue;
    for (const auto& entry : section.value.entries) {
      if (entry.key == setting) return entry.value.at;
    }
  }
  return {};
}

Fault fault_of(const Config& config, std::string_view setting, std::string message, Severity severity = Severity::error) {
  const auto at = position_of(config, setting);
  return {config.file.string(), at.line, at.column, std::move(message), severity};
}

/// Of one of the files that [server] names.
Fault file_fault(const Config& config, const std::filesystem::path& file, std::string_view reason, Severity severity = Severity::error) {
  const std::string_view setting = file == config.tls.key ? "tls_key" : file == config.tls.client_ca ? "tls_client_ca" : "tls_cert";
  return fault_of(config, setting, fmt::format("{} {}: {}", setting, file.string(), reason), severity);
}

std::string day_of(Instant instant) { return to_rfc3339(instant).substr(0, 10); }

std::string days_until(Instant now, Instant then) { return fmt::format("{} days", std::chrono::floor<std::chrono::days>(then - now).count()); }

/// What clients will object to although the files are sound.
std::vector<Fault> objections(const Config& config, const TlsCertificate& shown, Instant now, Severity when_invalid) {
  std::vector<Fault> found;
  const auto fault = [&config](std::string_view reason, Severity severity) {
    return fault_of(config, "tls_cert", fmt::format("tls_cert {}: {}", config.tls.certificate.string(), reason), severity);
  };
  if (shown.not_after <= now) {
    found.push_back(fault(fmt::format("the certificate expired on {}", day_of(shown.not_after)), when_invalid));
  } else if (shown.not_before > now) {
    found.push_back(fault(fmt::format("the certificate is not valid before {}", to_rfc3339(shown.not_before)), when_invalid));
  } else if (shown.not_after - now < expires_soon) {
    found.push_back(fault(
        fmt::format("the certificate expires on {}, in {}", day_of(shown.not_after), days_until(now, shown.not_after)), Severity::warning));
  }
  if (shown.names.empty()) {
    found.push_back(fault("the certificate has no subjectAltName: clients that verify it will believe it for no host", Severity::warning));
  }
  return found;
}

std::vector<Fault> exposure(const Config& config) {
  if (config.tls_on() || is_loopback(config.listen.host)) return {};
  return {fault_of(config, "listen",
                   fmt::format("[server] listen {}:{} takes client keys and prompts over the network unencrypted: set tls_cert and tls_key, or "
                               "let only a TLS proxy reach it",
                               config.listen.host, config.listen.port),
                   Severity::warning)};
}

}  // namespace

std::expected<ListenerTls, std::vector<Fault>> load_listener_tls(const Config& config, Instant now, const server::TlsContext* in_force) {
  if (!config.tls_on()) return ListenerTls{nullptr, exposure(config)};
  auto loaded = server::TlsContext::load(config.tls);
  if (!loaded) return std::unexpected{std::vector{file_fault(config, loaded.error().file, loaded.error().reason)}};
  const TlsCertificate& shown = (*loaded)->certificate();
  const bool replaces = in_force != nullptr && in_force->certificate().fingerprint != shown.fingerprint;
  auto found = objections(config, shown, now, replaces ? Severity::error : Severity::warning);
  if (catalog::has_errors(found)) return std::unexpected{std::move(found)};
  return ListenerTls{std::move(*loaded), std::move(found)};
}

std::vector<Fault> check_listener(const Config& config, Instant now) {
  if (!config.tls_on()) return exposure(config);
  auto loaded = server::TlsContext::load(config.tls);
  if (!loaded) return {file_fault(config, loaded.error().file, loaded.error().reason)};
  return objections(config, (*loaded)->certificate(), now, Severity::error);
}

std::function<void(std::vector<metrics::Gauge>&)> tls_gauges(std::function<std::shared_ptr<const server::TlsContext>()> context,
                                                             std::function<server::TlsFigures()> handshakes) {
  return [context = std::move(context), handshakes = std::move(handshakes)](std::vector<metrics::Gauge>& out) {
    const auto shown = context();
    const std::chrono::duration<double> expiry = shown ? shown->certificate().not_after.time_since_epoch() : std::chrono::microseconds{0};
    out.push_back({"turnpike_tls_certificate_expiry_timestamp_seconds", "When the listener's certificate expires; 0 without TLS.", {}, expiry.count()});
    const server::TlsFigures figures = handshakes();
    const auto add = [&out](const char* result, std::uint64_t count) {
      out.push_back({"turnpike_tls_handshakes_total", "TLS handshakes with clients.", {{"result", result}}, static_cast<double>(count)});
    };
    add("full", figures.full);
    add("resumed", figures.resumed);
    add("failed", figures.failed);
    add("timed_out", figures.timed_out);
  };
}

}  // namespace turnpike::app
