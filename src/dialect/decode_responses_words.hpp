// Counters and errors in the words of the Responses dialect. Source: wire-formats specification
// §1.3, §7, §8.
#pragma once

#include "dialect/json_reading.hpp"
#include "dialect/stream_event.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// The `usage` object: cached tokens are part of the input, reasoning is part of the output.
UsageReport read_responses_usage(const JsonObject& usage);

/// For the error of an `error` event, a failed response or an error object instead of an answer.
Error classify_responses_error(const Candidate& candidate, const ProviderError& error);

}  // namespace turnpike::dialect
