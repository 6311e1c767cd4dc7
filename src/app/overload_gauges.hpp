// What keeps too much work out, as figures for a scrape and as a line in the log.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "app/memory_watch.hpp"
#include "gateway/overload.hpp"
#include "metrics/metrics.hpp"
#include "server/listener.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// Borrows all of it for the life of the metrics.
std::function<void(std::vector<metrics::Gauge>&)> overload_gauges(const gateway::Overload& overload, const MemoryWatch& memory,
                                                                  std::function<server::ListenerFigures()> listener);

/// One line for a stretch in which requests were turned away, not one for each. One thread.
class ShedLog {
 public:
  explicit ShedLog(const gateway::Overload& overload) : overload_(overload) {}
  void on_tick(Monotonic now);

 private:
  static constexpr std::chrono::seconds pause{10};
  const gateway::Overload& overload_;
  std::uint64_t told_ = 0;
  Monotonic told_at_{};
};

}  // namespace turnpike::app
