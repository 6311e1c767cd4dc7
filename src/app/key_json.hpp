// Virtual keys as JSON: what the admin pages answer and what they are asked for.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "account/history.hpp"
#include "account/key_ring.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// "active", "disabled", "expired" or "revoked".
std::string_view state_of(const account::KeyInfo& key, Instant now);
/// Everything but the secret.
nlohmann::ordered_json to_json(const account::KeyInfo& key, Instant now);
nlohmann::ordered_json to_json(const std::vector<account::KeyHistoryEntry>& history);

/// {name, org, team, user, models_allowed, expires, request_cost_max, concurrency_max,
/// requests_per_minute, tokens_per_minute, priority, weight, may_override_route, by}; `windows` is for its budget and not read here. Errors are 400 and name
/// the field.
Result<account::NewKey> read_new_key(const nlohmann::ordered_json& body);
/// The same fields and `disabled`; what is absent stays, null takes a bound away.
Result<account::KeyChange> read_key_change(const nlohmann::ordered_json& body);

/// The key that an operator means: an id, or the name of exactly one key (of those in use, if there
/// are any). Errors: 404 `unknown_key` with the nearest id or name, 409 `ambiguous_key` with the
/// ids.
Result<account::KeyInfo> find_key(const std::vector<account::KeyInfo>& keys,
                                  std::string_view wanted);

/// Lines on what is different in `after`: "org acme -> beta", "disabled", "a new secret".
std::vector<std::string> differences(const account::KeyInfo& before, const account::KeyInfo& after);

}  // namespace turnpike::app
