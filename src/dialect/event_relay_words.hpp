// What a relay has to know of each dialect's events beside what its decoder reads: the few bytes
// that the gateway itself adds to a stream that is otherwise passed on as it came.
//
// Sources: wire-formats specification §1.3-1.5, §10; client notes §5, §7.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"
#include "wire/sse_splitter.hpp"

namespace turnpike::dialect {

/// Appends the event as the client gets it: its own bytes, but
/// - an end of the body before the blank line is completed, and
/// - on the Gemini wire U+2028 and U+2029 are escaped and comments left out: Google's SDK stops at
///   both.
void append_event(std::string& out, Dialect dialect, const wire::SseEvent& event);

/// A valid event with which the provider itself ends the answer in failure: Messages and Responses
/// `error`, `response.failed`, Gemini's error object or a finish reason that is none.
/// `refused_output`: the decoder understood the event and refused what the model made.
bool is_providers_failure(Dialect dialect, const wire::SseEvent& event, bool refused_output);

/// A valid event that begins a block of a kind that no decoder reads (server tools and the like),
/// which clients show all the same. `unread`: the decoder found nothing in it.
bool begins_foreign_block(Dialect dialect, const wire::SseEvent& event, bool unread);

/// The type that an event goes by: its name, else the "type" of its JSON, which must be valid.
std::string event_type(const wire::SseEvent& event);

/// The "sequence_number" of a Responses event; -1 if it has none.
std::int64_t sequence_number(std::string_view data);

/// The harmless event. For Responses the vendor's own `keepalive`, which Codex counts as life and
/// SDKs let pass; it bears the number of the last event again, so that whoever resumes a stream
/// after that number misses nothing. Before the first event (`last_number` < 0) a comment: SDKs
/// insist that response.created comes first.
void append_relay_heartbeat(std::string& out, Dialect dialect, std::int64_t last_number);

/// `response.failed`, under the number after `last_number`; with the `error` event before it unless
/// the provider has sent one. `response_id` may be empty.
struct ResponsesEnd {
  std::string_view response_id;
  std::int64_t last_number = -1;
  bool error_sent = false;
};
void append_responses_end(std::string& out, const Error& error, const ResponsesEnd& end);

}  // namespace turnpike::dialect
