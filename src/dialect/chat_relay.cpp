#include "dialect/chat_relay.hpp"

#include <utility>

#include "dialect/answer_stream.hpp"
#include "dialect/chunk_shape.hpp"
#include "dialect/decode_chat.hpp"
#include "dialect/encode_chat.hpp"

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

/// Chat on both sides: whole valid events go on as the bytes they came in.
class ChatRelay final : public AnswerStream {
 public:
  ChatRelay(const Candidate& candidate, StreamOptions options)
      : AnswerStream(candidate, std::move(options)), decoder_(candidate_, options_.id) {}

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
    if (decoder_.last_chunk().repairs) return shape_.forget();
    if (started_ && event.terminated) shape_.learn(event, events_);
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

  void finish(std::string_view terminator, std::string& out) {
    if (!started_) start(out);
    out += terminator;
    complete_ = true;
  }

  void append_heartbeat(std::string& out) override {
    const std::string& theirs = tally().response_id;
    append_chat_heartbeat(out, options_, theirs.empty() ? options_.id : theirs);
  }

  ChatDecoder decoder_;
  ChunkShape shape_;
  StreamEvents events_;
  std::string held_;  // whole events from before the first content
};

}  // namespace

std::unique_ptr<AnswerStream> make_chat_relay(const Candidate& candidate, StreamOptions options) {
  return std::make_unique<ChatRelay>(candidate, std::move(options));
}

}  // namespace turnpike::dialect
