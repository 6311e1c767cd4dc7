#include "catalog/endpoint.hpp"

#include <algorithm>

#include "turnpike/upstream.hpp"

namespace turnpike::catalog {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Names that the resolver cannot send elsewhere: literal loopback addresses and "localhost".
bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

struct Authority {
  std::string_view host;
  bool well_formed = false;
};

Authority split_authority(std::string_view authority) {
  const auto bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const auto host = authority.substr(0, colon);
  const bool port_ok = colon == std::string_view::npos || all_digits(authority.substr(colon + 1));
  const bool host_ok =
      !host.empty() && host != "[]" && authority.find('@') == std::string_view::npos;
  return {host, port_ok && host_ok};
}

std::string_view without_slashes(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return url;
}

/// "" or "/v1": what follows the authority, without a slash at the end.
std::string_view path_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto slash = url.find('/', authority);
  return slash == std::string_view::npos ? std::string_view{} : without_slashes(url.substr(slash));
}

bool lies_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

std::string overridden_base_url(std::string_view main_url, std::string_view own_url,
                                std::string_view main_override) {
  const auto main_path = path_of(main_url);
  const auto own_path = path_of(own_url);
  auto root = without_slashes(main_override);
  if (lies_below(own_path, main_path))
    return std::string{root}.append(own_path.substr(main_path.size()));
  if (path_of(root).ends_with(main_path)) root.remove_suffix(main_path.size());
  return std::string{root}.append(own_path);
}

std::optional<std::string> base_url_fault(std::string_view url, bool insecure_http_allowed) {
  const bool secure = url.starts_with("https://");
  if (!secure && !url.starts_with("http://"))
    return "base_url must begin with https:// (or http:// to loopback)";
  const bool plain_bytes =
      std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!plain_bytes || url.find_first_of("?#\\") != std::string_view::npos)
    return "base_url must not hold blanks, a query or a fragment";
  const auto rest = url.substr(secure ? 8 : 7);
  const auto authority = split_authority(rest.substr(0, rest.find('/')));
  if (!authority.well_formed)
    return "base_url must be scheme://host[:port][/path], without user name";
  if (!secure && !is_loopback(authority.host) && !insecure_http_allowed)
    return "base_url is plain http to another machine; use https, or set insecure_http = true";
  return std::nullopt;
}

std::shared_ptr<const Endpoint> make_endpoint(const Provider& provider, const EndpointSpec& spec,
                                              std::string_view base_url, std::size_t key,
                                              const Secret& secret) {
  auto endpoint = std::make_shared<Endpoint>();
  endpoint->provider = provider.id;
  endpoint->key_id = provider.keys[key].id;
  endpoint->base_url = without_slashes(base_url);
  endpoint->headers = spec.headers;
  if (spec.auth == "bearer") {
    endpoint->auth_header = "Authorization";
    endpoint->auth_prefix = "Bearer ";
  } else if (spec.auth != "none") {
    endpoint->auth_header = spec.auth;
  }
  endpoint->key = secret;
  endpoint->ca_file = spec.ca_file;
  endpoint->version = spec.http2 ? HttpVersion::http2 : HttpVersion::http1;
  auto& timeouts = endpoint->timeouts;
  timeouts.connect = spec.connect.value_or(timeouts.connect);
  timeouts.tls = spec.tls.value_or(timeouts.tls);
  timeouts.response_head = spec.response_head.value_or(timeouts.response_head);
  timeouts.idle = spec.idle.value_or(timeouts.idle);
  timeouts.total = spec.total.value_or(timeouts.total);
  timeouts.first_content = spec.first_content.value_or(timeouts.first_content);
  // Whoever gives one figure means all models, unless they give the other as well.
  timeouts.first_content_reasoning = spec.first_content_reasoning.value_or(
      spec.first_content.value_or(timeouts.first_content_reasoning));
  timeouts.between_content = spec.between_content.value_or(timeouts.between_content);
  return endpoint;
}

}  // namespace turnpike::catalog
