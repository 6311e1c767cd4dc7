// Calls to providers. The gateway knows this interface; src/upstream implements it with libcurl, tests script it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "turnpike/permit.hpp"
#include "turnpike/secret.hpp"
#include "turnpike/stream.hpp"
#include "turnpike/task.hpp"

namespace turnpike {

/// Every wait has a name and an error code of its own: timeout_connect, timeout_tls, timeout_response_head, timeout_idle and
/// timeout_total are kept by the room upstream; timeout_first_content and timeout_content, which need to know what content
/// is, by the gateway. Source of the figures: reliability specification §9.
struct Timeouts {
  std::chrono::milliseconds connect{3000};         // DNS and TCP together
  std::chrono::milliseconds tls{5000};             // from there to the end of the handshake
  std::chrono::milliseconds response_head{60000};  // from the sent request to the response head
  std::chrono::milliseconds idle{60000};           // between bytes of the body; comments count as bytes
  std::chrono::milliseconds total{600000};
  std::chrono::milliseconds first_content{60000};             // from the head of a stream to its first content event
  std::chrono::milliseconds first_content_reasoning{300000};  // the same, of models that think first
  std::chrono::milliseconds between_content{300000};          // comments and pings are no content
};

enum class HttpVersion : std::uint8_t { http1, http2 };

/// Where to: from configuration only. Outlives the transfers that use it (shared).
struct Endpoint {
  std::string provider;
  std::string key_id;        // which of the provider's keys `key` is
  std::string base_url;      // no trailing slash; https, or http to loopback
  HeaderList headers;        // fixed ones such as anthropic-version
  std::string auth_header;   // "Authorization" or "x-api-key"; empty: none
  std::string auth_prefix;   // "Bearer "
  Secret key;
  std::string ca_file;       // empty: the system's
  HttpVersion version = HttpVersion::http1;
  Timeouts timeouts;
};

/// A paid-for call: there is no way to make one without a permit.
struct UpstreamRequest {
  UpstreamRequest(DispatchPermit granted, std::shared_ptr<const Endpoint> to, std::string url_path,
                  std::string json)
      : permit(std::move(granted)), endpoint(std::move(to)), path(std::move(url_path)), body(std::move(json)) {}
  DispatchPermit permit;
  std::shared_ptr<const Endpoint> endpoint;
  std::string path;      // appended to base_url: "/chat/completions"
  std::string body;      // JSON
  HeaderList headers;    // allow-listed further request headers
  bool stream = false;   // expects SSE; else only connect, tls, idle (after the first byte) and total apply
  bool fresh_connection = false;  // a kept one has just died: this call makes its own
};

struct UpstreamHead {
  int status = 0;
  std::string content_type;
  HeaderList headers;  // lower-case names, allow-listed: request ids, retry-after*, rate-limit figures
};

/// One call under way. Destroying it aborts the call and closes its connection. One event loop.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// The response head, or why there is none. Await once.
  virtual Task<UpstreamHead> head() = 0;
  /// After head(): delivers what has been buffered and all that follows. The receiver must outlive the transfer
  /// or its on_end. Delivery may begin inside this call.
  virtual void receive(BodyReceiver& receiver) = 0;
  /// After Flow::pause.
  virtual void resume() = 0;
  /// Ends the call early: head() or on_end() get Error{code "cancelled"}, from the event loop, not from inside.
  virtual void cancel() = 0;
  /// True once the whole request has been handed to the kernel.
  [[nodiscard]] virtual bool fully_sent() const = 0;
};

/// One per event loop.
class Upstream {
 public:
  virtual ~Upstream() = default;
  virtual std::unique_ptr<Transfer> send(UpstreamRequest request) = 0;
};

}  // namespace turnpike
