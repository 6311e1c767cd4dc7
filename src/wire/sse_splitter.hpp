// Cuts a server-sent event stream into events.
//
//   stream := [BOM] event*        event := line* blank-line
//   line   := (":" comment | field [":" [" "] value]) eol      eol := "\n" | "\r\n" | "\r"
//
// A read may end anywhere: inside a UTF-8 sequence, between '\r' and '\n', inside "data:". The
// unfinished tail waits.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace turnpike::wire {

struct SseEvent {
  std::string_view name;  // value of the last event: line; empty if none
  std::string_view data;  // data: lines joined by '\n'
  std::string_view raw;   // the bytes as they came, blank line included; without a byte order mark
  bool has_data = false;  // false for events of comments only (keep-alives)
  bool terminated =
      true;  // false: the body ended before the blank line; only finish() gives such an event
};

/// One per stream, one thread. Views are valid during the call-back only, which must not call
/// feed() again. Blank lines alone are skipped. Limit: one event at most `event_bytes_max` (default
/// 8 MiB, wire-formats §10.4); a longer one fails the splitter for good. A '\r' at the end of a
/// read waits for the next byte, which may be its '\n'.
class SseSplitter {
 public:
  explicit SseSplitter(std::size_t event_bytes_max = std::size_t{8} << 20U)
      : event_bytes_max_(event_bytes_max) {}

  /// Calls `on_event(const SseEvent&) -> bool` for each event completed by `bytes`. Returns false
  /// when on_event does (the rest of the bytes is dropped then) or when the limit is exceeded
  /// (failed() then says so).
  template <typename OnEvent>
  bool feed(std::string_view bytes, OnEvent&& on_event) {
    return feed(bytes, std::forward<OnEvent>(on_event), [](std::string_view) { return 0U; });
  }

  /// The same for a caller that knows some events by sight: before each event
  /// `recognise(rest) -> std::size_t` may take whole events from the front of `rest`, each within
  /// the limit, and says how many bytes they are. They are neither cut nor shown to on_event.
  template <typename OnEvent, typename Recognise>
  bool feed(std::string_view bytes, OnEvent&& on_event, Recognise&& recognise) {
    if (failed_) return false;
    const std::string_view buffer = take_in(bytes);
    SseEvent event;
    while (true) {
      if (!at_start_) skip(recognise(buffer.substr(event_begin_)));
      if (!next(buffer, event, false)) return keep_rest(buffer);
      if (on_event(event)) continue;
      reset();
      return false;
    }
  }

  /// End of the body: what feed() held back, the unterminated rest as one event with terminated =
  /// false.
  template <typename OnEvent>
  bool finish(OnEvent&& on_event) {
    if (failed_) return false;
    const std::string rest = std::move(tail_);
    SseEvent event;
    bool wanted = true;
    while (wanted && next(rest, event, true)) wanted = on_event(event);
    if (wanted && take_unterminated(rest, event)) wanted = on_event(event);
    reset();
    return wanted;
  }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t held_bytes() const { return tail_.size(); }

 private:
  std::string_view take_in(std::string_view bytes);
  void skip(std::size_t recognised) {
    if (recognised == 0) return;
    event_begin_ += recognised;
    line_begin_ = scanned_ = line_feed_ = event_begin_;
  }
  bool next(std::string_view buffer, SseEvent& event, bool at_end);
  bool take_unterminated(std::string_view buffer, SseEvent& event);
  std::size_t find_line_end(std::string_view buffer);
  void parse(std::string_view raw, SseEvent& event);
  void parse_line(std::string_view line, SseEvent& event);
  bool keep_rest(std::string_view buffer);
  void reset();

  std::string tail_;    // begins with the unfinished event
  std::string joined_;  // data of an event with several data: lines
  std::size_t event_bytes_max_;
  // Offsets into the buffer under way.
  std::size_t event_begin_ = 0;
  std::size_t line_begin_ = 0;
  std::size_t scanned_ = 0;  // no end of line in [line_begin_, scanned_)
  std::size_t line_feed_ =
      0;                  // no '\n' in [scanned_, line_feed_): keeps streams of bare '\r' linear
  bool at_start_ = true;  // a byte order mark may still come
  bool failed_ = false;
};

}  // namespace turnpike::wire
