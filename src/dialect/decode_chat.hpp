// OpenAI Chat Completions, as a provider answers: OpenAI, DeepSeek and the many that imitate them.
// Source: wire-formats specification §1.2, §2.
//
//   stream := chunk* "[DONE]"      chunk := {choices[{index, delta, finish_reason}], usage?} |
//   {error}
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "dialect/decoder.hpp"

namespace turnpike::dialect {

/// What a relay wants to know about the chunk just read, beyond its events.
struct ChatChunk {
  bool usage_only = false;  // no choices, only counters: the client may not have asked for it
  bool content = false;     // carries something that a client shows or acts on
  bool repairs = false;     // see repaired_chat_json()
};

class ChatDecoder final : public Decoder {
 public:
  ChatDecoder(const Candidate& candidate, std::string fallback_id)
      : candidate_(candidate), response_id_(std::move(fallback_id)) {}
  void decode(const wire::SseEvent& event, StreamEvents& events) override;
  void end(StreamEvents& events) override;
  void decode_whole(std::string_view body, StreamEvents& events) override;

  [[nodiscard]] const ChatChunk& last_chunk() const { return chunk_; }
  /// The JSON decoded last, `json` being the bytes it was decoded from, with two faults of lesser
  /// servers mended that make clients lose calls: an empty or missing id gets one made up, and
  /// finish_reason "stop" after calls becomes "tool_calls". Everything else stays as it came.
  [[nodiscard]] std::string repaired_chat_json(std::string_view json) const;

 private:
  class Reader;  // knows the JSON library

  struct Call {
    std::int64_t wire_index = 0;
    std::int32_t block = 0;
    std::string id;
  };
  struct Choice {
    std::int32_t index = 0;
    std::int32_t blocks = 0;
    std::int32_t prose = -1;  // the open block of text, reasoning or refusal; -1: none
    BlockKind prose_kind = BlockKind::text;
    std::list<Call> calls;  // events point into it; open until the finish, pieces may interleave
    bool finished = false;
    [[nodiscard]] bool has_content_or_end() const { return blocks > 0 || finished; }
  };
  /// One value to be put in place by repaired_chat_json().
  struct Repair {
    enum class What : std::uint8_t { call_id, finish_reason };
    What what = What::call_id;
    std::size_t choice = 0;  // positions in the arrays of the JSON
    std::size_t call = 0;
    std::string text;
  };

  void terminate(StreamEvents& events);
  /// Ends the blocks of the choice, and the choice.
  static void close(Choice& choice, std::string_view reason, StreamEvents& events);
  static void close_prose(Choice& choice, StreamEvents& events);

  const Candidate& candidate_;
  std::string response_id_;
  std::vector<Choice> choices_;
  std::vector<Repair> repairs_;
  ChatChunk chunk_;
  bool started_ = false;
  bool ended_ = false;
  bool whole_ = false;  // the last JSON was a whole answer: its calls are in message, not in delta
};

}  // namespace turnpike::dialect
