// What a request head must be like before its body is read, beyond HTTP's own rules.
#pragma once

#include "dialect/detect.hpp"
#include "turnpike/error.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::gateway {

/// Known path (404), method (405), no upgrade (426), no key in the query (400), JSON in identity encoding (415), no
/// field that names a host (400).
Result<void> check_head(const dialect::Route& route, const RequestHead& head);

/// The routes whose POST body is a request to a model.
bool takes_body(const dialect::Route& route);
/// Of those, the ones that only ask how many tokens the prompt has.
bool counts_tokens(const dialect::Route& route);
/// The routes that answer without a key.
bool is_public(const dialect::Route& route);

}  // namespace turnpike::gateway
