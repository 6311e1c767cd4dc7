// Who asks, and what is left of what they may spend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"

namespace turnpike {

/// The owner of a virtual key, as found at authentication. Immutable; shared by all requests of the key.
struct Account {
  std::string key_id;    // public part of the key; "anonymous" if anonymous access is open
  std::string key_name;
  std::string org;
  std::string team;      // empty if the key hangs directly below org
  std::string user;      // empty likewise
  std::vector<std::string> models_allowed;  // wildcard patterns on "provider/model" or tier names; empty: all
  bool may_override_route = false;          // x-turnpike-tier, x-turnpike-model headers
  std::optional<Credits> request_cost_max;
  std::optional<std::int32_t> concurrency_max;
};

/// How thin the tightest budget on the account's path is. Input of the decision.
enum class Pressure : std::uint8_t { none, notify, prefer_cheap, cheap_only };

struct Allowance {
  Pressure pressure = Pressure::none;
  std::string pressure_scope;         // "team:search"; empty without pressure
  std::optional<Credits> remaining;   // tightest of all windows, settled and reserved taken off; absent: unlimited
};

}  // namespace turnpike
