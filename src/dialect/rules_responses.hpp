// The first look at a body of Responses: the rules of request_rules.hpp in this dialect. Source:
// wire-formats specification §1.3; reliability specification, "JSON input rules".
#pragma once

#include <simdjson.h>

#include <string>

#include "dialect/request_rules.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// `root` is the parsed `body`. Fills of the view: messages: the input, array or string;
/// max_tokens: max_output_tokens.
Result<RequestView> read_responses_view(const simdjson::dom::object& root, const std::string& body,
                                        const wire::JsonDocument& document);

}  // namespace turnpike::dialect
