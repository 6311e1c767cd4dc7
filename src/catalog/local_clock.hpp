// What the clocks of an IANA zone show, for prices that a provider states in its own local time.
// Immutable; any thread may ask. cctz itself is included in local_clock.cpp only.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "turnpike/clock.hpp"

namespace turnpike::catalog {

/// Minutes of a day, [begin, end); end is at most 1440.
struct MinuteRange {
  int begin = 0;
  int end = 0;
};

/// A day of a zone's calendar and the minute that its clocks show.
struct LocalMinute {
  std::chrono::sys_days day;  // the calendar date, whatever the zone
  int minute = 0;
};

class LocalClock {
 public:
  virtual ~LocalClock() = default;
  [[nodiscard]] virtual LocalMinute read(Instant instant) const = 0;
  /// The first instant after `instant` at which the zone's clocks show midnight or an end of one of
  /// the ranges, or at which they jump: between two such instants nothing that read() tells can
  /// enter or leave a range, or change its day.
  [[nodiscard]] virtual Instant next_edge(Instant instant,
                                          std::span<const MinuteRange> ranges) const = 0;
};

/// Null if the system's time zone database does not have the zone. "UTC" needs no database.
std::shared_ptr<const LocalClock> local_clock(const std::string& zone);

}  // namespace turnpike::catalog
