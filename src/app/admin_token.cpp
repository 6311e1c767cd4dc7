#include "app/admin_token.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <array>
#include <fstream>
#include <string>
#include <utility>

namespace turnpike::app {

Result<Secret> admin_token(const std::filesystem::path& file) {
  std::ifstream existing{file};
  std::string token;
  if (existing >> token && token.size() >= 16) return Secret{std::move(token)};
  std::array<unsigned char, 24> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return std::unexpected{gateway_error(500, "no_randomness", "the operating system gave no random bytes for the admin token")};
  }
  token.clear();
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  const mode_t before = ::umask(0077);
  std::ofstream made{file, std::ios::trunc};
  made << token << '\n';
  made.close();
  ::umask(before);
  if (!made) return std::unexpected{gateway_error(500, "admin_token", fmt::format("{} cannot be written", file.string()))};
  return Secret{std::move(token)};
}

}  // namespace turnpike::app
