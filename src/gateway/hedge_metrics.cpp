#include "gateway/hedge_metrics.hpp"

namespace turnpike::gateway {

void announce_hedges(metrics::Shard& metrics, const catalog::Catalog& catalog) {
  for (const auto* outcome : {"won", "lost", "failed"}) metrics.add(metrics::Family::hedges_total, {outcome}, 0);
  for (const auto& model : catalog.models()) {
    if (!model.cancel_stops_billing) continue;
    metrics.add(metrics::Family::hedge_spend_credits_total, {catalog.provider_of(model).id, model.id}, 0);
  }
}

}  // namespace turnpike::gateway
