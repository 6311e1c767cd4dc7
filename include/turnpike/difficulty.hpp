// How hard the reasoning of a step is, and why the model of difficulty thinks so.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "turnpike/facts.hpp"

namespace turnpike {

/// A feature that moved the score; names come from a closed list in classify.
struct Signal {
  std::string_view name;
  float weight = 0;  // contribution to the raw score; the sign says which way
};

struct Difficulty {
  float score = 0;       // 0..1, higher is harder; comparable between requests, not a probability
  float prior = 0;       // the score before anything was learned from this operator's outcomes
  float percentile = -1; // share of its scope's recent steps that were easier, 0..1; negative: not known
  float weak_fails = -1; // calibrated chance that the bulk tier fails this step; negative: not known
  float confidence = 0;  // 0..1
  bool abstained = false;  // confidence below the floor: the policy's default applies
  StepKind step = StepKind::human_turn;
  std::array<Signal, 4> signals{};  // strongest first; unused ones have an empty name
};

}  // namespace turnpike
