// Values that are known elsewhere at the moment of a scrape: budgets, share, prices, health, the ledger's state.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "account/ledger.hpp"
#include "app/opaque_persistence.hpp"
#include "dialect/opaque_store.hpp"
#include "gateway/conversations.hpp"
#include "gateway/backends.hpp"
#include "gateway/snapshot.hpp"
#include "metrics/metrics.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// Borrowed for the life of the metrics.
struct GaugeSources {
  account::Ledger& ledger;
  dialect::OpaqueStore& opaque;
  gateway::Conversations& conversations;
  gateway::Backends& backends;
  const Clock& clock;
  std::function<std::shared_ptr<const gateway::Snapshot>()> snapshot;
  std::function<bool()> reload_failed;
  std::function<std::size_t()> open_requests;
  const OpaquePersistence* opaque_file;  // null: nothing is kept on disk
};

std::function<void(std::vector<metrics::Gauge>&)> gauges(GaugeSources sources);

}  // namespace turnpike::app
