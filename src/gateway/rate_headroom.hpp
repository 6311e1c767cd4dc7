// What a provider's answer tells of its rate limits: the share of the scarcest one that is left, and until when that holds.
// Sources: wire-formats specification §4.1 (Anthropic), and the x-ratelimit-* headers of OpenAI-compatible services.
#pragma once

#include <optional>

#include "turnpike/clock.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::gateway {

struct Headroom {
  float left = 1;   // 0..1, of the scarcest limit
  Instant until{};  // afterwards it says nothing
};

/// nullopt: the headers tell of no limit. A limit's own reset time ends what it says, at most an hour from `now`; without
/// one a minute does.
std::optional<Headroom> headroom_of(const HeaderList& headers, Instant now);

/// The provider has refused for now: nothing is left until it may be asked again, or for 10 s if it does not say.
Headroom exhausted(std::optional<std::int64_t> retry_after_s, Instant now);

}  // namespace turnpike::gateway
