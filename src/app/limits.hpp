// [limits] of turnpike.toml: every bound that keeps too much work out. What each does: docs/operating.md, "Overload".
#pragma once

#include <cstdint>
#include <optional>

#include "catalog/toml_reader.hpp"
#include "gateway/overload.hpp"
#include "server/limits.hpp"

namespace turnpike::app {

struct Limits {
  server::ServerLimits server;        // connections_max 0: half the descriptors
  gateway::OverloadLimits overload;   // in_flight_max 0: as many as there are descriptors for
  std::optional<std::int32_t> key_concurrency;  // of keys without a bound of their own
  enum class Memory : std::uint8_t { automatic, off, bytes } memory = Memory::automatic;
  std::uint64_t memory_bytes = 0;     // of `bytes`
};

void read_limits(const catalog::TomlNode& node, Limits& limits, catalog::FaultLog& faults);

/// The bounds that follow from the process's descriptors, filled in.
Limits fitted_to(Limits limits, std::size_t descriptors);

}  // namespace turnpike::app
