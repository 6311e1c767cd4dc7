// The process's memory against its target, looked at on every tick of the admin loop.
//
// Under pressure the allocator is asked to give back what is free: freed memory that it keeps would count for ever, and
// the gateway would go on refusing. Source: reliability specification, "Overload and slow clients".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "app/limits.hpp"
#include "gateway/overload.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// Level changes at 85 and 95 % of the target on the way up, 5 points lower on the way down.
gateway::MemoryLevel memory_level(std::uint64_t resident, std::uint64_t target, gateway::MemoryLevel before);

/// What `memory_bytes` comes to: 80 % of the cgroup's memory.max for "auto" (sockets' buffers and the page cache count
/// against it, too); 0: no target. `cgroups` is the root of the cgroup file system, `own` the text of /proc/self/cgroup.
std::uint64_t memory_target(const Limits& limits, const std::filesystem::path& cgroups, std::string_view own);
/// The same for this process.
std::uint64_t memory_target(const Limits& limits);

/// One thread, but for the figures.
class MemoryWatch {
 public:
  /// `when_critical` is called on each tick of a critical level.
  MemoryWatch(std::uint64_t target, gateway::Overload& overload, std::function<void()> when_critical);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  void on_tick(Monotonic now);

  [[nodiscard]] std::uint64_t target() const { return target_; }
  /// Resident bytes of the process at this moment; any thread.
  [[nodiscard]] std::uint64_t resident() const;

 private:
  void tell(gateway::MemoryLevel level, std::uint64_t resident) const;

  const std::uint64_t target_;
  gateway::Overload& overload_;
  std::function<void()> when_critical_;
  int statm_ = -1;  // kept open: there may be no descriptor when it is needed most
  Monotonic trimmed_{};
};

}  // namespace turnpike::app
