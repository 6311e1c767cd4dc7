// OpenAI Responses, as a provider answers: OpenAI itself, DeepSeek, OpenRouter. Source:
// wire-formats specification §1.3, §2.
//
//   stream := created (in_progress | item)* (completed | incomplete | failed)  |  … error
//   item   := output_item.added (part-event | delta)* output_item.done
//
// Items are known by output_index, because some servers change their ids from event to event.
// Deltas are passed on as they come and checked against the finished item, which gives what they
// left out. Items of tools that the provider runs itself are skipped, and so are kinds and events
// nobody here has heard of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/decoder.hpp"

namespace turnpike::dialect {

class ResponsesDecoder final : public Decoder {
 public:
  ResponsesDecoder(const Candidate& candidate, std::string fallback_id)
      : candidate_(candidate), response_id_(std::move(fallback_id)) {}
  void decode(const wire::SseEvent& event, StreamEvents& events) override;
  /// Only a terminal event ends an answer.
  void end(StreamEvents& /*events*/) override {}
  void decode_whole(std::string_view body, StreamEvents& events) override;

 private:
  class Reader;  // knows the JSON library

  /// Where in its item a text lies.
  enum class Place : std::uint8_t { content, summary, arguments };

  /// What has been passed on of one text, for comparing with the finished one: calls in full,
  /// because only they are compared when the finished text differs; of the rest the length and a
  /// hash.
  struct Told {
    std::size_t bytes = 0;
    std::uint64_t hash = 0xcbf29ce484222325U;
    std::string text;
  };

  struct Part {
    Place place = Place::content;
    std::int64_t index = 0;
    BlockKind kind = BlockKind::text;
    std::int32_t block = -1;
    Told told;
  };

  struct Item {
    enum class Kind : std::uint8_t { message, reasoning, function, custom, skipped };
    std::int64_t output_index = 0;
    Kind kind = Kind::skipped;
    std::list<Part> parts;
    std::string call_id;      // calls, once begun; events point into it
    std::int32_t block = -1;  // of a call or a reasoning item, once begun
    bool has_thinking = false;
    Place thinking = Place::content;  // reasoning may be told twice, in full and summed up: the
                                      // first place counts
    bool done = false;
  };

  const Candidate& candidate_;
  std::string response_id_;
  std::list<Item> items_;  // events point into them: they do not move
  std::int32_t blocks_ = 0;
  PerServerTool calls_{};  // items in which a tool of the provider's was called
  bool started_ = false;
  bool content_seen_ = false;
  bool calls_seen_ = false;
  bool refusal_seen_ = false;
};

std::unique_ptr<Decoder> make_responses_decoder(const Candidate& candidate,
                                                std::string fallback_id);

}  // namespace turnpike::dialect
