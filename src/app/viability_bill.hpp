// What moving a share of the steps would cost or save, from the usage that both sides of the pairs have shown. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "app/price_outlook.hpp"
#include "app/viability.hpp"
#include "catalog/catalog.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/shadow.hpp"

namespace turnpike::app {

/// The sampled steps, weighed up to all that they stand for, at one set of prices.
struct ViabilityCost {
  Credits as_is;           // every step as it was served
  Credits moved;           // the share on the candidate, as its shadow calls were billed, the rest as it was served
  Credits moved_warm;      // and if the candidate's prompts had been cached to the same part as the live model's
  Credits moved_rest_cold; // as `moved`, had the steps that stay read nothing from their cache
};

struct ViabilityBill {
  ViabilityCost now;
  std::optional<ViabilityCost> then;  // behind `change`
  std::optional<PriceChange> change;  // the candidate's next dated one
  std::int64_t unpriced = 0;          // pairs left out: a side has no price in the catalog any more, or never answered
  double steps = 0;                   // that the others stand for
  double cache_live = 0;              // of the input tokens, read from a cache: the live side
  double cache_candidate = 0;         // likewise, the candidate's shadow calls
};

/// The catalog is borrowed. Prices are those of the pair's own hour of the week.
ViabilityBill project_bill(const std::vector<ShadowPair>& pairs, const ViabilityQuestion& question, const catalog::Catalog& catalog, Instant now);

}  // namespace turnpike::app
