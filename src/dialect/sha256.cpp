#include "dialect/sha256.hpp"

#include <openssl/sha.h>

#include <array>
#include <cstdint>

namespace turnpike::dialect {

namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest digest_of(std::string_view text) {
  Digest digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

}  // namespace

std::string sha256_hex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const unsigned byte : digest_of(text)) {
    hex += digits[byte >> 4U];
    hex += digits[byte & 15U];
  }
  return hex;
}

std::string sha256_base64url(std::string_view text) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string encoded;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const unsigned byte : digest_of(text)) {
    bits = (bits << 8U) | byte;
    held += 8;
    while (held >= 6) {
      held -= 6;
      encoded += alphabet[(bits >> held) & 63U];
    }
  }
  if (held > 0) encoded += alphabet[(bits << (6 - held)) & 63U];
  return encoded;
}

}  // namespace turnpike::dialect
