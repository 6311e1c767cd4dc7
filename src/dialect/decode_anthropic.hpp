// Anthropic Messages, as a provider answers. Source: wire-formats specification §1.4.
//
//   stream := message_start (ping | block)* message_delta+ message_stop
//   block  := content_block_start content_block_delta* content_block_stop
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dialect/decoder.hpp"

namespace turnpike::dialect {

class AnthropicDecoder final : public Decoder {
 public:
  explicit AnthropicDecoder(const Candidate& candidate) : candidate_(candidate) {}
  void decode(const wire::SseEvent& event, StreamEvents& events) override;
  void end(StreamEvents& /*events*/) override {}  // only message_stop ends an answer
  void decode_whole(std::string_view body, StreamEvents& events) override;

 private:
  class Reader;  // knows the JSON library

  /// A content block that has begun; `wire_index` is its number in the stream, which servers may
  /// leave gaps in.
  struct Block {
    std::int64_t wire_index = 0;
    BlockKind kind = BlockKind::text;
    bool shown = false;  // false: a kind that has no counterpart and is skipped
    bool open = true;
    bool has_arguments = false;
    std::string first_input;  // tool call: the input given at its start, if it was not empty
  };
  /// Counters as last told; the split of the cache writes may be missing.
  struct Counts {
    std::int64_t input = 0;
    std::int64_t cache_read = 0;
    std::int64_t cache_write = 0;
    std::int64_t cache_write_1h = 0;
    std::int64_t output = 0;
    std::int64_t thinking = 0;
    PerServerTool calls{};       // as usage tells them
    PerServerTool calls_seen{};  // blocks in which a tool of the provider's was called
    bool calls_told = false;     // usage tells them
    bool reported = false;
    bool plausible = true;
  };

  const Candidate& candidate_;
  std::vector<Block> blocks_;
  Counts counts_;
  std::string stop_reason_;
  std::string stop_sequence_;
  bool started_ = false;
  bool content_seen_ = false;
  bool calls_seen_ = false;
};

}  // namespace turnpike::dialect
