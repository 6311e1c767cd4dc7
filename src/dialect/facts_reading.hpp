// What the reader of each dialect hands to read_facts().
#pragma once

#include <string_view>

#include "dialect/facts_outline.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::dialect {

/// Views point into the parsed document.
struct FactsReading {
  RequestFacts facts;  // all but question, step, trace and conversation; Gemini: without model and stream
  Outline outline;
  std::string_view prompt_cache_key;  // or another name the client gives to its conversation
  std::string_view declared_step;     // metadata.turnpike_step
  bool structured_output = false;     // an answer in JSON is asked for
};

}  // namespace turnpike::dialect
