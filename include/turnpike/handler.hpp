// What the HTTP server asks of whoever answers: the gateway on the data port, the admin pages on theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"
#include "turnpike/stream.hpp"
#include "turnpike/task.hpp"

namespace turnpike {

/// A syntactically strict request head (the framing rules have been enforced before this exists).
struct RequestHead {
  std::string method;
  std::string target;   // as sent: path and query
  std::string path;     // target without query, not percent-decoded
  std::string query;    // without '?'
  HeaderList headers;   // lower-case names, in order, values trimmed
  std::string peer;     // address of the client, for logs
  bool upgrade = false;  // the client asks for an upgrade (Connection: upgrade)

  /// First value of a header; nullopt if absent. `name` in lower case.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
};

struct WholeReply {
  ResponseHead head;
  std::string body;
  bool close = false;  // close the connection afterwards
};

/// What on_head() learned and handle() needs again (the account, the route). Made and read by the handler only.
class Admission {
 public:
  virtual ~Admission() = default;
};

struct ClientRequest {
  RequestHead head;
  std::string body;  // de-chunked; has at least 64 bytes of spare capacity for the JSON parser
  std::shared_ptr<const Admission> admission;
  Monotonic received;  // when the last byte of the request arrived
};

/// Lives on one event loop; the server has one per loop.
class Handler {
 public:
  virtual ~Handler() = default;
  /// Decided on the head alone, before any body is read: either go on (an Admission, may be null) or this answer.
  virtual std::expected<std::shared_ptr<const Admission>, WholeReply> on_head(const RequestHead& head) = 0;
  /// Answers through the sink: reply(), or begin()/write()/finish(). Must complete also when the client leaves.
  virtual asio::awaitable<void> handle(ClientRequest request, ResponseSink& sink) = 0;
  /// For failures the server itself finds (framing, limits, time-outs): the body in the caller's dialect, judged by
  /// the target if it is known ("" if not).
  virtual WholeReply error_reply(std::string_view target, const Error& error) = 0;
};

}  // namespace turnpike
