// The data listener's certificate: from the files that turnpike.toml names, at start, at a reload and for `turnpike check`.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <vector>

#include "app/config.hpp"
#include "catalog/fault.hpp"
#include "metrics/metrics.hpp"
#include "server/listener.hpp"
#include "server/tls_context.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

struct ListenerTls {
  std::shared_ptr<const server::TlsContext> context;  // null: plain HTTP
  std::vector<catalog::Fault> warnings;
};

/// `in_force`: what the listener shows now, null at start. A certificate that has expired is refused as a replacement; at
/// start, and where it is in force already, it is a warning: a gateway that does not start, or takes no new policy, helps
/// nobody.
std::expected<ListenerTls, std::vector<catalog::Fault>> load_listener_tls(const Config& config, Instant now,
                                                                          const server::TlsContext* in_force);

/// For `turnpike check`: what is wrong with the listener's certificate, and whether clients come in over the network
/// without TLS.
std::vector<catalog::Fault> check_listener(const Config& config, Instant now);

/// Asked at every scrape; both functions are called on the scraping thread.
std::function<void(std::vector<metrics::Gauge>&)> tls_gauges(std::function<std::shared_ptr<const server::TlsContext>()> context,
                                                             std::function<server::TlsFigures()> handshakes);

}  // namespace turnpike::app
