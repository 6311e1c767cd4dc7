// From a raw head that HttpGuard has passed to the RequestHead that handlers read. Beast's parser
// does the work.
#pragma once

#include <string>
#include <string_view>

#include "server/http_guard.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::server {

/// `raw` is the complete head; `facts` are the guard's, on the same bytes. An Error (400) if Beast
/// reads it otherwise.
Result<RequestHead> parse_head(std::string_view raw, const HeadFacts& facts,
                               const std::string& peer);

}  // namespace turnpike::server
