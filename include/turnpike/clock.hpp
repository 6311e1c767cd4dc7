// Time as a parameter. Only core/clock.cpp asks the operating system; everything else is given a Clock.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "turnpike/error.hpp"

namespace turnpike {

/// Wall-clock instant in UTC, microseconds since the Unix epoch. Used for prices, windows and records.
using Instant = std::chrono::sys_time<std::chrono::microseconds>;
/// Monotonic time, for measuring and time-outs only.
using Monotonic = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// Any thread may ask.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;
  [[nodiscard]] virtual Monotonic monotonic() const = 0;
};

/// The operating system's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override;
  [[nodiscard]] Monotonic monotonic() const override;
};

/// "2026-11-22T16:00:00Z" (microseconds appear when not zero).
std::string to_rfc3339(Instant instant);
/// Reads "2026-11-22" (midnight UTC) or an RFC 3339 timestamp with "Z" or an offset.
Result<Instant> parse_instant(std::string_view text);

}  // namespace turnpike
