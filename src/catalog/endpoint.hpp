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
class Secret;
}

namespace turnpike::catalog {

/// What is wrong with a base URL, or nothing.
std::optional<std::string> base_url_fault(std::string_view url, bool insecure_http_allowed);

/// Where a further endpoint of a provider lies once the main one's base URL has been replaced by
/// `main_override`: the path below the main base URL stays the same. Where the file's URL does not
/// lie below the main one ("/v1" and "/anthropic" side by side), its whole path takes the place of
/// the main one's at the end of the override. The host of the file's URL is not used.
///
///   main https://a, own https://a/anthropic,    override http://s    → http://s/anthropic
///   main https://a/v1, own https://a/anthropic, override http://s/v1 → http://s/anthropic
std::string overridden_base_url(std::string_view main_url, std::string_view own_url,
                                std::string_view main_override);

/// With the credential `secret` of provider.keys[key]. `base_url` has been checked; a trailing slash
/// is taken off.
std::shared_ptr<const Endpoint> make_endpoint(const Provider& provider, const EndpointSpec& spec,
                                              std::string_view base_url, std::size_t key,
                                              const Secret& secret);

}  // namespace turnpike::catalog
