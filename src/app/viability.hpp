// Is the candidate good enough for a share of this traffic? Pure: the same pairs and question give the same verdict.
//
// What is claimed, precisely: over the steps that would move (the easiest `share` of them), the candidate's answer is
// usable and proposes the same next action as the live model's, no less often than a second answer of the live model
// itself would (the baseline), by more than `margin`; and it is usable no less often than the live model's, by more than
// `margin`. Agreement is no proof of quality, and two answers of one good model do not always agree: that is why there is a
// baseline. Source: product specification, "Characterise, then decide"; docs/shadow.md has the rule in plain words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/viability_interval.hpp"
#include "turnpike/shadow.hpp"

namespace turnpike::app {

struct ViabilityQuestion {
  std::string candidate;                     // provider/model
  double share = 0.7;                        // of the steps, the easiest ones
  double margin = 0.05;
  double confidence = 0.95;
  std::optional<double> baseline_agreement;  // how often two answers of the live model are as_good(); else from `self` pairs
};

enum class Viable : std::uint8_t { yes, no, not_enough_data };
std::string_view to_string(Viable answer);

/// The candidate less its standard, and the confidence sequence around it.
struct Gap {
  double value = 0;
  Interval interval{-1, 1};
};

enum class BaselineFrom : std::uint8_t { self_pairs, given, unknown };
std::string_view to_string(BaselineFrom from);

/// One answer: overall, of a step kind, or of a band of difficulty.
struct ViabilityCell {
  std::string name;  // "human_turn", "0.2-0.4"
  Viable answer = Viable::not_enough_data;
  std::string because;
  std::int64_t pairs = 0;
  std::int64_t conversations = 0;
  double steps = 0;               // that the pairs stand for
  double live_usable = 0;
  double candidate_usable = 0;
  double agreement = 0;           // acts_alike() where the baseline is of self pairs, else as_good()
  Interval agreement_once{0, 1};  // Wilson, for a single look
  double baseline = 1;
  BaselineFrom baseline_from = BaselineFrom::unknown;
  Gap usable_gap;
  Gap agreement_gap;
};

struct WorstExample {
  std::string decision_id;
  std::string what;  // "failed: timeout_total", "arguments do not fit the schema", …
  StepKind step = StepKind::human_turn;
  float percentile = 0;
};

struct Viability {
  ViabilityCell overall;               // the moved share
  std::vector<ViabilityCell> by_step;  // of the moved share
  std::vector<ViabilityCell> by_band;  // of all pairs, fifths of difficulty
  std::vector<WorstExample> worst;     // of the moved share, at most worst_max
  static constexpr std::size_t worst_max = 10;
};

/// Least evidence for any answer, below which intervals are not to be trusted.
struct ViabilityFloor {
  static constexpr std::int64_t pairs_overall = 100;
  static constexpr std::int64_t conversations_overall = 30;
  static constexpr std::int64_t pairs_cell = 60;
  static constexpr std::int64_t conversations_cell = 20;
};

/// Sets each percentile to the pair's place by difficulty score among the candidate's pairs, weighed: the easiest 70 % are
/// those of this very traffic. What the gateway noted may be the place in the classifier's training data.
void rank_by_difficulty(std::vector<ShadowPair>& pairs, std::string_view candidate);

/// Percentiles are taken as they stand.
Viability judge_viability(const std::vector<ShadowPair>& pairs, const ViabilityQuestion& question);

/// The rule of each answer with the question's figures, a line each.
std::vector<std::string> viability_rule(const ViabilityQuestion& question);

/// True if the candidate's side is usable and the same action as the live side, or the live side was unusable itself.
bool acts_alike(const ShadowPair& pair);

/// True if the candidate's side did at least as well as can be asked: acts_alike(), or usable and
/// judged as good.
bool as_good(const ShadowPair& pair);

}  // namespace turnpike::app
