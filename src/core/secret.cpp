#include "turnpike/secret.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

namespace turnpike {

std::string Secret::fingerprint() const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(value_.data(), value_.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return "????????";
  return fmt::format("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
}

}  // namespace turnpike
