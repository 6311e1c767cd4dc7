// Which steps are asked a second time, of whom, and for how much: the policy's [shadow] section.
// docs/shadow.md says what is done with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::policy {

/// A model of the catalog that the policy was loaded with.
struct ShadowModel {
  std::uint32_t index = 0;  // into Catalog::models()
  std::string name;         // "deepseek/deepseek-flash"
};

struct ShadowPlan {
  ShadowModel candidate;
  double sample = 0.1;          // share of the eligible steps
  Credits credits_per_day;      // for candidate, self and judge together; a UTC day
  std::vector<StepKind> steps{StepKind::human_turn, StepKind::tool_continuation};
  std::optional<Instant> until;
  double self_sample = 0;       // of the sampled steps: asked of the serving model again, too
  std::optional<ShadowModel> judge;
  double judge_sample = 1;      // of the pairs that do not propose the same action
  bool keep_texts = false;      // short extracts of the proposed actions are stored
  std::int32_t concurrency_max = 8;  // calls under way at once, over the whole process

  /// Hard steps are rare and decide most: above this percentile three times the sample is taken.
  static constexpr float hard_from = 0.8F;
  static constexpr double hard_boost = 3;
  /// Chance with which a step of this percentile is sampled.
  [[nodiscard]] double chance_of(float percentile) const;
  [[nodiscard]] bool takes(StepKind step) const;
};

/// The internal account of a policy's shadow runs: key id, below org `turnpike`.
inline constexpr const char* shadow_org = "turnpike";
std::string shadow_key_id(const std::string& policy);

}  // namespace turnpike::policy
