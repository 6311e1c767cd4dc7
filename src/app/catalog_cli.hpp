// `turnpike catalog`: what models exist, what they cost at an instant, and how a public catalog
// gets into providers/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/commands.hpp"
#include "app/config.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::app {

struct CatalogListOptions {
  std::string at;        // date or instant; empty: now
  std::string provider;  // empty: all
};
int run_catalog_list(const Config& config, const Clock& clock, const CatalogListOptions& options,
                     Output output);

struct CatalogPriceOptions {
  std::string model;
  std::string at;
  /// Tokens of the prompt; cached and written ones are part of it.
  std::int64_t prompt = 0;
  std::int64_t cached = 0;
  std::int64_t written_5m = 0;
  std::int64_t written_1h = 0;
  std::int64_t output = 0;
  PerServerTool calls{};
};
int run_catalog_price(const Config& config, const Clock& clock, const CatalogPriceOptions& options,
                      Output output);

}  // namespace turnpike::app
