#include "dialect/stream_translator.hpp"

#include <utility>

#include "dialect/answer_recorder.hpp"
#include "dialect/chunk_shape.hpp"
#include "dialect/decode_chat.hpp"
#include "dialect/encode_chat.hpp"
#include "dialect/error_body.hpp"
#include "wire/sse_splitter.hpp"

namespace turnpike::dialect {
namespace {

/// Before the first content come role chunks, filter results and the like, all small. More than
/// this is no answer.
constexpr std::size_t held_bytes_max = std::size_t{8} << 20U;

constexpr std::string_view done_event = "data: [DONE]\n\n";

/// Comments and events with empty data: there is nothing in them to pass on.
bool is_silent(const StreamEvents& events) {
  return events.size() == 1 && std::holds_alternative<KeepAlive>(events.front());
}

bool has_end(const StreamEvents& events) {
  return !events.empty() && std::holds_alternative<End>(events.back());
}

}  // namespace

/// What relays and translations share: cutting, counting, ending once.
void restore_tool_names(StreamEvents& events, const StreamOptions& options) {
  if (options.renamed_tools.empty()) return;
  for (StreamEvent& event : events) {
    auto* start = std::get_if<BlockStart>(&event);
    if (start == nullptr) continue;
    for (const auto& [theirs, ours] : options.renamed_tools) {
      if (start->name == theirs) start->name = ours;
    }
  }
}

class StreamTranslator::Stream {
 public:
  Stream(const Candidate& candidate, StreamOptions options)
      : candidate_(candidate),
        options_(std::move(options)),
        recorder_(candidate_, options_.opaque, options_.owner) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  void feed(std::string_view bytes, std::string& out) {
    if (over()) return;
    splitter_.feed(
        bytes, [&](const wire::SseEvent& event) { return take(event, out); },
        [&](std::string_view rest) { return over() ? 0 : recognise(rest, out); });
    if (splitter_.failed())
      fail_upstream(Retry::next_candidate, "bad_upstream", "sent an oversized event", out);
  }

  // A connection that breaks after the last finish reason has lost nothing that a client waits for.
  void end(const Result<void>& transport, std::string& out) {
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

  void fail(const Error& error, std::string& out) {
    if (complete_ || error_sent_) return;
    if (!failure_) failure_ = error;
    error_sent_ = true;
    append_error_event(out, options_.client, error);
  }

  void heartbeat(std::string& out) const {
    if (complete_ || error_sent_) return;
    const std::string& theirs = recorder_.tally().response_id;
    append_chat_heartbeat(out, options_,
                          shows_provider_id() && !theirs.empty() ? theirs : options_.id);
  }

  [[nodiscard]] bool content_started() const { return started_; }
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] const Tally& tally() const { return recorder_.tally(); }
  [[nodiscard]] std::uint64_t events() const { return events_seen_; }

 protected:
  virtual void on_event(const wire::SseEvent& event, std::string& out) = 0;
  /// Deals with whole events at the front of `rest` that need no reading; their bytes.
  virtual std::size_t recognise(std::string_view rest, std::string& out) = 0;
  /// Completes the stream if what came is a whole answer even without a terminator.
  virtual void body_ended(std::string& out) = 0;
  [[nodiscard]] virtual bool shows_provider_id() const = 0;

  /// Counts what the decoder found. False once the stream has failed.
  bool note(const StreamEvents& events, std::string& out) {
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

  /// Counts one event that says no more than this.
  void note_one(const Delta& delta) {
    ++events_seen_;
    recorder_.record(delta);
  }

  /// A failure after content is told in band; before it the caller may still turn elsewhere.
  void stop_with(Error error, std::string& out) {
    failure_ = std::move(error);
    if (started_) fail(*failure_, out);
  }

  void fail_upstream(Retry retry, std::string code, std::string_view what, std::string& out) {
    if (over()) return;
    std::string message = candidate_.provider;
    message.append(" ").append(what).append(".");
    stop_with(upstream_error(502, retry, std::move(code), std::move(message)), out);
  }

  [[nodiscard]] bool over() const { return complete_ || failure_.has_value(); }
  [[nodiscard]] bool content_seen() const { return recorder_.content_seen(); }

  const Candidate candidate_;
  const StreamOptions options_;
  bool started_ = false;
  bool complete_ = false;

 private:
  bool take(const wire::SseEvent& event, std::string& out) {
    if (event.has_data) ++events_seen_;
    on_event(event, out);
    return !over();
  }

  wire::SseSplitter splitter_;
  AnswerRecorder recorder_;
  std::optional<Error> failure_;
  std::uint64_t events_seen_ = 0;
  bool error_sent_ = false;
};

namespace {

/// Chat on both sides: whole valid events go on as the bytes they came in.
class ChatRelay final : public StreamTranslator::Stream {
 public:
  ChatRelay(const Candidate& candidate, StreamOptions options)
      : Stream(candidate, std::move(options)), decoder_(candidate_, options_.id) {}

