// A decision in plain words, with what the other choices would have cost and what it would have taken to make them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/snapshot.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::app {

/// A target that might have answered.
struct Choice {
  std::string target;
  std::string tier;
  std::string price_id;
  int place = 0;             // among the candidates, from 1; 0: it was none
  std::string why_not;       // why it was none, or what became of it; may be empty
  std::int64_t cached = 0;   // prompt tokens that its cache was taken to hold
  std::optional<Credits> expected;  // of this step, by what was known when it was decided
  std::optional<Credits> as_used;   // with the tokens that the step really had; its own is what was booked
};

/// The same decision with one thing changed, taken by the same function.
struct WhatIf {
  std::string change;    // "the score had been 0.55 or more"
  std::string target;    // what would have come first then; empty if it would have been refused
  std::string tier;
  std::string refusal;
  bool moved = false;    // another target than what came first
};

struct Explanation {
  std::vector<std::string> sentences;
  std::vector<Choice> choices;   // candidates first, in their order; then the policy's other targets
  std::vector<WhatIf> what_ifs;  // empty without the configuration of the decision
};

/// `rules` is the configuration the decision was made with; null if it is not kept any more.
Explanation explain(const Exchange& exchange, const gateway::Snapshot* rules);

}  // namespace turnpike::app
