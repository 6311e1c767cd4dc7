#include "support/fault_disk.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace turnpike::testing::fault_disk {

namespace {

/// The C library's own function of this name.
template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

struct Change {  // not fsynced yet
  std::int64_t offset = 0;
  std::string bytes;
  bool truncates = false;  // to `offset`
};

struct File {
  std::string durable;
  std::vector<Change> pending;
};
using FilePointer = std::shared_ptr<File>;

struct Fault {
  std::string suffix;
  int count = 0;
  int error = 0;
};

struct Descriptor {
  std::string name;  // in the directory; empty: the directory itself
  FilePointer file;  // null for the directory
  bool appends = false;
  bool old = false;  // was open when an fsync failed
};

struct State {
  std::mutex mutex;
  std::string directory;
  std::map<std::string, FilePointer> names;          // as the running system sees them
  std::map<std::string, FilePointer> durable_names;  // as the disk does
  std::map<int, Descriptor> descriptors;
  std::int64_t free = -1;
  Fault fsync_fault;
  Fault write_fault;
  std::int64_t failed_fsyncs = 0;
  std::int64_t writes_on_old_handles = 0;
};

// Never destroyed: files are closed until the very end of the process.
State& state() {
  static auto* made = new State;
  return *made;
}

// Descriptors of the directory, so that all others pass without the mutex.
std::array<std::atomic<bool>, 65536> watched{};

bool is_watched(int descriptor) {
  return descriptor >= 0 && static_cast<std::size_t>(descriptor) < watched.size() &&
         watched[static_cast<std::size_t>(descriptor)].load(std::memory_order_acquire);
}

std::int64_t size_of(int descriptor) {
  struct stat status{};
  return ::fstat(descriptor, &status) == 0 ? status.st_size : 0;
}

bool strikes(Fault& fault, const std::string& name) {
  if (fault.count <= 0 || !name.ends_with(fault.suffix)) return false;
  --fault.count;
  errno = fault.error;
  return true;
}

/// A database and the files beside it: `ledger.sqlite`, `ledger.sqlite-wal`.
bool same_store(std::string_view a, std::string_view b) {
  return a.substr(0, a.find('-')) == b.substr(0, b.find('-'));
}

/// Whether a file may grow by so much; takes it off the free space.
bool take(State& disk, std::int64_t bytes) {
  if (disk.free < 0 || bytes <= 0) return true;
  if (bytes > disk.free) {
    errno = ENOSPC;
    return false;
  }
  disk.free -= bytes;
  return true;
}

void give_back(State& disk, std::int64_t bytes) {
  if (disk.free >= 0 && bytes > 0) disk.free += bytes;
}

void apply(const Change& change, std::string& bytes) {
  const auto offset = static_cast<std::size_t>(change.offset);
  if (change.truncates) {
    bytes.resize(offset);
    return;
  }
  if (bytes.size() < offset + change.bytes.size()) bytes.resize(offset + change.bytes.size());
  bytes.replace(offset, change.bytes.size(), change.bytes);
}

/// The name inside the watched directory; nothing for any other path.
std::string name_in(const State& disk, std::string_view path) {
  if (disk.directory.empty() || !path.starts_with(disk.directory)) return {};
  path.remove_prefix(disk.directory.size());
  if (path.size() < 2 || path.front() != '/') return {};
  path.remove_prefix(1);
  return path.find('/') == std::string_view::npos ? std::string{path} : std::string{};
}

int open_watched(const char* path, int flags, mode_t mode) {
  static auto* const open_file = real<int(const char*, int, ...)>("open");
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  const auto name = name_in(disk, path);
  const bool whole = !disk.directory.empty() && path == disk.directory;
  const int descriptor = open_file(path, flags, mode);
  if (descriptor < 0 || (name.empty() && !whole)) return descriptor;
  Descriptor opened{name, nullptr, (flags & O_APPEND) != 0, false};
  if (!whole) {
    auto& file = disk.names[name];
    if (!file) file = std::make_shared<File>();
    if ((flags & O_TRUNC) != 0) file->pending.push_back({0, {}, true});
    opened.file = file;
  }
  disk.descriptors[descriptor] = std::move(opened);
  if (static_cast<std::size_t>(descriptor) < watched.size()) {
    watched[static_cast<std::size_t>(descriptor)].store(true, std::memory_order_release);
  }
  return descriptor;
}

/// A write at `offset`, or at the end for files that append; `go` is the real one.
template <typename Go>
ssize_t write_watched(int descriptor, const void* data, std::size_t count, std::int64_t offset,
                      Go go) {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  const auto found = disk.descriptors.find(descriptor);
  if (found == disk.descriptors.end() || !found->second.file) return go();
  auto& target = found->second;
  if (strikes(disk.write_fault, target.name)) return -1;
  const auto size = size_of(descriptor);
  if (target.appends) offset = size;
  if (!take(disk, offset + static_cast<std::int64_t>(count) - size)) return -1;
  const auto written = go();
  if (written <= 0) return written;
  if (target.old) ++disk.writes_on_old_handles;
  target.file->pending.push_back(
      {offset, {static_cast<const char*>(data), static_cast<std::size_t>(written)}, false});
  return written;
}

int sync_watched(int descriptor) {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  const auto found = disk.descriptors.find(descriptor);
  if (found == disk.descriptors.end()) return 0;
  auto& target = found->second;
  if (!target.file) {
    disk.durable_names = disk.names;
    return 0;
  }
  if (strikes(disk.fsync_fault, target.name)) {
    const int fault = errno;
    target.file->pending.clear();  // clean pages that no disk has seen
    ++disk.failed_fsyncs;
    disk.writes_on_old_handles = 0;
    for (auto& [number, open] : disk.descriptors) open.old = same_store(open.name, target.name);
    errno = fault;
    return -1;
  }
  for (const auto& change : target.file->pending) apply(change, target.file->durable);
  target.file->pending.clear();
  return 0;
}

int truncate_watched(int descriptor, std::int64_t length) {
  static auto* const truncate_file = real<int(int, off_t)>("ftruncate");
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  const auto before = size_of(descriptor);
  const int done = truncate_file(descriptor, length);
  const auto found = disk.descriptors.find(descriptor);
  if (done != 0 || found == disk.descriptors.end() || !found->second.file) return done;
  give_back(disk, before - length);
  found->second.file->pending.push_back({length, {}, true});
  return done;
}

/// Keeps a random part of what was not fsynced: nothing, all, the beginning, or any pages of it,
/// the last of them perhaps torn at a sector.
std::string image_of(const File& file, std::mt19937_64& random) {
  constexpr std::int64_t page = 4096;
  constexpr std::int64_t sector = 512;
  std::string bytes = file.durable;
  const auto mode = random() % 4;
  const auto kept = mode == 0   ? 0
                    : mode == 1 ? file.pending.size()
                                : random() % (file.pending.size() + 1);
  if (mode < 3) {
    for (std::size_t i = 0; i < kept; ++i) apply(file.pending[i], bytes);
    return bytes;
  }
  for (const auto& change : file.pending) {
    if (change.truncates) {
      if (random() % 2 == 0) apply(change, bytes);
      continue;
    }
    const auto length = static_cast<std::int64_t>(change.bytes.size());
    for (std::int64_t at = 0; at < length;) {
      const auto to_page_end = page - (change.offset + at) % page;
      const auto piece = std::min(length - at, to_page_end);
      const bool torn = random() % 8 == 0;
      const auto length_kept =
          torn ? std::min(piece, static_cast<std::int64_t>(random() % 8) * sector) : piece;
      if (random() % 2 == 0 && length_kept > 0) {
        apply({change.offset + at,
               change.bytes.substr(static_cast<std::size_t>(at),
                                   static_cast<std::size_t>(length_kept)),
               false},
              bytes);
      }
      at += piece;
    }
  }
  return bytes;
}

}  // namespace

