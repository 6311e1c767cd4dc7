#include "dialect/translation.hpp"

#include <utility>

#include "dialect/chunk_shape.hpp"
#include "dialect/decoder.hpp"
#include "dialect/encoder.hpp"

namespace turnpike::dialect {
namespace {

bool has_end(const StreamEvents& events) {
  return !events.empty() && std::holds_alternative<End>(events.back());
}

class Translation final : public AnswerStream {
 public:
  Translation(const Candidate& candidate, StreamOptions options)
      : AnswerStream(candidate, std::move(options)),
        decoder_(make_decoder(candidate_, options_.id)),
        encoder_(make_stream_encoder(options_, candidate_)),
        shape_(candidate_.dialect) {}

 private:
  void on_event(const wire::SseEvent& event, std::string& out) override {
    events_.clear();
    decoder_->decode(event, events_);
    deliver(out);
    if (started_ && event.terminated) shape_.learn(event, events_);
  }

  std::size_t recognise(std::string_view rest, std::string& out) override {
    std::size_t known = 0;
    while (!over()) {
      const auto match = shape_.match(rest.substr(known));
      if (!match) break;
      known += match->bytes;
      note_one(match->delta);
      if (auto fault = encoder_->encode(match->delta, out)) stop_with(std::move(*fault), out);
    }
    if (const auto counters = shape_.moved_counters()) {
      decoder_->counted(*counters);
      note_counters(*counters);
      if (auto fault = encoder_->encode(*counters, out)) stop_with(std::move(*fault), out);
    }
    return known;
  }

  void body_ended(std::string& out) override {
    events_.clear();
    decoder_->end(events_);
    deliver(out);
  }

  // The encoder appends nothing before content either, so what it appends may go out at once. An
  // answer that turns out to be useless with its first content can still be had elsewhere.
  void deliver(std::string& out) {
    restore_tool_names(events_, options_.tools);
    if (!note(events_, out)) return;
    const std::size_t sent = out.size();
    for (const StreamEvent& event : events_) {
      auto fault = encoder_->encode(event, out);
      if (!fault) continue;
      if (!started_) out.resize(sent);
      return stop_with(std::move(*fault), out);
    }
    started_ = started_ || content_seen() || has_end(events_);
    complete_ = has_end(events_);
  }

  void append_heartbeat(std::string& out) override { encoder_->heartbeat(out); }
  void append_failure(std::string& out, const Error& error) override { encoder_->fail(error, out); }

  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<StreamEncoder> encoder_;
  ChunkShape shape_;
  StreamEvents events_;
};

}  // namespace

std::unique_ptr<AnswerStream> make_translation(const Candidate& candidate, StreamOptions options) {
  return std::make_unique<Translation>(candidate, std::move(options));
}

}  // namespace turnpike::dialect
