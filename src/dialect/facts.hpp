// What a request body tells before anything is decided: step kind, last question, trace counters,
// needs, sizes.
//
// Pure: one walk over the parsed document, bounded scans of the last question (64 KiB) and of the
// last six tool results (2 KiB, then 768 bytes each); all else is counted, not read. Any thread.
#pragma once

#include <string_view>

#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/handler.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

/// `client` is the dialect of the route. Assumes a document that passed the request rules, yet tolerates null
/// everywhere; a field that is read here and has the wrong type is 400 wrong_type with its JSON
/// path. `head` gives the session and step headers.
/// body_bytes is the Content-Length, or text_bytes without one: a caller that knows the body's size
/// sets it. Prompt hashes are comparable among calls with the same `hash_key`, which no client may know: whoever could
/// make two texts of one hash could have a long prompt taken for a known one.
Result<RequestFacts> read_facts(Dialect client, const wire::JsonDocument& document,
                                const RequestHead& head, std::uint64_t hash_key = 0);

/// Facts of a bare prompt, as if it were the only message of a chat request without tools.
RequestFacts facts_of_text(std::string_view text);

}  // namespace turnpike::dialect
