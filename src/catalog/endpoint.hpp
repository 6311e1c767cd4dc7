// Destinations come only from configuration: https, or http where it cannot leave the machine or is
// allowed by name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "catalog/provider_file.hpp"

namespace turnpike {
struct Endpoint;
}

namespace turnpike::catalog {

/// What is wrong with a base URL, or nothing.
std::optional<std::string> base_url_fault(std::string_view url, bool insecure_http_allowed);

/// `base_url` has been checked; a trailing slash is taken off.
std::shared_ptr<const Endpoint> make_endpoint(const std::string& provider, const EndpointSpec& spec,
                                              std::string_view base_url,
                                              const std::optional<std::string>& key);

}  // namespace turnpike::catalog
