#include "account/pepper.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace turnpike::account {

namespace {

constexpr std::size_t pepper_bytes = 32;

/// Written under another name first: a crash never leaves half a pepper.
bool write_pepper(const std::filesystem::path& path, const std::array<char, pepper_bytes>& bytes) {
  const auto unfinished = path.string() + ".new";
  const int file = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool written =
      ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
      ::fsync(file) == 0;
  return ::close(file) == 0 && written && ::rename(unfinished.c_str(), path.c_str()) == 0;
}

}  // namespace

Result<Secret> load_pepper(const std::filesystem::path& directory) {
  const auto path = directory / "pepper";
  std::array<char, pepper_bytes> bytes{};
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    const auto got = ::read(file, bytes.data(), bytes.size());
    ::close(file);
    if (got != static_cast<ssize_t>(bytes.size())) {
      return std::unexpected{gateway_error(
          503, "store_corrupt",
          fmt::format("{} is shorter than {} bytes; restore it, the keys depend on it",
                      path.string(), pepper_bytes))};
    }
  } else {
    const int fault = errno;
    const bool made = fault == ENOENT &&
                      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                                 static_cast<int>(bytes.size())) == 1 &&
                      write_pepper(path, bytes);
    if (!made) {
      return std::unexpected{gateway_error(
          503, "store_read_only",
          fmt::format("cannot read or make {}: {}", path.string(), std::strerror(fault)))};
    }
  }
  Secret pepper{std::string{bytes.data(), bytes.size()}};
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return pepper;
}

}  // namespace turnpike::account
