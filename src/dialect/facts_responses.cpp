#include "dialect/facts_responses.hpp"

namespace turnpike::dialect {

Result<FactsReading> read_responses_facts(const simdjson::dom::element&) {
  return std::unexpected{gateway_error(501, "unsupported_dialect", "Requests of this dialect are not read yet.")};
}

}  // namespace turnpike::dialect
