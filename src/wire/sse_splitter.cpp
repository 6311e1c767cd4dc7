#include "sse_splitter.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace turnpike::wire {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::size_t find_byte(std::string_view text, char wanted, std::size_t from) {
  if (from >= text.size()) return text.size();
  const auto* found =
      static_cast<const char*>(std::memchr(text.data() + from, wanted, text.size() - from));
  return found == nullptr ? text.size() : static_cast<std::size_t>(found - text.data());
}

}  // namespace

/// What is to be scanned now: the new bytes themselves if nothing waits, else the tail with them.
std::string_view SseSplitter::take_in(std::string_view bytes) {
  if (tail_.empty() && !at_start_) return bytes;
  if (!tail_.empty()) {
    tail_ += bytes;
    bytes = tail_;
  }
  if (!at_start_) return bytes;
  if (bytes.size() < byte_order_mark.size() && byte_order_mark.starts_with(bytes)) return bytes;
  at_start_ = false;
  if (bytes.starts_with(byte_order_mark)) {
    event_begin_ = line_begin_ = scanned_ = line_feed_ = byte_order_mark.size();
  }
  return bytes;
}

/// Position of the next '\n' or '\r' at or after scanned_; the buffer's size if there is none.
std::size_t SseSplitter::find_line_end(std::string_view buffer) {
  if (line_feed_ < scanned_) line_feed_ = scanned_;
  if (line_feed_ < buffer.size() && buffer[line_feed_] != '\n') {
    line_feed_ = find_byte(buffer, '\n', line_feed_);
  }
  return find_byte(buffer.substr(0, line_feed_), '\r', scanned_);
}

bool SseSplitter::next(std::string_view buffer, SseEvent& event, bool at_end) {
  while (true) {
    const std::size_t end = find_line_end(buffer);
    scanned_ = end;
    if (end == buffer.size()) return false;
    std::size_t after = end + 1;
    if (buffer[end] == '\r') {
      if (after == buffer.size() && !at_end) return false;  // its '\n' may still come
      if (after < buffer.size() && buffer[after] == '\n') ++after;
    }
    const bool blank = end == line_begin_;
    line_begin_ = scanned_ = after;
    if (!blank) continue;
    const std::size_t begin = std::exchange(event_begin_, after);
    if (begin == end) continue;  // a blank line alone
    if (after - begin > event_bytes_max_) {
      failed_ = true;
      return false;
    }
    parse(buffer.substr(begin, after - begin), event);
    return true;
  }
}

bool SseSplitter::take_unterminated(std::string_view buffer, SseEvent& event) {
  if (failed_ || at_start_ || event_begin_ >= buffer.size()) return false;
  parse(buffer.substr(event_begin_), event);
  event.terminated = false;
  return true;
}

void SseSplitter::parse(std::string_view raw, SseEvent& event) {
  event = SseEvent{};
  event.raw = raw;
  while (!raw.empty()) {
    const std::size_t line_feed = find_byte(raw, '\n', 0);
    const std::size_t end = find_byte(raw.substr(0, line_feed), '\r', 0);
    parse_line(raw.substr(0, end), event);
    const bool pair = raw.substr(end).starts_with("\r\n");
    raw.remove_prefix(std::min(raw.size(), end + (pair ? 2 : 1)));
  }
}

// Lines of "id", "retry", comments and unknown fields carry nothing for us.
void SseSplitter::parse_line(std::string_view line, SseEvent& event) {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value =
      colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") {
    event.name = value;
  } else if (field == "data" && !event.has_data) {
    event.has_data = true;
    event.data = value;
  } else if (field == "data") {
    if (event.data.data() != joined_.data()) joined_.assign(event.data);
    joined_ += '\n';
    joined_ += value;
    event.data = joined_;
  }
}

/// Drops what has been given out; the unfinished event moves to the front of the tail.
bool SseSplitter::keep_rest(std::string_view buffer) {
  if (failed_ || buffer.size() - event_begin_ > event_bytes_max_) {
    reset();
    failed_ = true;
    return false;
  }
  if (buffer.data() == tail_.data()) {
    tail_.erase(0, event_begin_);
  } else {
    tail_.assign(buffer.substr(event_begin_));
  }
  line_begin_ -= event_begin_;
  scanned_ -= event_begin_;
  line_feed_ = scanned_;
  event_begin_ = 0;
  return true;
}

void SseSplitter::reset() {
  tail_.clear();
  event_begin_ = line_begin_ = scanned_ = line_feed_ = 0;
}

}  // namespace turnpike::wire
