#include "dialect/facts_gemini.hpp"

namespace turnpike::dialect {

Result<FactsReading> read_gemini_facts(const simdjson::dom::element&) {
  return std::unexpected{gateway_error(501, "unsupported_dialect", "Requests of this dialect are not read yet.")};
}

}  // namespace turnpike::dialect