void watch(const std::filesystem::path& directory) {
  unwatch();
  auto& disk = state();
  std::map<std::string, FilePointer> found;
  for (const auto& item : std::filesystem::directory_iterator{directory}) {
    std::ifstream stream{item.path(), std::ios::binary};
    auto file = std::make_shared<File>();
    file->durable.assign(std::istreambuf_iterator<char>{stream}, {});
    found.emplace(item.path().filename().string(), std::move(file));
  }
  const std::lock_guard lock{disk.mutex};
  disk.names = found;
  disk.durable_names = std::move(found);
  disk.directory = directory.string();
}

void unwatch() {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  for (const auto& item : disk.descriptors) {
    if (static_cast<std::size_t>(item.first) < watched.size()) {
      watched[static_cast<std::size_t>(item.first)].store(false, std::memory_order_release);
    }
  }
  disk.descriptors.clear();
  disk.names.clear();
  disk.durable_names.clear();
  disk.directory.clear();
  disk.free = -1;
  disk.fsync_fault = {};
  disk.write_fault = {};
  disk.failed_fsyncs = 0;
  disk.writes_on_old_handles = 0;
}

void set_free(std::int64_t bytes) {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  disk.free = bytes;
}

void fail_fsync(const std::string& suffix, int count, int fault) {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  disk.fsync_fault = {suffix, count, fault};
}

void fail_write(const std::string& suffix, int count, int fault) {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  disk.write_fault = {suffix, count, fault};
}

std::int64_t failed_fsyncs() {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  return disk.failed_fsyncs;
}

std::int64_t writes_on_old_handles() {
  auto& disk = state();
  const std::lock_guard lock{disk.mutex};
  return disk.writes_on_old_handles;
}

