#include "dialect/gemini_request.hpp"

namespace turnpike::dialect {

Result<ir::Request> read_gemini_request(const std::string&, const RequestView&) {
  return std::unexpected{gateway_error(501, "unsupported_dialect", "Requests of this dialect are not translated yet.")};
}

}  // namespace turnpike::dialect
