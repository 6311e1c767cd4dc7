#include "dialect/tool_ids.hpp"

#include <algorithm>

#include "dialect/sha256.hpp"

namespace turnpike::dialect {

namespace {

constexpr std::size_t id_bytes_max = 64;    // the Responses API's limit, the tightest of all
constexpr std::size_t name_bytes_max = 64;  // Chat's limit, so that names survive a way back
constexpr std::size_t signature_bytes_min = 32;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_name_byte(char c) { return is_letter_or_digit(c) || c == '_' || c == '-'; }
bool is_base64_byte(char c) { return is_name_byte(c) || c == '+' || c == '/' || c == '='; }

}  // namespace

std::string made_tool_id(std::string_view seed) {
  return "call_" + sha256_base64url(seed).substr(0, 40);
}

std::string wire_tool_id(std::string_view id) {
  if (!id.empty() && id.size() <= id_bytes_max && std::ranges::all_of(id, is_name_byte))
    return std::string{id};
  return made_tool_id(id);
}

std::string wire_tool_name(std::string_view name, bool letter_first) {
  const bool leads_well =
      !letter_first || (!name.empty() && name[0] != '-' && !(name[0] >= '0' && name[0] <= '9'));
  if (leads_well && !name.empty() && name.size() <= name_bytes_max &&
      std::ranges::all_of(name, is_name_byte)) {
    return std::string{name};
  }
  constexpr std::size_t hash_digits = 8;
  std::string made = leads_well ? "" : "_";
  for (const char c : name.substr(0, name_bytes_max - hash_digits - 2))
    made += is_name_byte(c) ? c : '_';
  return made + "_" + sha256_hex(name).substr(0, hash_digits);
}

SplitId split_embedded_signature(std::string_view id) {
  for (const std::string_view mark : {"__thought__", "_ts_"}) {
    const auto at = id.find(mark);
    if (at == std::string_view::npos || at == 0) continue;
    const auto signature = id.substr(at + mark.size());
    if (signature.size() >= signature_bytes_min && std::ranges::all_of(signature, is_base64_byte)) {
      return {id.substr(0, at), signature};
    }
  }
  return {id, {}};
}

}  // namespace turnpike::dialect
