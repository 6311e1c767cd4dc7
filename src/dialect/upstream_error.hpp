// Reads a provider's refusal, whatever its shape, into an Error: whose fault it is, whether another
// target may do, and what the client is told. Sources: wire-formats specification §8, reliability
// specification §9.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::dialect {

/// For any response whose status is not 2xx. Header names in lower case. `same_then_next` is for
/// passing faults of the server, `next_candidate` where this target will not do. Codes:
/// context_length_exceeded, invalid_request, not_found, conflict, too_large, upstream_auth,
/// upstream_quota, rate_limited, overloaded, upstream_error, bad_upstream. The body is kept for
/// forwarding when both sides speak one dialect and the fault is the request's.
Error read_upstream_error(const Candidate& candidate, Dialect client, int status,
                          const HeaderList& headers, std::string_view body);

/// When an account that is over its spend limit may spend again, where the refusal's words say so
/// ("You will regain access on 2026-12-01 at 00:00 UTC.").
std::optional<Instant> spends_again_at(std::string_view body);

/// For an error object inside a 200 answer or stream; `type` and `code` are the provider's words,
/// either may be "".
Error classify_stream_error(const Candidate& candidate, std::string_view type,
                            std::string_view code, std::string_view message);

}  // namespace turnpike::dialect
