// [classifier] of a policy: who teaches whom.
#pragma once

#include <cstdint>
#include <string_view>

namespace turnpike::policy {

/// Callers that share what was learned from their outcomes.
enum class LearnPer : std::uint8_t { off, policy, team, key };

struct ClassifierSettings {
  LearnPer learn = LearnPer::policy;
  bool weak_signals = true;  // tool errors, repeated calls, corrections by people and the like teach, too
  bool operator==(const ClassifierSettings&) const = default;
};

}  // namespace turnpike::policy
