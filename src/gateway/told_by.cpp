// What an attempt's error tells of the backend that was asked.

#include <algorithm>
#include <array>

#include "gateway/backends.hpp"

namespace turnpike::gateway {

Told told_by(const Error& error, int status) {
  static constexpr std::array<std::string_view, 6> about_request{"invalid_request_error", "context_length_exceeded", "model_not_found",
                                                                 "conflict",              "request_too_large",       "timeout_total"};
  if (error.origin != Origin::upstream || error.code == "cancelled") return Told::nothing;
  if (error.code == "rate_limit_exceeded") return Told::rate_limited;
  if (error.code == "upstream_quota") return Told::out_of_credit;
  if (error.code == "bad_upstream_output") return Told::unusable;
  if (error.code == "upstream_auth") return status == 403 ? Told::forbidden : Told::refused;
  // 529, or an error event of that name; a 503 says that something is broken, not that it was asked too often.
  if (error.code == "overloaded" && status != 503) return Told::overloaded;
  // The upstream could have closed any kept connection: it says nothing about the next one.
  if (error.code == "kept_connection_closed") return Told::nothing;
  if (std::ranges::find(about_request, error.code) != about_request.end()) return Told::alive;
  return Told::failed;
}

}  // namespace turnpike::gateway
