// What an error is called in the Responses dialect, for its events. Sources: wire-formats
// specification §1.3, §8; client notes "Faults".
//
// Codex reads the code of response.failed: insufficient_quota and context_length_exceeded end its
// run, rate_limit_exceeded makes it wait for as long as the text says ("try again in 3s"),
// invalid_prompt is not tried again; server_error, like any word it does not know, is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "turnpike/error.hpp"

namespace turnpike::dialect {

struct ResponsesError {
  std::string_view code;
  std::string_view type;
  std::string message;
};
ResponsesError responses_error(const Error& error);

/// The `error` event. Servers and SDKs disagree whether the error is nested: both shapes in one.
void append_responses_error(std::string& out, const Error& error, std::int64_t sequence_number);

/// The last two events of a stream of which nothing else is known: the `error` event and the failed
/// response, numbered from 0. ResponsesStreamEncoder::fail() continues a stream under way.
void append_responses_failure(std::string& out, const Error& error);

}  // namespace turnpike::dialect
