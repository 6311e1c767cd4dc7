// Writes Responses, streamed and whole, from StreamEvents. Source: wire-formats specification §1.3,
// §7.
//
//   stream  := created in_progress item* (completed | incomplete)  |  … error failed
//   item    := output_item.added [part.added] delta* text.done [part.done] output_item.done
//
// Every event has its name on an event: line, its type and a sequence_number, counted from 0
// without gaps. Each block becomes an item of its own. One item is open at a time: the next one
// begins when the open one is complete, and what arrives for others meanwhile is held back. Clients
// act on output_item.done, so a call gets one only when its arguments are known to be whole, which
// for the last call is when the answer stops; a call that a limit has cut gets none and is not in
// the final output. The final response has a usage object in any case: SDKs declare it as always
// present.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/encode_responses_items.hpp"
#include "dialect/encoder.hpp"

namespace turnpike::dialect {

class ResponsesStreamEncoder final : public StreamEncoder {
 public:
  ResponsesStreamEncoder(const StreamOptions& options, const Candidate& candidate)
      : options_(options), candidate_(candidate), response_(options) {}
  std::optional<Error> encode(const StreamEvent& event, std::string& out) override;
  /// response.in_progress, again: harmless, and resets the clocks of Codex and the SDKs.
  void heartbeat(std::string& out) override;
  void fail(const Error& error, std::string& out) override;

 private:
  /// A block of the answer. Text that goes on after another block has begun becomes another item.
  struct Block {
    BlockStart start;  // its views point into `id`, `name` and `name_space`
    std::string id;
    std::string name;
    std::string name_space;
    std::string held;  // pieces that are not in an item yet
    bool waiting = false;
    bool ended = false;
  };

  void block_start(const BlockStart& start);
  std::optional<Error> piece(Block& block, std::string& out);
  std::optional<Error> block_stop(const BlockStop& stop, std::string& out);
  std::optional<Error> stop(const Stop& stop, std::string& out);
  void done(std::string& out);

  /// Lets the waiting blocks follow for as long as the open one is complete.
  std::optional<Error> advance(std::string& out);
  [[nodiscard]] bool may_close() const;
  void open(Block& block, std::string& out);
  void write_held(Block& block, std::string& out);
  std::optional<Error> close(std::string& out);
  void close_text(std::string& out);
  void close_call(std::string& out);
  void item_done(std::string& out);
  [[nodiscard]] bool is_cut(const Block& block) const;

  void begin(std::string& out);
  void progress(std::string_view type, std::string& out);
  void write_delta(std::string_view bytes, std::string& out);
  /// The common head of an event; the object is left open.
  wire::JsonWriter begin_event(std::string& out, std::string_view type);
  /// The same with the place of the open item, and of its part if it has one.
  wire::JsonWriter begin_item_event(std::string& out, std::string_view type);
  void write_place(wire::JsonWriter& json) const;
  static void end_event(wire::JsonWriter& json, std::string& out);
  Block* find(std::int32_t number);

  const StreamOptions& options_;
  const Candidate& candidate_;
  ResponseWriter response_;
  std::list<Block> blocks_;
  std::deque<Block*> waiting_;  // in the order in which they want to be next
  Block* open_ = nullptr;
  OutputItem item_;        // of the open block
  std::size_t items_ = 0;  // output_index of the next item
  std::string
      delta_head_;  // of the open item: an event up to its number, and from there to the text
  std::string delta_place_;
  std::string output_;  // finished items as JSON text, separated by commas
  std::int64_t sequence_ = 0;
  StopReason reason_ = StopReason::natural;
  Usage usage_;
  bool begun_ = false;
  bool refusal_seen_ = false;
  bool stopped_ = false;
};

/// Collects a whole answer.
class ResponsesBodyEncoder final : public BodyEncoder {
 public:
  ResponsesBodyEncoder(const StreamOptions& options, const Candidate& candidate)
      : options_(options), candidate_(candidate) {}
  void encode(const StreamEvent& event) override;
  [[nodiscard]] Result<std::string> body() const override;

 private:
  struct Block {
    std::int32_t number = 0;
    OutputItem item;
  };

  const StreamOptions& options_;
  const Candidate& candidate_;
  std::list<Block> blocks_;
  StopReason reason_ = StopReason::natural;
  Usage usage_;
};

std::unique_ptr<StreamEncoder> make_responses_stream_encoder(const StreamOptions& options,
                                                             const Candidate& candidate);
std::unique_ptr<BodyEncoder> make_responses_body_encoder(const StreamOptions& options,
                                                         const Candidate& candidate);

}  // namespace turnpike::dialect
