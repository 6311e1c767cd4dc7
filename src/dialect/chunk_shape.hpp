// The events of one streamed answer are, for thousands of them, the same bytes around one string:
//
//   data:
//   {"id":"…","choices":[{"index":0,"delta":{"content":"<text>"},…}],"obfuscation":"<padding>"}\n\n
//   event: content_block_delta\ndata: {…,"index":0,"delta":{"type":"text_delta","text":"<text>"}}\n\n
//
// A shape is learned from an event that has been read in full. Later bytes that equal it outside of
// these strings, and have valid JSON strings there, need no second reading: they are valid and say
// the same, only with another text. Anything else is left to the reader. About ten times cheaper
// per event than a parse. Gemini counts tokens in each event: there the counters may differ, too.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/moving_counters.hpp"
#include "dialect/stream_event.hpp"
#include "turnpike/dialect.hpp"
#include "wire/sse_splitter.hpp"

namespace turnpike::dialect {

/// One per stream, one thread. Knows Chat chunks, the events of Messages and Gemini's chunks; Responses numbers its events,
/// so that no two of them are alike.
class ChunkShape {
 public:
  explicit ChunkShape(Dialect provider = Dialect::openai_chat) : provider_(provider) {}

  struct Match {
    std::size_t bytes = 0;  // of the event, blank line included
    Delta delta;            // its bytes live until the next match, and no longer than the input
  };

  /// `event` is a whole event that was read as `events`, behind the first content. One Delta is learned, with Gemini's counters
  /// before it. Anything else may have changed blocks: then the shape is forgotten. Where the string stands cannot always be
  /// told. Stops learning when shapes learned in a row were of no use.
  void learn(const wire::SseEvent& event, const StreamEvents& events);
  void forget() { bytes_.clear(); }
  /// The event at the front of `rest`, if it is whole and of this shape with a text that is not
  /// empty.
  std::optional<Match> match(std::string_view rest);
  /// What the events matched so far have counted, if that has changed since this was last asked.
  std::optional<UsageReport> moved_counters() {
    return counters_ == nullptr ? std::nullopt : counters_->moved();
  }

 private:
  /// Offsets into bytes_, between the quotes.
  struct Slot {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  void learn(const wire::SseEvent& event, const Delta& delta, const UsageReport* usage);
  [[nodiscard]] std::size_t match_behind_text(std::string_view rest, std::size_t at);
  [[nodiscard]] std::string_view head() const { return {bytes_.data(), text_.begin}; }
  [[nodiscard]] std::string_view middle() const {
    return std::string_view{bytes_}.substr(text_.end, padding_.begin - text_.end);
  }
  [[nodiscard]] std::string_view tail() const {
    return std::string_view{bytes_}.substr(padding_.end);
  }

  Dialect provider_;
  std::string bytes_;  // the event learned from; empty: none
  Slot text_;
  Slot padding_;  // OpenAI's "obfuscation"; empty at the end of bytes_ if there is none
  Delta delta_;   // where texts belong; without bytes
  std::unique_ptr<MovingCounters> counters_;  // if it counts: all that stands behind the text
  std::string decoded_;
  int unproven_ = 0;  // shapes learned since the last match
};

}  // namespace turnpike::dialect