 private:
  void on_event(const wire::SseEvent& event, std::string& out) override {
    events_.clear();
    decoder_.decode(event, events_);
    if (!note(events_, out) || is_silent(events_)) return;
    if (has_end(events_)) {
      finish(event.terminated ? event.raw : done_event, out);
      return;
    }
    const ChatChunk& chunk = decoder_.last_chunk();
    if (chunk.usage_only && !options_.include_usage) return;
    if ((chunk.content || content_seen()) && !started_) start(out);
    forward(event, started_ ? out : held_);
    learn(event);
    if (held_.size() > held_bytes_max) {
      fail_upstream(Retry::next_candidate, "bad_upstream", "sent too much before its answer", out);
    }
  }

  void learn(const wire::SseEvent& event) {
    const auto* delta = events_.size() == 1 ? std::get_if<Delta>(&events_.front()) : nullptr;
    if (delta == nullptr) {
      shape_.forget();
    } else if (started_ && !decoder_.last_chunk().repairs && event.terminated) {
      shape_.learn(event, *delta);
    }
  }

  std::size_t recognise(std::string_view rest, std::string& out) override {
    std::size_t known = 0;
    while (const auto match = shape_.match(rest.substr(known))) {
      note_one(match->delta);
      known += match->bytes;
    }
    if (known != 0) {
      out.reserve(out.size() + rest.size() + done_event.size());  // the rest is likely to follow
      out += rest.substr(0, known);
    }
    return known;
  }

  void forward(const wire::SseEvent& event, std::string& out) const {
    if (!decoder_.last_chunk().repairs && event.terminated) {
      out += event.raw;
      return;
    }
    out += "data: ";
    out += decoder_.last_chunk().repairs ? decoder_.repaired_chat_json(event.data)
                                         : std::string{event.data};
    out += "\n\n";
  }

  void body_ended(std::string& out) override {
    events_.clear();
    decoder_.end(events_);
    if (has_end(events_)) finish(done_event, out);
  }

  void start(std::string& out) {
    started_ = true;
    out += std::exchange(held_, std::string{});
  }

  // "[DONE]" alone is no answer.
  void finish(std::string_view terminator, std::string& out) {
    if (!content_seen() && tally().finish.empty()) {
      fail_upstream(Retry::next_candidate, "bad_upstream", "sent an empty stream", out);
      return;
    }
    if (!started_) start(out);
    out += terminator;
    complete_ = true;
  }

  [[nodiscard]] bool shows_provider_id() const override { return true; }

  ChatDecoder decoder_;
  ChunkShape shape_;
  StreamEvents events_;
  std::string held_;  // whole events from before the first content
};

/// Any dialect that has a decoder, to Chat.
class Translation final : public StreamTranslator::Stream {
 public:
  Translation(const Candidate& candidate, StreamOptions options)
      : Stream(candidate, std::move(options)),
        decoder_(make_decoder(candidate_, options_.id)),
        encoder_(options_) {}

 private:
  void on_event(const wire::SseEvent& event, std::string& out) override {
    events_.clear();
    if (decoder_ && options_.client == Dialect::openai_chat) {
      decoder_->decode(event, events_);
      restore_tool_names(events_, options_);
    } else {
      events_.emplace_back(
          Failure{gateway_error(501, "unsupported_dialect",
                                "Answers of " + candidate_.target() + " cannot be translated.")});
    }
    deliver(out);
  }

  std::size_t recognise(std::string_view /*rest*/, std::string& /*out*/) override { return 0; }

  void body_ended(std::string& out) override {
    events_.clear();
    if (decoder_) decoder_->end(events_);
    restore_tool_names(events_, options_);
    deliver(out);
  }

  // The encoder appends nothing before content either, so what it appends may go out at once.
  void deliver(std::string& out) {
    if (!note(events_, out)) return;
    started_ = started_ || content_seen() || has_end(events_);
    for (const StreamEvent& event : events_) encoder_.encode(event, out);
    complete_ = has_end(events_);
  }

  [[nodiscard]] bool shows_provider_id() const override { return false; }

  std::unique_ptr<Decoder> decoder_;
  ChatStreamEncoder encoder_;
  StreamEvents events_;
};

}  // namespace

StreamTranslator::StreamTranslator(const Candidate& candidate, StreamOptions options) {
  if (candidate.dialect == Dialect::openai_chat && options.client == Dialect::openai_chat) {
    stream_ = std::make_unique<ChatRelay>(candidate, std::move(options));
  } else {
    stream_ = std::make_unique<Translation>(candidate, std::move(options));
  }
}

StreamTranslator::StreamTranslator(StreamTranslator&&) noexcept = default;
StreamTranslator& StreamTranslator::operator=(StreamTranslator&&) noexcept = default;
StreamTranslator::~StreamTranslator() = default;

void StreamTranslator::feed(std::string_view bytes, std::string& out) { stream_->feed(bytes, out); }
void StreamTranslator::end(const Result<void>& transport, std::string& out) {
  stream_->end(transport, out);
}
void StreamTranslator::fail(const Error& error, std::string& out) { stream_->fail(error, out); }
void StreamTranslator::heartbeat(std::string& out) const { stream_->heartbeat(out); }
bool StreamTranslator::content_started() const { return stream_->content_started(); }
bool StreamTranslator::complete() const { return stream_->complete(); }
const std::optional<Error>& StreamTranslator::failure() const { return stream_->failure(); }
const Tally& StreamTranslator::tally() const { return stream_->tally(); }
std::uint64_t StreamTranslator::events() const { return stream_->events(); }

}  // namespace turnpike::dialect
