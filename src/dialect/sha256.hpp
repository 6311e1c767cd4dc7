// Deterministic short names: hashes that end up in ids and keys, not in signatures.
#pragma once

#include <string>
#include <string_view>

namespace turnpike::dialect {

/// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view text);
/// 43 characters of base64url without padding.
std::string sha256_base64url(std::string_view text);

}  // namespace turnpike::dialect
