#include "dialect/facts_anthropic.hpp"

namespace turnpike::dialect {

Result<FactsReading> read_anthropic_facts(const simdjson::dom::element&) {
  return std::unexpected{gateway_error(501, "unsupported_dialect", "Requests of this dialect are not read yet.")};
}

}  // namespace turnpike::dialect