void lose_power(const std::filesystem::path& image, std::mt19937_64& random) {
  std::map<std::string, std::string> left;
  {
    auto& disk = state();
    const std::lock_guard lock{disk.mutex};
    std::set<std::string> all;
    for (const auto& item : disk.names) all.insert(item.first);
    for (const auto& item : disk.durable_names) all.insert(item.first);
    for (const auto& name : all) {
      const auto& names = random() % 2 == 0 ? disk.names : disk.durable_names;
      const auto found = names.find(name);
      if (found != names.end()) left.emplace(name, image_of(*found->second, random));
    }
  }
  std::filesystem::remove_all(image);
  std::filesystem::create_directories(image);
  for (const auto& [name, bytes] : left) {
    std::ofstream file{image / name, std::ios::binary};
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
}

}  // namespace turnpike::testing::fault_disk

// --- The C library's names.

namespace fault = turnpike::testing::fault_disk;

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode =
      (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(rest, unsigned)) : mode_t{0};
  va_end(rest);
  return fault::open_watched(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode =
      (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(rest, unsigned)) : mode_t{0};
  va_end(rest);
  return fault::open_watched(path, flags, mode);
}

int close(int descriptor) {
  static auto* const go = fault::real<int(int)>("close");
  if (fault::is_watched(descriptor)) {
    auto& disk = fault::state();
    const std::lock_guard lock{disk.mutex};
    fault::watched[static_cast<std::size_t>(descriptor)].store(false, std::memory_order_release);
    disk.descriptors.erase(descriptor);
    return go(descriptor);
  }
  return go(descriptor);
}

ssize_t write(int descriptor, const void* data, std::size_t count) {
  static auto* const go = fault::real<ssize_t(int, const void*, std::size_t)>("write");
  if (!fault::is_watched(descriptor)) return go(descriptor, data, count);
  return fault::write_watched(descriptor, data, count, ::lseek(descriptor, 0, SEEK_CUR),
                              [&] { return go(descriptor, data, count); });
}

ssize_t pwrite64(int descriptor, const void* data, std::size_t count, off64_t offset) {
  static auto* const go = fault::real<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
  if (!fault::is_watched(descriptor)) return go(descriptor, data, count, offset);
  return fault::write_watched(descriptor, data, count, offset,
                              [&] { return go(descriptor, data, count, offset); });
}

int fsync(int descriptor) {
  static auto* const go = fault::real<int(int)>("fsync");
  return fault::is_watched(descriptor) ? fault::sync_watched(descriptor) : go(descriptor);
}

int fdatasync(int descriptor) {
  static auto* const go = fault::real<int(int)>("fdatasync");
  return fault::is_watched(descriptor) ? fault::sync_watched(descriptor) : go(descriptor);
}

int ftruncate(int descriptor, off_t length) noexcept {
  static auto* const go = fault::real<int(int, off_t)>("ftruncate");
  return fault::is_watched(descriptor) ? fault::truncate_watched(descriptor, length)
                                       : go(descriptor, length);
}

int ftruncate64(int descriptor, off64_t length) noexcept {
  static auto* const go = fault::real<int(int, off64_t)>("ftruncate64");
  return fault::is_watched(descriptor) ? fault::truncate_watched(descriptor, length)
                                       : go(descriptor, length);
}

int posix_fallocate(int descriptor, off_t offset, off_t length) {
  static auto* const go = fault::real<int(int, off_t, off_t)>("posix_fallocate");
  if (!fault::is_watched(descriptor)) return go(descriptor, offset, length);
  auto& disk = fault::state();
  const std::lock_guard lock{disk.mutex};
  if (!fault::take(disk, offset + length - fault::size_of(descriptor))) return ENOSPC;
  return go(descriptor, offset, length);
}

int unlink(const char* path) noexcept {
  static auto* const go = fault::real<int(const char*)>("unlink");
  auto& disk = fault::state();
  const std::lock_guard lock{disk.mutex};
  const auto name = fault::name_in(disk, path);
  struct stat status{};
  const bool sized = !name.empty() && ::stat(path, &status) == 0;
  const int done = go(path);
  if (done == 0 && !name.empty()) {
    disk.names.erase(name);
    if (sized) fault::give_back(disk, status.st_size);
  }
  return done;
}

int rename(const char* from, const char* to) noexcept {
  static auto* const go = fault::real<int(const char*, const char*)>("rename");
  auto& disk = fault::state();
  const std::lock_guard lock{disk.mutex};
  const int done = go(from, to);
  const auto name = fault::name_in(disk, from);
  if (done == 0 && !name.empty()) {
    auto file = disk.names.extract(name);
    if (file) disk.names[fault::name_in(disk, to)] = std::move(file.mapped());
  }
  return done;
}

}  // extern "C"
