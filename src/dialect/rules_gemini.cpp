#include "dialect/rules_gemini.hpp"

namespace turnpike::dialect {

Result<RequestView> read_gemini_view(const simdjson::dom::object&, const std::string&, std::uint32_t) {
  return std::unexpected{gateway_error(501, "unsupported_dialect", "Requests of this dialect are not read yet.")};
}

}  // namespace turnpike::dialect
