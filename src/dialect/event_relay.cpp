#include "dialect/event_relay.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "dialect/answer_stream.hpp"
#include "dialect/chunk_shape.hpp"
#include "dialect/decoder.hpp"
#include "dialect/error_body.hpp"
#include "dialect/event_relay_words.hpp"
#include "dialect/responses_items_kept.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {
namespace {

/// Before the first content come the answer's beginning, pings and blocks without a text yet, all
/// small. More than this is no answer.
constexpr std::size_t held_bytes_max = std::size_t{8} << 20U;

template <typename Kind>
const Kind* find_event(const StreamEvents& events) {
  for (const StreamEvent& event : events) {
    if (const auto* found = std::get_if<Kind>(&event)) return found;
  }
  return nullptr;
}

/// What the decoder says of comments, of the provider's own pings and of events without data.
bool is_silent(const StreamEvents& events) {
  return events.size() == 1 && std::holds_alternative<KeepAlive>(events.front());
}

class EventRelay final : public AnswerStream {
 public:
  EventRelay(const Candidate& candidate, StreamOptions options)
      : AnswerStream(candidate, std::move(options)),
        decoder_(make_decoder(candidate_, options_.id)),
        shape_(candidate_.dialect) {}

 private:
  void on_event(const wire::SseEvent& event, std::string& out) override {
    if (told_) return after_told_error(*told_, event, out);
    events_.clear();
    decoder_->decode(event, events_);
    if (const auto* failure = find_event<Failure>(events_)) return fail_with(*failure, event, out);
    if (is_silent(events_)) return pass_silence(event, out);
    if (find_event<Start>(events_) != nullptr && !begin_answer(out)) return;
    note(events_, out);
    if (!started_ && (content_seen() || begins_foreign_block(options_.client, event, unread()))) {
      start(out);
    }
    keep_item(event);
    const bool ended = find_event<End>(events_) != nullptr;
    if (ended && !started_) start(out);
    forward(event, started_ ? out : held_);
    complete_ = ended;
    check_held(out);
    if (started_ && event.terminated) shape_.learn(event, events_);
  }

  std::size_t recognise(std::string_view rest, std::string& out) override {
    if (told_) return 0;
    std::size_t known = 0;
    while (const auto match = shape_.match(rest.substr(known))) {
      note_one(match->delta);
      known += match->bytes;
    }
    if (const auto counters = shape_.moved_counters()) {
      decoder_->counted(*counters);
      note_counters(*counters);
    }
    out += rest.substr(0, known);
    return known;
  }

  void keep_item(const wire::SseEvent& event) const {
    if (options_.keep_items == KeepItems::no || event.name != "response.output_item.done") return;
    const auto item = wire::JsonFields{wire::JsonView{event.data}}["item"];
    keep_response_item(options_, item.raw());
  }

  /// True if the decoder found nothing that it knows but counters and the answer's beginning.
  [[nodiscard]] bool unread() const {
    return std::ranges::all_of(events_, [](const StreamEvent& event) {
      return std::holds_alternative<Start>(event) || std::holds_alternative<UsageReport>(event);
    });
  }

  // A second beginning replaces the first while nothing has gone out. The other two dialects have
  // no event for it.
  bool begin_answer(std::string& out) {
    const bool announced = options_.client == Dialect::anthropic_messages ||
                           options_.client == Dialect::openai_responses;
    if (!announced) return true;
    if (started_) {
      fail_upstream(Retry::never, "bad_upstream", "sent the start of a second answer", out);
      return false;
    }
    held_.clear();
    last_number_ = -1;
    return true;
  }

  /// The provider's own signs of life go on as they came, in their place; for comments the client
  /// gets an event that its clock counts.
  void pass_silence(const wire::SseEvent& event, std::string& out) {
    if (event.has_data && !event.data.empty()) {
      forward(event, started_ ? out : held_);
      check_held(out);
    } else if (started_) {
      heartbeat(out);
    }
  }

  void check_held(std::string& out) {
    if (held_.size() <= held_bytes_max) return;
    fail_upstream(Retry::next_candidate, "bad_upstream", "sent too much before its answer", out);
  }

  /// A valid event of failure after content goes on unmodified: harnesses act on the provider's
  /// wording. A Responses `error` is not the end yet: `response.failed` follows it.
  void fail_with(const Failure& failure, const wire::SseEvent& event, std::string& out) {
    const bool refused_output = failure.error.code == "bad_upstream_output";
    if (started_ && is_providers_failure(options_.client, event, refused_output)) {
      if (options_.client == Dialect::openai_responses && event_type(event) == "error") {
        told_ = failure.error;
        forward(event, out);
        return;
      }
      last_words_ = &event;
    }
    stop_with(failure.error, out);
    last_words_ = nullptr;
  }

  void after_told_error(const Error& told, const wire::SseEvent& event, std::string& out) {
    const bool failed = is_providers_failure(options_.client, event, false) &&
                        event_type(event) == "response.failed";
    if (failed) last_words_ = &event;
    stop_with(told, out);
    last_words_ = nullptr;
  }

  void forward(const wire::SseEvent& event, std::string& out) {
    append_event(out, options_.client, event);
    if (options_.client == Dialect::openai_responses) {
      last_number_ = std::max(last_number_, sequence_number(event.data));
    }
  }

  void start(std::string& out) {
    started_ = true;
    out += std::exchange(held_, std::string{});
  }

  void body_ended(std::string& out) override {
    if (told_) return stop_with(*told_, out);
    events_.clear();
    decoder_->end(events_);
    if (!note(events_, out) || find_event<End>(events_) == nullptr) return;
    if (!started_) start(out);
    complete_ = true;
  }

  void append_heartbeat(std::string& out) override {
    append_relay_heartbeat(out, options_.client, started_ ? last_number_ : -1);
  }

  void append_failure(std::string& out, const Error& error) override {
    if (last_words_ != nullptr) {
      forward(*last_words_, out);
    } else if (options_.client == Dialect::openai_responses) {
      append_responses_end(out, told_ ? *told_ : error,
                           {started_ ? std::string_view{tally().response_id} : "",
                            started_ ? last_number_ : -1, told_.has_value()});
    } else {
      append_error_event(out, options_.client, error);
    }
  }

  std::unique_ptr<Decoder> decoder_;
  ChunkShape shape_;
  StreamEvents events_;
  std::string held_;                            // whole events from before the first content
  std::int64_t last_number_ = -1;               // Responses: the highest sequence number seen
  std::optional<Error> told_;                   // Responses: the provider's `error` has gone on
  const wire::SseEvent* last_words_ = nullptr;  // the event to end with, during stop_with()
};

}  // namespace

std::unique_ptr<AnswerStream> make_event_relay(const Candidate& candidate, StreamOptions options) {
  return std::make_unique<EventRelay>(candidate, std::move(options));
}

}  // namespace turnpike::dialect
