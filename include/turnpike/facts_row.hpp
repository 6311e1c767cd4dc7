// A row of a file of prompts: what is known of the request and, where the row is there to teach, what became of it.
#pragma once

#include <optional>
#include <string>

#include "turnpike/facts.hpp"

namespace turnpike {

/// How two models did on one prompt: 1 right, 0 wrong, graded in between.
struct KnownOutcome {
  float weak = 0;
  std::optional<float> strong;  // absent: only the weak one was tried
};

struct FactsRow {
  std::string id;  // empty if the row has none
  RequestFacts facts;
  std::optional<KnownOutcome> learn;  // absent: the row asks for a score
};

}  // namespace turnpike
