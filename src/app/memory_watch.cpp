#include "app/memory_watch.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

using gateway::MemoryLevel;

/// The whole number at the begin of a file; 0 for "max" and for a file that is not there.
std::uint64_t number_in(const std::filesystem::path& file) {
  std::ifstream stream{file};
  std::uint64_t number = 0;
  return stream >> number ? number : 0;
}

/// "0::/system.slice/turnpike.service": the unified hierarchy's line.
std::string_view unified_path(std::string_view own) {
  constexpr std::string_view mark = "0::";
  while (!own.empty()) {
    const auto end = own.find('\n');
    const auto line = own.substr(0, end);
    if (line.starts_with(mark)) return line.substr(mark.size());
    own.remove_prefix(end == std::string_view::npos ? own.size() : end + 1);
  }
  return {};
}

}  // namespace

MemoryLevel memory_level(std::uint64_t resident, std::uint64_t target, MemoryLevel before) {
  constexpr std::uint64_t tight = 85;
  constexpr std::uint64_t critical = 95;
  constexpr std::uint64_t slack = 5;
  if (target == 0) return MemoryLevel::normal;
  const std::uint64_t percent = resident / std::max<std::uint64_t>(1, target / 100);
  if (percent >= critical - (before == MemoryLevel::critical ? slack : 0)) return MemoryLevel::critical;
  if (percent >= tight - (before != MemoryLevel::normal ? slack : 0)) return MemoryLevel::tight;
  return MemoryLevel::normal;
}

/// The smallest limit on the way from the process's group up to the root.
std::uint64_t memory_target(const Limits& limits, const std::filesystem::path& cgroups, std::string_view own) {
  if (limits.memory == Limits::Memory::off) return 0;
  if (limits.memory == Limits::Memory::bytes) return limits.memory_bytes;
  std::uint64_t least = 0;
  std::filesystem::path group = unified_path(own);
  for (;;) {
    const std::uint64_t limit = number_in(cgroups / group.relative_path() / "memory.max");
    if (limit > 0 && (least == 0 || limit < least)) least = limit;
    if (group.empty() || group == group.parent_path()) break;
    group = group.parent_path();
  }
  constexpr std::uint64_t share = 80;
  return least / 100 * share;
}

std::uint64_t memory_target(const Limits& limits) {
  std::ifstream stream{"/proc/self/cgroup"};
  const std::string own{std::istreambuf_iterator<char>{stream}, {}};
  return memory_target(limits, "/sys/fs/cgroup", own);
}

MemoryWatch::MemoryWatch(std::uint64_t target, gateway::Overload& overload, std::function<void()> when_critical)
    : target_(target), overload_(overload), when_critical_(std::move(when_critical)), statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {}

MemoryWatch::~MemoryWatch() {
  if (statm_ >= 0) ::close(statm_);
}

std::uint64_t MemoryWatch::resident() const {
  std::array<char, 128> text{};
  const auto got = ::pread(statm_, text.data(), text.size(), 0);
  if (got <= 0) return 0;
  const char* begin = text.data();
  const char* end = begin + got;
  const char* second = std::find(begin, end, ' ');  // "size resident shared …", in pages
  if (second == end) return 0;
  std::uint64_t pages = 0;
  std::from_chars(second + 1, end, pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void MemoryWatch::on_tick(Monotonic now) {
  if (target_ == 0) return;
  const std::uint64_t used = resident();
  const MemoryLevel before = overload_.memory.load(std::memory_order_relaxed);
  const MemoryLevel level = memory_level(used, target_, before);
  if (level != before) {
    overload_.memory.store(level, std::memory_order_relaxed);
    tell(level, used);
  }
  if (level == MemoryLevel::normal) return;
  if (level == MemoryLevel::critical) when_critical_();
  constexpr std::chrono::seconds trim_pause{2};  // it locks each heap in turn for a moment
  if (now - trimmed_ < trim_pause) return;
  trimmed_ = now;
  ::malloc_trim(0);
}

void MemoryWatch::tell(MemoryLevel level, std::uint64_t used) const {
  log(level == MemoryLevel::normal ? LogLevel::info : LogLevel::warn, "memory_level",
      {{"memory", to_string(level)},
       {"resident_bytes", static_cast<std::int64_t>(used)},
       {"target_bytes", static_cast<std::int64_t>(target_)}});
}

}  // namespace turnpike::app
