// Everything the decision looks at. References are borrowed for the call only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policy/health.hpp"
#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/difficulty.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::policy {

/// What answered this conversation's previous step.
struct Stay {
  std::string target;      // "anthropic/claude-opus-5-5"
  std::string tier;        // tier it was chosen from
  bool escalated = false;  // the running tool loop has been escalated
  bool unusable_answer =
      false;  // it was empty, a refusal, cut by length, or held invalid tool JSON
  std::int64_t cached_tokens =
      0;  // prompt tokens the provider holds in its cache, as observed; 0: unknown or none
  /// Its answers left opaque reasoning (signatures, encrypted items) that only its family reads.
  bool thinking_kept = false;
};

struct Situation {
  const RequestFacts& facts;
  const Difficulty& difficulty;
  const Allowance& allowance;
  const Account& account;
  HealthView health;
  float threshold = 0.7F;    // score at which the frontier begins, from the share controller
  std::optional<Stay> stay;  // absent: a new conversation, or nothing is known of it
  std::optional<std::string> override_target;  // x-turnpike-model
  std::optional<std::string> override_tier;    // x-turnpike-tier
  /// Provider that keeps a response which this request continues (previous_response_id): nobody
  /// else knows it, and it knows it in the client's dialect only.
  std::optional<std::string> required_provider;
  /// False once the frontier share is so far overdrawn that escalations must wait (the share
  /// controller's report).
  bool escalation_allowed = true;
  Instant now{};
};

}  // namespace turnpike::policy
