// Reads a provider's answer, streamed or whole, into StreamEvents. One per attempt, one thread, no
// I/O.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dialect/stream_event.hpp"
#include "turnpike/decision.hpp"
#include "wire/sse_splitter.hpp"

namespace turnpike::dialect {

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Appends what one event of the stream says. A broken event gives a Failure.
  virtual void decode(const wire::SseEvent& event, StreamEvents& events) = 0;
  /// What events that were not given to decode() have counted, which said nothing else that is new.
  virtual void counted(const UsageReport& /*report*/) {}
  /// The body ended tidily: appends the rest if the answer is whole; else appends nothing more, and
  /// no End.
  virtual void end(StreamEvents& events) = 0;
  /// Appends a whole answer, End included, or a Failure.
  virtual void decode_whole(std::string_view body, StreamEvents& events) = 0;
};

/// For candidate.dialect. `fallback_id` stands in for a
/// missing response id when tool call ids have to be made up. The candidate must outlive the
/// decoder.
std::unique_ptr<Decoder> make_decoder(const Candidate& candidate, std::string fallback_id);

}  // namespace turnpike::dialect
