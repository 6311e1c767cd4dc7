// Writes a client's dialect from StreamEvents, streamed or whole. One per answer, one thread, no I/O.
//
// Blocks of one choice may interleave in the events; dialects that have one open block at a time (Messages,
// Responses, Gemini) hold the pieces of the others back until it has ended.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "dialect/stream_event.hpp"
#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

class StreamEncoder {
 public:
  virtual ~StreamEncoder() = default;
  /// Appends what the client is to see of this event, and nothing at all before the first content (text, reasoning, a
  /// refusal, a call) or the answer's end. KeepAlive and Failure append nothing: they are the caller's business.
  /// The Error: the answer cannot be expressed in this dialect (a call whose arguments are no object); the caller
  /// ends the stream with fail().
  [[nodiscard]] virtual std::optional<Error> encode(const StreamEvent& event, std::string& out) = 0;
  /// The dialect's harmless event; may come before anything else has been appended.
  virtual void heartbeat(std::string& out) = 0;
  /// The dialect's error event or events, the last bytes of the stream; may come before anything else.
  virtual void fail(const Error& error, std::string& out) = 0;
};

class BodyEncoder {
 public:
  virtual ~BodyEncoder() = default;
  virtual void encode(const StreamEvent& event) = 0;
  /// The whole answer; an Error as StreamEncoder::encode.
  [[nodiscard]] virtual Result<std::string> body() const = 0;
};

/// For options.client. `options` and `candidate` must outlive the encoder.
std::unique_ptr<StreamEncoder> make_stream_encoder(const StreamOptions& options, const Candidate& candidate);
std::unique_ptr<BodyEncoder> make_body_encoder(const StreamOptions& options, const Candidate& candidate);

}  // namespace turnpike::dialect
