// Reads a Chat Completions body into facts and outline: one walk, no conclusions.
#pragma once

#include <string_view>

#include "dialect/facts_outline.hpp"
#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

struct ChatReading {
  RequestFacts facts;  // all but question, step, trace and conversation
  Outline outline;
  std::string_view prompt_cache_key;
  std::string_view declared_step;  // metadata.turnpike_step
  bool structured_output = false;  // any response_format other than text
};

/// Null members count as absent. 400 wrong_type with the JSON path.
Result<ChatReading> read_chat(const simdjson::dom::element& root);

}  // namespace turnpike::dialect
