// The gateway's own opaque token, for the fields in which a client carries a vendor's state: the signature of a
// thinking block (Messages), encrypted_content of a reasoning item (Responses), thoughtSignature of a part (Gemini).
//
//   token := base64("tpk1:" provider "\n" family "\n" call_id)
//
// It says who made the thinking beside it, so that it is given back to nobody else even after the OpaqueStore has
// lost the entry, and it is taken out before anything reaches a vendor (wire-formats "Anthropic Messages", thinking
// output from other models). A vendor's own signature never begins like it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "turnpike/decision.hpp"

namespace turnpike::dialect {

struct IssuerTag {
  std::string provider;
  std::string family;
  std::string call_id;  // of the tool call the token is attached to; empty: none
  bool operator==(const IssuerTag&) const = default;
};

std::string write_issuer_tag(const IssuerTag& tag);
std::string write_issuer_tag(const Candidate& candidate, std::string_view call_id = {});
/// Nothing if `token` is not the gateway's.
std::optional<IssuerTag> read_issuer_tag(std::string_view token);

}  // namespace turnpike::dialect
