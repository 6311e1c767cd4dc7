#include "upstream/failures.hpp"

#include <fmt/format.h>

#include <string>
#include <system_error>

namespace turnpike::upstream {

namespace {

enum class Kind : std::uint8_t { dns, connect, tls, closed, bad };

Kind kind_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Kind::dns;
    case CURLE_COULDNT_CONNECT:
      return Kind::connect;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return Kind::tls;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return Kind::closed;
    default:
      return Kind::bad;
  }
}

Error failed(int status, std::string code, std::string message) {
  return upstream_error(status, Retry::next_candidate, std::move(code), std::move(message));
}

double seconds(std::chrono::milliseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}

}  // namespace

Error failure_of(CURLcode code, std::string_view provider, std::string_view detail, long os_errno) {
  switch (kind_of(code)) {
    case Kind::dns:
      return failed(502, "dns_failed",
                    fmt::format("the host of provider '{}' has no address; check base_url and the "
                                "resolver",
                                provider));
    case Kind::connect: {
      const auto reason = os_errno == 0
                              ? std::string{curl_easy_strerror(code)}
                              : std::generic_category().message(static_cast<int>(os_errno));
      return failed(502, "connect_failed",
                    fmt::format("cannot connect to provider '{}' ({}); check base_url and the "
                                "network",
                                provider, reason));
    }
    case Kind::tls: {
      // About a CA file that cannot be read libcurl only says that a callback of ours failed.
      const bool own_words = detail.empty() || code == CURLE_SSL_CACERT_BADFILE;
      return failed(
          502, "tls_failed",
          fmt::format("no secure connection to provider '{}' ({}); check its certificate, "
                      "or ca_file in the provider file",
                      provider, own_words ? curl_easy_strerror(code) : detail));
    }
    case Kind::closed:
      return failed(502, "upstream_closed",
                    fmt::format("provider '{}' closed the connection before its answer was "
                                "complete; try again",
                                provider));
    case Kind::bad:
      break;
  }
  return bad_upstream(provider, curl_easy_strerror(code));
}

Error failure_of(Expiry expiry, std::string_view provider, const Timeouts& timeouts) {
  switch (expiry) {
    case Expiry::connect:
      return failed(504, "timeout_connect",
                    fmt::format("no connection to provider '{}' within its connect time-out; check "
                                "base_url and the network",
                                provider));
    case Expiry::tls:
      return failed(504, "timeout_tls",
                    fmt::format("provider '{}' took the connection and did not finish the TLS handshake "
                                "within {} s; check base_url and the network",
                                provider, seconds(timeouts.tls)));
    case Expiry::response_head:
      return failed(504, "timeout_response_head",
                    fmt::format("provider '{}' did not begin to answer within {} s; raise "
                                "response_head if its models think longer",
                                provider, seconds(timeouts.response_head)));
    case Expiry::idle:
      return failed(504, "timeout_idle",
                    fmt::format("provider '{}' fell silent for {} s in the middle of its answer; "
                                "try again",
                                provider, seconds(timeouts.idle)));
    case Expiry::total:
      break;
  }
  // The whole exchange has had its time; another candidate would need as much again.
  return upstream_error(504, Retry::never, "timeout_total",
                        fmt::format("provider '{}' did not finish within {} s; ask for less output "
                                    "or raise total",
                                    provider, seconds(timeouts.total)));
}

Error kept_connection_closed(std::string_view provider) {
  return failed(502, "kept_connection_closed",
                fmt::format("provider '{}' closed a kept connection as a request was sent on it; try again",
                            provider));
}

Error bad_upstream(std::string_view provider, std::string_view fault) {
  return failed(
      502, "bad_upstream",
      fmt::format("provider '{}' sent an unusable response: {}; check base_url and dialect",
                  provider, fault));
}

Error cancelled(std::string_view provider) {
  return upstream_error(499, Retry::never, "cancelled",
                        fmt::format("the call to provider '{}' was called off", provider));
}

}  // namespace turnpike::upstream
