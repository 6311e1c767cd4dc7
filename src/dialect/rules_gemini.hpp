// The first look at a body of Gemini: the rules of request_rules.hpp in this dialect. Source:
// wire-formats specification §1.5; reliability specification, "JSON input rules".
#pragma once

#include <simdjson.h>

#include <string>

#include "dialect/request_rules.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// `root` is the parsed `body`. Fills of the view: messages: contents (an array, or one object);
/// max_tokens: generationConfig.maxOutputTokens; choices; opaque_state; calls_in_history. model and
/// stream are left to the caller: the path has them. Names count in camelCase and in snake_case.
Result<RequestView> read_gemini_view(const simdjson::dom::object& root, const std::string& body,
                                     const wire::JsonDocument& document);

}  // namespace turnpike::dialect
