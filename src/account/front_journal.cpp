#include "account/front_journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace turnpike::account {

namespace {

constexpr std::size_t head_bytes = 8;

std::filesystem::path segment(const std::filesystem::path& directory, std::size_t index) {
  return directory / fmt::format("journal.front.{}", index);
}

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
}

/// Splits a segment into entries (chain values as stored, not yet checked); returns the bytes that
/// are no record.
std::int64_t split(std::string_view bytes, std::vector<Entry>& entries) {
  while (bytes.size() >= head_bytes) {
    const auto length = read_u32(bytes);
    if (length > bytes.size() - head_bytes) break;
    auto entry = decode(bytes.substr(head_bytes, length));
    if (!entry) break;
    entry->chain = read_u32(bytes.substr(4));
    entries.push_back(*std::move(entry));
    bytes.remove_prefix(head_bytes + length);
  }
  return static_cast<std::int64_t>(bytes.size());
}

std::int64_t record_bytes(const Entry& entry) {
  std::string bytes;
  encode(entry, bytes);
  return static_cast<std::int64_t>(bytes.size() + head_bytes);
}

}  // namespace

FrontJournal::~FrontJournal() { close_files(); }

void FrontJournal::close_files() {
  for (int& file : files_) {
    if (file >= 0) ::close(file);
    file = -1;
  }
}

FrontJournal::Found FrontJournal::read(const std::filesystem::path& directory, std::int64_t seq,
                                       std::uint32_t chain) {
  Found found;
  std::vector<Entry> entries;
  for (std::size_t index = 0; index < 2; ++index) {
    found.torn_bytes += split(contents(segment(directory, index)), entries);
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.seq < b.seq; });
  bool intact = true;
  for (auto& entry : entries) {
    if (entry.seq <= seq && intact) continue;  // SQLite has it
    intact = intact && entry.seq == seq + 1 && entry.chain == chain_of(entry, chain);
    if (!intact) {
      found.torn_bytes += record_bytes(entry);
      if (entry.seq <= seq) continue;
      if (found.dropped_first == 0) found.dropped_first = entry.seq;
      found.dropped_last = entry.seq;
      continue;
    }
    seq = entry.seq;
    chain = entry.chain;
    found.entries.push_back(std::move(entry));
  }
  return found;
}

Result<void> FrontJournal::open(const std::filesystem::path& directory) {
  directory_ = directory;
  for (std::size_t index = 0; index < 2; ++index) {
    const auto path = segment(directory, index);
    files_[index] = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    struct stat status{};
    if (files_[index] < 0 || ::fstat(files_[index], &status) != 0) {
      return std::unexpected{
          gateway_error(503, "store_read_only",
                        fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)))};
    }
    bytes_[index] = status.st_size;
  }
  return {};
}

int FrontJournal::append(const Entry& entry) {
  record_.assign(head_bytes, '\0');
  encode(entry, record_);
  const auto length = static_cast<std::uint32_t>(record_.size() - head_bytes);
  std::memcpy(record_.data(), &length, sizeof length);
  std::memcpy(record_.data() + 4, &entry.chain, sizeof entry.chain);
  const int file = files_[active_];
  ssize_t written = 0;
  do {
    written = ::write(file, record_.data(), record_.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(record_.size())) {
    bytes_[active_] += written;
    last_seq_[active_] = entry.seq;
    return 0;
  }
  if (written < 0) return errno;
  // A part of a record would hide everything behind it. A regular file takes only a part where the
  // space ends.
  return ::ftruncate(file, bytes_[active_]) == 0 ? ENOSPC : EIO;
}

bool FrontJournal::reset() {
  for (std::size_t index = 0; index < 2; ++index) {
    if (::ftruncate(files_[index], 0) != 0) return false;
    bytes_[index] = 0;
    last_seq_[index] = 0;
  }
  return true;
}

bool FrontJournal::renew() {
  close_files();
  if (!open(directory_) || !reset()) return false;
  const std::array<char, 4096> block{};
  return ::write(files_[active_], block.data(), block.size()) ==
             static_cast<ssize_t>(block.size()) &&
         reset();
}

bool FrontJournal::resting_done(std::int64_t durable) const {
  return bytes_[1 - active_] > 0 && last_seq_[1 - active_] <= durable;
}

void FrontJournal::truncate_resting() {
  // A failure leaves old entries in the file: they are skipped when read, because SQLite has them.
  [[maybe_unused]] const int ignored = ::ftruncate(files_[1 - active_], 0);
}

void FrontJournal::turn(std::int64_t bytes_max) {
  if (bytes_[active_] >= bytes_max && bytes_[1 - active_] == 0) active_ = 1 - active_;
}

}  // namespace turnpike::account
