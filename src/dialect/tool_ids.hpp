// Ids and names of tools within what each provider accepts. Deterministic: the same id gives the
// same wire id on both sides of a call and its result, on every turn and in every process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace turnpike::dialect {

/// ^[A-Za-z0-9_-]{1,64}$ stays; anything else becomes "call_" and 40 characters of
/// base64url(sha256).
std::string wire_tool_id(std::string_view id);
/// An id for a call that came without one or under a used one, from what is known of its place.
std::string made_tool_id(std::string_view seed);

/// ^[A-Za-z0-9_-]{1,64}$ stays, with `letter_first` only if it begins with a letter or '_'; else
/// illegal bytes become
/// '_' and a hash is added.
std::string wire_tool_name(std::string_view name, bool letter_first);

/// Some gateways hide a thought signature in the id ("call_x__thought__<base64>",
/// "call_x_ts_<base64>").
struct SplitId {
  std::string_view id;
  std::string_view signature;  // empty: none was hidden
};
SplitId split_embedded_signature(std::string_view id);

}  // namespace turnpike::dialect
