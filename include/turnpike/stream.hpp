// Bytes on their way through, by callbacks: the pump below the coroutines. All of it belongs to one event loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "turnpike/error.hpp"

namespace turnpike {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

enum class Flow : std::uint8_t { proceed, pause };

/// Receives the body of an upstream response on the loop's own thread, outside any library callback.
class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  /// All bytes that one wake-up brought, never empty. They are consumed in any case; `pause` only stops further ones
  /// until Transfer::resume().
  virtual Flow on_bytes(std::string_view bytes) = 0;
  /// Last call: the body is complete, or why it is not. The transfer may be destroyed from inside.
  virtual void on_end(const Result<void>& outcome) = 0;
};

/// open: go on. full: queued above the bound, wait for on_drained. gone: the client has left, nothing is sent any more.
enum class SinkState : std::uint8_t { open, full, gone };

/// Told about the client's side of a response.
class SinkWatcher {
 public:
  virtual ~SinkWatcher() = default;
  virtual void on_drained() = 0;  // after `full`: the queue is empty again
  virtual void on_gone() = 0;     // once; the sink stays valid and swallows everything
};

struct ResponseHead {
  int status = 200;
  std::string content_type = "application/json";
  HeaderList headers;  // further fields; names and values are already free of CR, LF and NUL
};

/// The client's side of one response. Never blocks; unsent bytes are queued.
class ResponseSink {
 public:
  virtual ~ResponseSink() = default;
  /// A whole response in one go, with Content-Length.
  virtual void reply(const ResponseHead& head, std::string_view body) = 0;
  /// Begins a streamed response. The head leaves together with the first write().
  virtual void begin(const ResponseHead& head) = 0;
  /// One HTTP chunk per call.
  virtual SinkState write(std::string_view bytes) = 0;
  /// The tidy end: last chunk. After a truncated stream call abort() instead.
  virtual void finish() = 0;
  /// write() and finish() at once, where possible in one packet.
  virtual void write_last(std::string_view bytes) {
    write(bytes);
    finish();
  }
  /// Closes the connection without a last chunk, so that the client sees a broken stream.
  virtual void abort() = 0;
  [[nodiscard]] virtual bool head_sent() const = 0;
  [[nodiscard]] virtual bool gone() const = 0;
  /// At most one watcher at a time; nullptr takes it away.
  virtual void watch(SinkWatcher* watcher) = 0;
};

}  // namespace turnpike
