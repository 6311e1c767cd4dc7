// Cuts a server-sent event stream into events.
//
//   stream := [BOM] event*        event := line* blank-line
//   line   := (":" comment | field [":" [" "] value]) eol      eol := "\n" | "\r\n" | "\r"
//
// A read may end anywhere: inside a UTF-8 sequence, between '\r' and '\n', inside "data:". The unfinished tail waits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "turnpike/error.hpp"

namespace turnpike::wire {

struct SseEvent {
  std::string_view name;  // value of the last event: line; empty if none
  std::string_view data;  // data: lines joined by '\n'
  std::string_view raw;   // the bytes as they came, blank line included
  bool has_data = false;  // false for events of comments only (keep-alives)
};

/// One per stream. Views are valid during the call-back only. Limits: one event at most `event_bytes_max` (default
/// 8 MiB), exceeding it is an Error with code bad_upstream.
class SseSplitter {
 public:
  explicit SseSplitter(std::size_t event_bytes_max = std::size_t{8} << 20U);
  /// Calls `on_event` for each event completed by `bytes`. Stops and returns false when on_event returns false
  /// or the limit is exceeded (failed() then says so).
  template <typename OnEvent>
  bool feed(std::string_view bytes, OnEvent&& on_event);
  /// End of the body: the unterminated rest as one event, if there is any.
  template <typename OnEvent>
  bool finish(OnEvent&& on_event);
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t held_bytes() const { return tail_.size(); }

 private:
  std::string tail_;
  std::string joined_;
  std::size_t event_bytes_max_;
  bool at_start_ = true;
  bool failed_ = false;
};

}  // namespace turnpike::wire
