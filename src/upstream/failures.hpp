// What a libcurl result means to the gateway: whose fault, which status, may another candidate be
// tried.
#pragma once

#include <curl/curl.h>

#include <string_view>

#include "turnpike/error.hpp"
#include "upstream/deadlines.hpp"

namespace turnpike::upstream {

/// `detail`: libcurl's own words, used only where they speak of certificates or names, never of
/// response bytes. `os_errno`: of the failed connect; 0 if unknown.
Error failure_of(CURLcode code, std::string_view provider, std::string_view detail, long os_errno);
Error failure_of(Expiry expiry, std::string_view provider, const Timeouts& timeouts);
/// A kept connection died before a response byte came. Whoever sends the request again does so at
/// once, on a fresh connection, as an attempt of its own.
Error kept_connection_closed(std::string_view provider);
/// The upstream answered something that is not a usable HTTP response.
Error bad_upstream(std::string_view provider, std::string_view fault);
Error cancelled(std::string_view provider);

}  // namespace turnpike::upstream
