// What every streamed answer shares on its way through: cutting into events, counting, ending once.
//
// Derived: ChatRelay and EventRelay (same dialect on both sides: original bytes), Translation (decoder ->
// StreamEvent -> encoder). One per attempt, one thread, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/answer_recorder.hpp"
#include "dialect/stream_event.hpp"
#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"
#include "wire/sse_splitter.hpp"

namespace turnpike::dialect {

class AnswerStream {
 public:
  /// The candidate must outlive it.
  AnswerStream(const Candidate& candidate, StreamOptions options);
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;
  virtual ~AnswerStream() = default;

  void feed(std::string_view bytes, std::string& out);
  void end(const Result<void>& transport, std::string& out);
  void fail(const Error& error, std::string& out);
  void heartbeat(std::string& out);

  [[nodiscard]] bool content_started() const { return started_; }
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] const Tally& tally() const { return recorder_.tally(); }
  [[nodiscard]] std::uint64_t events() const { return events_seen_; }

 protected:
  virtual void on_event(const wire::SseEvent& event, std::string& out) = 0;
  /// Deals with whole events at the front of `rest` that need no reading; their bytes.
  virtual std::size_t recognise(std::string_view /*rest*/, std::string& /*out*/) { return 0; }
  /// Completes the stream if what came is a whole answer even without a terminator.
  virtual void body_ended(std::string& out) = 0;
  /// The dialect's harmless event; the stream is neither complete nor failed.
  virtual void append_heartbeat(std::string& out) = 0;
  /// The dialect's error event, the last bytes of the stream.
  virtual void append_failure(std::string& out, const Error& error);

  /// Counts what the decoder found. False once the stream has failed. A KeepAlive becomes a heartbeat if content has
  /// begun.
  bool note(const StreamEvents& events, std::string& out);
  /// Counts one event that says no more than this.
  void note_one(const Delta& delta) {
    ++events_seen_;
    recorder_.record(delta);
  }
  /// Of events that have been counted one by one.
  void note_counters(const UsageReport& counters) { recorder_.record(counters); }
  /// A failure after content is told in band; before it the caller may still turn elsewhere.
  void stop_with(Error error, std::string& out);
  void fail_upstream(Retry retry, std::string code, std::string_view what, std::string& out);

  [[nodiscard]] bool over() const { return complete_ || failure_.has_value(); }
  [[nodiscard]] bool content_seen() const { return recorder_.content_seen(); }

  const Candidate& candidate_;
  const StreamOptions options_;
  bool started_ = false;   // content has been appended
  bool complete_ = false;  // the terminator has been appended

 private:
  bool take(const wire::SseEvent& event, std::string& out);

  wire::SseSplitter splitter_;
  AnswerRecorder recorder_;
  std::optional<Error> failure_;
  std::uint64_t events_seen_ = 0;
  bool error_sent_ = false;
};

}  // namespace turnpike::dialect
