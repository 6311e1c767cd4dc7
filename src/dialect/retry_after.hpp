// How long a provider asks us to wait, in the spellings met. Source: reliability specification §9,
// wire-formats §8.
#pragma once

#include <optional>
#include <string_view>

#include "turnpike/stream.hpp"

namespace turnpike::dialect {

inline constexpr int retry_after_max_s = 3600;

/// Whole seconds in [0, retry_after_max_s], rounded up.
struct RetryDelay {
  int seconds = 0;
};

/// From retry-after-ms, then retry-after (seconds, or an HTTP date if the response has a date of
/// its own to compare it with: no clock is asked). Absent, negative and unreadable values give
/// nullopt; past dates 0.
std::optional<RetryDelay> retry_delay(const HeaderList& headers);

/// "34.4s": the form of Gemini's RetryInfo.
std::optional<RetryDelay> parse_duration(std::string_view text);

}  // namespace turnpike::dialect
