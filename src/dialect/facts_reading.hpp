// What the reader of each dialect hands to read_facts().
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "dialect/facts_outline.hpp"
#include "dialect/prompt_meter.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::dialect {

/// Views point into the parsed document, or into `kept`, whose elements never move.
struct FactsReading {
  explicit FactsReading(std::uint64_t hash_key) : prompt(hash_key) {}

  RequestFacts facts;  // all but sizes, question, step, trace and conversation; Gemini: without model and stream
  PromptMeter prompt;  // text_bytes and trail
  Outline outline;
  std::string_view prompt_cache_key;  // or another name the client gives to its conversation
  std::string_view declared_step;     // metadata.turnpike_step
  bool structured_output = false;     // an answer in JSON is asked for
  bool safety_check = false;          // it carries a vendor's safety checks, or what a person said to them
  std::deque<std::string> kept;       // what the outline shows and the document has no text of: arguments as JSON
};

}  // namespace turnpike::dialect
