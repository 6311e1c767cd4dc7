// The first look at a body of Anthropic Messages: the rules of request_rules.hpp in this dialect.
// Source: wire-formats specification §1.4; reliability specification, "JSON input rules".
#pragma once

#include <simdjson.h>

#include <string>

#include "dialect/request_rules.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// `root` is the parsed `body`. Fills of the view: messages: the messages array; max_tokens;
/// thinking. A missing max_tokens is left to read_view(), which knows the purpose.
Result<RequestView> read_anthropic_view(const simdjson::dom::object& root, const std::string& body,
                                        const wire::JsonDocument& document);

}  // namespace turnpike::dialect
