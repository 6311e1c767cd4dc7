// Reads a body of Responses into facts and outline: one walk, no conclusions.
#pragma once

#include <cstdint>

#include "dialect/facts_reading.hpp"
#include "turnpike/error.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

/// Null members count as absent. 400 wrong_type with the JSON path.
Result<FactsReading> read_responses_facts(const simdjson::dom::element& root, std::uint64_t hash_key);

}  // namespace turnpike::dialect
