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
/// nullopt; past dates 0. Of several the first counts that is more than nothing: a zero or a fault
/// in one field does not undo what another says.
std::optional<RetryDelay> retry_delay(const HeaderList& headers);

/// `second` if `first` is absent or says not to wait.
std::optional<RetryDelay> first_to_wait(std::optional<RetryDelay> first,
                                        std::optional<RetryDelay> second);

/// "34.4s": the form of Gemini's RetryInfo.
std::optional<RetryDelay> parse_duration(std::string_view text);

}  // namespace turnpike::dialect
