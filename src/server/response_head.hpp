// Status line and fields of a response as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "turnpike/stream.hpp"

namespace turnpike::server {

/// How the client finds the end of the body.
enum class ResponseFraming : std::uint8_t { length, chunked, until_close, no_body };

/// What the connection adds to a handler's head.
struct ResponseFrame {
  ResponseFraming framing = ResponseFraming::length;
  std::size_t content_length = 0;    // with framing length
  bool close = false;                // Connection: close
  bool announce_keep_alive = false;  // HTTP/1.0 clients want to be told
};

/// Ends with the empty line. Framing fields of `head` itself, and fields that hold CR, LF or NUL,
/// are left out: a handler's mistake must not split a response.
std::string serialise(const ResponseHead& head, const ResponseFrame& frame);

}  // namespace turnpike::server
