// The counters of hedging, at zero before the first race, so that the first one shows as an increase.
#pragma once

#include "catalog/catalog.hpp"
#include "metrics/metrics.hpp"

namespace turnpike::gateway {

void announce_hedges(metrics::Shard& metrics, const catalog::Catalog& catalog);

}  // namespace turnpike::gateway
