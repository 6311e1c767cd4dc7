// What the admin pages about keys, budgets and reports draw on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "account/ledger.hpp"
#include "app/limits.hpp"
#include "gateway/backends.hpp"
#include "gateway/learning.hpp"
#include "gateway/snapshot.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// [limits.key]: what binds a key without bounds of its own. Absent: nothing does.
struct KeyDefaults {
  std::optional<std::int32_t> concurrency;
  std::optional<std::int32_t> requests_per_minute;
  std::optional<std::int32_t> tokens_per_minute;
};

inline KeyDefaults key_defaults(const Limits& limits) {
  const auto& rates = limits.overload.rates;
  return {limits.key_concurrency, rates.requests_per_minute, rates.tokens_per_minute};
}

struct PageSources {
  account::Ledger& ledger;
  const Clock& clock;
  /// Catalog and policy to look ahead with: those in force or, where no gateway runs, what the
  /// files say now. Null if the files have faults.
  std::function<std::shared_ptr<const gateway::Snapshot>()> planned;
  std::string credits_per_usd = "1";  // decimal
  std::filesystem::path data = {};    // directory with shadow.db
  gateway::Learning* learning = nullptr;  // what the pages about the classifier are about
  gateway::Backends* backends = nullptr;  // the providers' keys; null where no gateway runs
  KeyDefaults key_defaults = {};
};

}  // namespace turnpike::app
