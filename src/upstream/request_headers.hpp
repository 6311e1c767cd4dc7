// The request head beyond what libcurl writes itself, in libcurl's list form but in two allocations
// instead of two a line.
#pragma once

#include <curl/curl.h>

#include <string>
#include <vector>

#include "turnpike/upstream.hpp"

namespace turnpike::upstream {

/// Fills once, then stays where it is until the transfer is over: libcurl keeps pointers into it.
/// Holds the provider's key for that long, and wipes it at the end.
class RequestHeaders {
 public:
  RequestHeaders() = default;
  RequestHeaders(const RequestHeaders&) = delete;
  RequestHeaders& operator=(const RequestHeaders&) = delete;
  ~RequestHeaders();

  /// Refuses names that are no token and values with control bytes: nothing a client or a
  /// configuration says can add a line to the head.
  Result<void> build(const Endpoint& endpoint, const HeaderList& further);
  [[nodiscard]] curl_slist* list() { return nodes_.empty() ? nullptr : nodes_.data(); }

 private:
  void add(std::string_view name, std::string_view prefix, std::string_view value);
  void link();

  std::string text_;                 // lines, each ended by NUL
  std::vector<std::size_t> starts_;  // of each line in text_
  std::vector<curl_slist> nodes_;
};

}  // namespace turnpike::upstream
