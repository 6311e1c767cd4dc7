// Admin pages about the providers' keys: which are in service, which rest, how each model does with
// them.
//
//   GET   /admin/upstream            all keys
//   POST  /admin/upstream/keys       {provider, key?, enabled, by?}: in or out of service, without
//   a key all of the provider's
#pragma once

#include <string>

#include "app/page_sources.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

WholeReply upstream_page(const PageSources& sources);
WholeReply upstream_key_page(const PageSources& sources, const std::string& body);

}  // namespace turnpike::app
