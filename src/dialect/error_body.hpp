// Turns an Error into the reply that clients of each dialect understand. Source: wire-formats
// specification §8.
#pragma once

#include <string>
#include <string_view>

#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::dialect {

/// Status, JSON body, retry-after and x-should-retry. `decision_id` becomes the request id inside
/// Anthropic bodies. An upstream body kept in the error goes out unmodified.
WholeReply error_reply(Dialect client, const Error& error, std::string_view decision_id = {});

/// The JSON body alone.
std::string error_body(Dialect client, const Error& error, std::string_view decision_id = {});

/// The event that ends a stream which has begun: `data: {"error":{…}}` and its kin, blank line
/// included.
void append_error_event(std::string& out, Dialect client, const Error& error);

}  // namespace turnpike::dialect
