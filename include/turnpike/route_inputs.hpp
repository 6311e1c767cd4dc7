// What a decision looks at beside the request, the account and the configuration: a snapshot of all that the gateway has
// learned or been told. Copied into the exchange, so that the decision record can hold it and the decision be taken again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "turnpike/clock.hpp"

namespace turnpike {

/// How a target is doing, as the decision sees it. The state machine that ejects and readmits is elsewhere.
enum class Health : std::uint8_t { ok, degraded, ejected };

/// A small copied value: the targets that are not ok, sorted by name.
class HealthView {
 public:
  HealthView() = default;
  explicit HealthView(std::vector<std::pair<std::string, Health>> troubled)
      : troubled_(std::move(troubled)) {
    std::sort(troubled_.begin(), troubled_.end());
  }
  [[nodiscard]] bool all_ok() const { return troubled_.empty(); }
  [[nodiscard]] const std::vector<std::pair<std::string, Health>>& troubled() const { return troubled_; }
  [[nodiscard]] Health of(std::string_view target) const {
    const auto found = std::lower_bound(
        troubled_.begin(), troubled_.end(), target,
        [](const auto& entry, std::string_view name) { return entry.first < name; });
    return found != troubled_.end() && found->first == target ? found->second : Health::ok;
  }

 private:
  std::vector<std::pair<std::string, Health>> troubled_;
};

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
  Instant answered_at{};   // end of its last answer
  std::int32_t steps = 0;  // of this conversation so far, over all targets
  std::int32_t tier_steps = 0;  // of those, the last in a row that its tier answered
  std::int32_t calm_steps = 0;  // likewise, the last in a row without a sign of trouble
};

/// A target that holds the beginning of this conversation in its prompt cache.
struct Warmth {
  std::string target;
  std::int64_t cached_tokens = 0;  // as last observed there
  float alive = 1;  // chance that the entry still lives, learned for its provider and this idle time
};

/// What the gateway has learned of a target from its answers. 0: not measured.
struct TargetPace {
  std::string target;
  float first_token_ms = 0;
  float token_ms = 0;         // per output token after the first
  float headroom = 1;         // left of the provider's rate limit, 0..1; 1 also if it tells none
  float tokens_per_byte = 0;  // prompt tokens billed per byte of text: tokenizers differ
  float cache_hit = 1;  // share of what a running loop's last prompt left in the cache that its next step reads again
};

struct RouteInputs {
  HealthView health;
  float threshold = 0.7F;    // score at which the frontier begins, from the share controller
  float threshold_percentile = -1;  // of that score, as Difficulty::percentile; negative: not known
  /// False once the frontier share is so far overdrawn that escalations must wait.
  bool escalation_allowed = true;
  std::optional<Stay> stay;  // absent: a new conversation, or nothing is known of it
  std::optional<std::string> override_target;  // x-turnpike-model
  std::optional<std::string> override_tier;    // x-turnpike-tier
  /// Provider that keeps a response which this request continues (previous_response_id): nobody else knows it, and it
  /// knows it in the client's dialect only.
  std::optional<std::string> required_provider;
  std::vector<Warmth> warm;       // of this conversation, the target of `stay` among them; at most warm_max
  std::vector<TargetPace> paces;  // sorted by target; absent ones have not been measured
  float steps_left = 0;  // likely further steps of the conversation, learned; 0: the policy's steps_expected
  float output_tokens = 0;  // likely output of a step of this kind, learned; 0: not known
  static constexpr std::size_t warm_max = 4;
};

}  // namespace turnpike
