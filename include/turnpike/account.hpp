// Who asks, and what is left of what they may spend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"

namespace turnpike {

/// Who goes first where requests have to wait, and who is turned away first.
enum class Priority : std::uint8_t { interactive, batch };
std::string_view to_string(Priority priority);
std::optional<Priority> parse_priority(std::string_view name);

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
  std::optional<std::int32_t> requests_per_minute;
  std::optional<std::int32_t> tokens_per_minute;  // of prompts and answers
  Priority priority = Priority::interactive;
  std::int32_t weight = 1;  // its share where keys wait for each other
};

/// How thin the tightest budget on the account's path is. Input of the decision.
enum class Pressure : std::uint8_t { none, notify, prefer_cheap, cheap_only };

struct Allowance {
  Pressure pressure = Pressure::none;
  std::string pressure_scope;         // "team:search"; empty without pressure
  std::optional<Credits> remaining;   // tightest of all windows, settled and reserved taken off; absent: unlimited
};

}  // namespace turnpike
