#include "account/wal_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>

namespace turnpike::account {

namespace {

constexpr std::uint32_t magic = 0x377f0682;  // or one more: the byte order of the checksums

std::uint32_t big_endian(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

std::int64_t wal_bytes_in_use(const std::filesystem::path& database) {
  std::ifstream log{database.string() + "-wal", std::ios::binary | std::ios::ate};
  if (!log) return 0;
  const auto size = static_cast<std::int64_t>(log.tellg());
  std::array<char, 32> header{};
  log.seekg(0);
  const std::int64_t page = log.read(header.data(), header.size()) ? big_endian(&header[8]) : 0;
  if ((big_endian(header.data()) & ~1U) != magic || page < 512) return size;

  std::int64_t frames = 0;
  std::array<char, 24> frame{};
  for (std::int64_t next = 0; wal_bytes_of(next, page) < size; ++next) {
    log.seekg(next == 0 ? 32 : wal_bytes_of(next, page));
    if (!log.read(frame.data(), frame.size())) break;
    const bool same = big_endian(&frame[8]) == big_endian(&header[16]) &&
                      big_endian(&frame[12]) == big_endian(&header[20]);
    if (same) frames = next + 1;
  }
  return std::min(size, wal_bytes_of(frames, page));
}

}  // namespace turnpike::account
