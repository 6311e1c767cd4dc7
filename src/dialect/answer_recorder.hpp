// Watches an answer go by: counts for the ledger, signals for the next decision, and the state that
// clients cannot carry, put into the OpaqueStore when a choice has ended.
//
// Clients of the provider's own dialect carry that state themselves. It is kept for them, too: they
// may lose it (compaction, a step in another dialect) before the conversation comes back to this
// provider. The cost is one copy of the answer's text and, at the end, one entry per call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/opaque_store.hpp"
#include "dialect/proposed_action.hpp"
#include "dialect/stream_event.hpp"
#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::dialect {

/// One per attempt, one thread. The candidate must outlive it.
class AnswerRecorder {
 public:
  /// `action` is shown every event; null: nobody compares.
  AnswerRecorder(const Candidate& candidate, OpaqueStore* opaque, std::string owner, ActionRecorder* action = nullptr);
  void record(const StreamEvent& event);
  void record(const Delta& delta) {
    piece(delta);
    if (action_ != nullptr) action_->record(delta);
  }
  [[nodiscard]] const Tally& tally() const { return tally_; }
  /// Text, reasoning, a refusal or a tool call has been seen.
  [[nodiscard]] bool content_seen() const { return content_seen_; }

 private:
  struct Block {
    BlockKind kind = BlockKind::text;
    std::string call_id;
    std::string text;  // arguments; reasoning and visible text only where the store needs them
    std::vector<OpaqueBlock> opaque;
    bool free_text = false;
    bool whole = true;  // false: too much came, `text` or `opaque` lack some of it
  };
  struct Choice {
    std::int32_t index = 0;
    std::vector<Block> blocks;
  };
  /// What this provider wants back later, if there is a store.
  enum class Keeps : std::uint8_t { nothing, claude, gemini, deepseek };
  static Keeps keeps_of(const Candidate& candidate, const OpaqueStore* opaque);

  void begin(const BlockStart& start);
  void piece(const Delta& delta);
  void opaque(const Opaque& opaque);
  void stop(const Stop& stop);
  void check_calls(const Choice& choice);
  [[nodiscard]] bool keeps_text(BlockKind kind) const;
  bool keep_bytes(Block& block, std::string& kept, std::string_view bytes);
  void keep_turn_state(const Choice& choice);
  [[nodiscard]] std::vector<OpaqueBlock> turn_state(const Choice& choice) const;
  void keep_call_signatures(const Choice& choice);
  void put_call(std::string_view id, const std::vector<OpaqueBlock>& blocks);
  void put(std::string_view key, std::vector<OpaqueBlock> blocks);
  Choice& choice_of(std::int32_t index);
  Block* block_of(std::int32_t choice, std::int32_t block);

  const Candidate& candidate_;
  OpaqueStore* store_;
  std::string owner_;
  ActionRecorder* action_;
  Keeps keeps_;
  std::list<Choice> choices_;
  Tally tally_;
  std::size_t kept_bytes_ = 0;
  bool content_seen_ = false;
};

/// The word of the Chat dialect.
std::string_view chat_finish_reason(StopReason reason);

}  // namespace turnpike::dialect
