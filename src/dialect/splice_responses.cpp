#include "dialect/splice_responses.hpp"

namespace turnpike::dialect {

Result<Outgoing> splice_responses(const std::string&, const RequestView&, const Candidate&, const TranslateOptions&) {
  return std::unexpected{gateway_error(501, "unsupported_dialect", "Requests of this dialect are not sent yet.")};
}

}  // namespace turnpike::dialect
