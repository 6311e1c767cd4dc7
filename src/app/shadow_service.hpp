// Shadow runs as the process sees them: the hub that all gateways share, the file that pairs go to, and the budget that
// caps them.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "account/ledger.hpp"
#include "account/shadow_file.hpp"
#include "gateway/shadow_hub.hpp"
#include "metrics/metrics.hpp"
#include "policy/policy.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// Ledger and clock outlive it; it outlives the gateways.
class ShadowService {
 public:
  ShadowService(account::Ledger& ledger, const Clock& clock, std::filesystem::path data);

  [[nodiscard]] gateway::ShadowHub& hub() { return hub_; }
  /// Before a snapshot with this policy reaches a gateway, and now and then afterwards, so that a cap which was lifted by
  /// hand comes back: sets the day's limit of the shadow's budget. A freeze by hand stays. Without a budget nothing is
  /// shadowed. Admin thread, or before any loop runs.
  void apply(const policy::Policy& policy);
  void flush();
  /// Adds to a scrape. Admin thread.
  void gauges(std::vector<metrics::Gauge>& out) const;

 private:
  [[nodiscard]] Result<void> set_budget(const policy::Policy& policy);

  account::Ledger& ledger_;
  const Clock& clock_;
  std::filesystem::path data_;
  std::unique_ptr<account::ShadowFile> file_;  // made with the first policy that shadows; gateways get that policy afterwards
  gateway::ShadowHub hub_;
};

}  // namespace turnpike::app
