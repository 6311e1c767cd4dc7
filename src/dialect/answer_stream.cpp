#include "dialect/answer_stream.hpp"

#include <utility>
#include <variant>

#include "dialect/error_body.hpp"

namespace turnpike::dialect {

AnswerStream::AnswerStream(const Candidate& candidate, StreamOptions options)
    : candidate_(candidate),
      options_(std::move(options)),
      recorder_(candidate_, options_.opaque, options_.owner, options_.action) {}

void AnswerStream::feed(std::string_view bytes, std::string& out) {
  if (over()) return;
  splitter_.feed(
      bytes, [&](const wire::SseEvent& event) { return take(event, out); },
      [&](std::string_view rest) { return over() ? 0 : recognise(rest, out); });
  if (splitter_.failed())
    fail_upstream(Retry::next_candidate, "bad_upstream", "sent an oversized event", out);
}

// A connection that breaks after the last finish reason has lost nothing that a client waits for.
void AnswerStream::end(const Result<void>& transport, std::string& out) {
  if (over()) return;
  if (transport) splitter_.finish([&](const wire::SseEvent& event) { return take(event, out); });
  if (!over()) body_ended(out);
  if (over()) return;
  if (!transport) {
    stop_with(transport.error(), out);
  } else {
    fail_upstream(Retry::same_then_next, "stream_truncated",
                  "ended the stream before the answer was whole", out);
  }
}

void AnswerStream::fail(const Error& error, std::string& out) {
  if (complete_ || error_sent_) return;
  if (!failure_) failure_ = error;
  error_sent_ = true;
  append_failure(out, error);
}

void AnswerStream::heartbeat(std::string& out) {
  if (!complete_ && !error_sent_) append_heartbeat(out);
}

void AnswerStream::append_failure(std::string& out, const Error& error) {
  append_error_event(out, options_.client, error);
}

bool AnswerStream::note(const StreamEvents& events, std::string& out) {
  for (const StreamEvent& event : events) {
    if (const auto* failure = std::get_if<Failure>(&event)) {
      stop_with(failure->error, out);
      return false;
    }
    if (!std::holds_alternative<KeepAlive>(event)) {
      recorder_.record(event);
    } else if (started_) {
      heartbeat(out);
    }
  }
  return true;
}

void AnswerStream::stop_with(Error error, std::string& out) {
  failure_ = std::move(error);
  if (started_) fail(*failure_, out);
}

void AnswerStream::fail_upstream(Retry retry, std::string code, std::string_view what,
                                 std::string& out) {
  if (over()) return;
  std::string message = candidate_.provider;
  message.append(" ").append(what).append(".");
  stop_with(upstream_error(502, retry, std::move(code), std::move(message)), out);
}

bool AnswerStream::take(const wire::SseEvent& event, std::string& out) {
  if (event.has_data) ++events_seen_;
  on_event(event, out);
  return !over();
}

}  // namespace turnpike::dialect
