// Instants as people write them on a command line.
#pragma once

#include <string_view>

#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// "2026-11-22", an RFC 3339 instant, or a span back from now: "90m", "24h", "7d", "2w".
Result<Instant> read_when(std::string_view text, Instant now);

}  // namespace turnpike::app
