#include "dialect/write_chat.hpp"

namespace turnpike::dialect {

Result<Outgoing> write_chat(ir::Request, const Candidate&, const TranslateOptions&) {
  return std::unexpected{gateway_error(501, "unsupported_dialect", "Requests of this dialect are not sent yet.")};
}

}  // namespace turnpike::dialect
