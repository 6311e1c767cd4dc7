#include "dialect/answer_recorder.hpp"

#include <algorithm>
#include <utility>

#include "dialect/server_tool_usage.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {
namespace {

/// Over a whole answer. Beyond this nothing is kept: the store would not take it, and the stream
/// must not hold it.
constexpr std::size_t kept_bytes_max = std::size_t{8} << 20U;
constexpr std::size_t blocks_max = 65536;

/// Without the parser: the events under way still point into what it parsed last.
bool is_json_object(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && text[begin] == '{' &&
         !wire::check_json(text, wire::json_depth_max).fault;
}

}  // namespace

std::string_view chat_finish_reason(StopReason reason) {
  switch (reason) {
    case StopReason::length:
      return "length";
    case StopReason::tool_calls:
      return "tool_calls";
    case StopReason::content_filter:
      return "content_filter";
    case StopReason::natural:
    case StopReason::stop_sequence:
    case StopReason::pause:
      break;
  }
  return "stop";
}

AnswerRecorder::AnswerRecorder(const Candidate& candidate, OpaqueStore* opaque, std::string owner,
                               ActionRecorder* action)
    : candidate_(candidate),
      store_(opaque),
      owner_(std::move(owner)),
      action_(action),
      keeps_(keeps_of(candidate, opaque)) {}

// DeepSeek's plain reasoning is wanted back whichever of its endpoints has answered.
AnswerRecorder::Keeps AnswerRecorder::keeps_of(const Candidate& candidate,
                                               const OpaqueStore* opaque) {
  if (opaque == nullptr) return Keeps::nothing;
  if (candidate.quirks.reasoning_history) return Keeps::deepseek;
  if (candidate.dialect == Dialect::anthropic_messages) return Keeps::claude;
  if (candidate.dialect == Dialect::gemini_generate) return Keeps::gemini;
  return Keeps::nothing;
}

void AnswerRecorder::record(const StreamEvent& event) {
  if (action_ != nullptr) action_->record(event);
  std::visit(Overloaded{
                 [this](const Start& start) {
                   if (!content_seen_) choices_.clear();
                   tally_.response_id = start.id;
                   tally_.model_returned = start.model;
                 },
                 [this](const BlockStart& start) { begin(start); },
                 [this](const Delta& delta) { piece(delta); },
                 [this](const Opaque& state) { opaque(state); },
                 [this](const UsageReport& report) {
                   tally_.usage = report.usage;
                   tally_.usage.items = billed_calls(report.usage.items, candidate_);
                   tally_.usage_reported = tally_.usage_reported || report.final;
                   tally_.usage_plausible = report.plausible;
                 },
                 [this](const Stop& reason) { stop(reason); },
                 [](const auto&) {},
             },
             event);
}

void AnswerRecorder::begin(const BlockStart& start) {
  Choice& choice = choice_of(start.choice);
  const auto position = static_cast<std::size_t>(start.block);
  if (position >= blocks_max) return;
  if (choice.blocks.size() <= position) choice.blocks.resize(position + 1);
  Block& block = choice.blocks[position];
  block.kind = start.kind;
  if (start.kind != BlockKind::tool_call) return;
  block.call_id = start.id;
  block.free_text = start.free_text;
  ++tally_.tool_calls;
  content_seen_ = true;
}

void AnswerRecorder::piece(const Delta& delta) {
  if (delta.bytes.empty()) return;
  content_seen_ = true;
  tally_.output_bytes += static_cast<std::int64_t>(delta.bytes.size());
  if (delta.kind == BlockKind::refusal) tally_.refusal = true;
  if (!keeps_text(delta.kind)) return;
  if (Block* block = block_of(delta.choice, delta.block)) {
    keep_bytes(*block, block->text, delta.bytes);
  }
}

/// Arguments are always looked at; the visible text is part of the key or of the place.
bool AnswerRecorder::keeps_text(BlockKind kind) const {
  switch (kind) {
    case BlockKind::tool_call:
      return true;
    case BlockKind::reasoning:
      return keeps_ == Keeps::claude || keeps_ == Keeps::deepseek;
    case BlockKind::text:
      return keeps_ == Keeps::claude || keeps_ == Keeps::gemini;
    case BlockKind::refusal:
      break;
  }
  return false;
}

/// Half a text is worse than none: a block that has missed a piece takes no more.
bool AnswerRecorder::keep_bytes(Block& block, std::string& kept, std::string_view bytes) {
  block.whole = block.whole && kept_bytes_ + bytes.size() <= kept_bytes_max;
  if (!block.whole) return false;
  kept_bytes_ += bytes.size();
  kept += bytes;
  return true;
}

// A signature may itself come in pieces: they concatenate.
void AnswerRecorder::opaque(const Opaque& state) {
  if (keeps_ != Keeps::claude && keeps_ != Keeps::gemini) return;
  Block* block = block_of(state.choice, state.block);
  if (block == nullptr) return;
  auto form = OpaqueBlock::Form::redacted;
  if (state.form == Opaque::Form::signature) {
    form = keeps_ == Keeps::gemini ? OpaqueBlock::Form::signature : OpaqueBlock::Form::thinking;
  }
  if (block->opaque.empty() || block->opaque.back().form != form) {
    block->opaque.push_back({form, {}, {}});
  }
  keep_bytes(*block, block->opaque.back().signature, state.bytes);
}

void AnswerRecorder::stop(const Stop& stop) {
  if (tally_.finish.empty() || stop.choice == 0) tally_.finish = chat_finish_reason(stop.reason);
  if (stop.reason == StopReason::content_filter) tally_.refusal = true;
  const Choice& choice = choice_of(stop.choice);
  // A call cut by the limit is no fault of the model, and not worth keeping.
  if (stop.reason == StopReason::length) return;
  check_calls(choice);
  if (keeps_ == Keeps::gemini) keep_call_signatures(choice);
  if (keeps_ == Keeps::claude || keeps_ == Keeps::deepseek) keep_turn_state(choice);
}

// No arguments at all are common for tools without parameters.
void AnswerRecorder::check_calls(const Choice& choice) {
  for (const Block& block : choice.blocks) {
    if (block.kind != BlockKind::tool_call || block.free_text || block.text.empty()) continue;
    if (block.whole && !is_json_object(block.text)) tally_.invalid_tool_json = true;
  }
}

/// Claude and DeepSeek want the reasoning of the whole turn, in order; it is found again by any of
/// its calls. That a turn with calls had none is worth knowing, too: it is then no gap.
void AnswerRecorder::keep_turn_state(const Choice& choice) {
  if (!std::ranges::all_of(choice.blocks, &Block::whole)) return;
  const std::vector<OpaqueBlock> state = turn_state(choice);
  std::string visible;
  bool calls = false;
  for (const Block& block : choice.blocks) {
    if (block.kind == BlockKind::text) visible += block.text;
    if (block.kind != BlockKind::tool_call) continue;
    calls = true;
    put_call(block.call_id, state);
  }
  // DeepSeek ignores the reasoning of turns without calls.
  if (calls || keeps_ != Keeps::claude || state.empty() || visible.empty()) return;
  put(turn_key(visible), state);
}

/// Each piece of reasoning with its place among what the client sees.
std::vector<OpaqueBlock> AnswerRecorder::turn_state(const Choice& choice) const {
  std::vector<OpaqueBlock> state;
  std::int32_t calls = 0;
  bool after_text = false;
  const auto add = [&](OpaqueBlock part) {
    part.calls_before = calls;
    part.after_text = after_text;
    state.push_back(std::move(part));
  };
  for (const Block& block : choice.blocks) {
    if (block.kind == BlockKind::tool_call) {
      ++calls;
      after_text = false;
    } else if (block.kind == BlockKind::text) {
      after_text |= !block.text.empty();
    } else if (block.kind == BlockKind::reasoning && keeps_ == Keeps::deepseek) {
      if (!block.text.empty()) add({OpaqueBlock::Form::reasoning, block.text, {}});
    } else if (block.kind == BlockKind::reasoning) {
      for (OpaqueBlock part : block.opaque) {
        if (part.form == OpaqueBlock::Form::thinking) part.text = block.text;
        add(std::move(part));
      }
    }
  }
  return state;
}

/// Gemini signs parts: each call that has a signature, or the text of an answer without calls.
void AnswerRecorder::keep_call_signatures(const Choice& choice) {
  std::vector<OpaqueBlock> of_text;
  std::string visible;
  bool calls = false;
  bool whole = true;
  for (const Block& block : choice.blocks) {
    if (block.kind == BlockKind::tool_call) {
      calls = true;
      if (block.whole && !block.opaque.empty()) put_call(block.call_id, block.opaque);
    } else if (block.kind == BlockKind::text) {
      visible += block.text;
      whole = whole && block.whole;
      if (!block.opaque.empty()) of_text = block.opaque;
    }
  }
  if (whole && !calls && !of_text.empty() && !visible.empty())
    put(turn_key(visible), std::move(of_text));
}

/// Clients with narrow rules for ids know the call by another one.
void AnswerRecorder::put_call(std::string_view id, const std::vector<OpaqueBlock>& blocks) {
  if (id.empty()) return;
  put(id, blocks);
  const std::string narrow = wire_tool_id(id);
  if (narrow != id) put(narrow, blocks);
}

void AnswerRecorder::put(std::string_view key, std::vector<OpaqueBlock> blocks) {
  tally_.state_left = tally_.state_left || !blocks.empty();
  OpaqueState state;
  state.vendor = candidate_.provider;
  state.family = candidate_.family;
  state.kind = keeps_ == Keeps::claude   ? OpaqueKind::claude_thinking
               : keeps_ == Keeps::gemini ? OpaqueKind::gemini_signature
                                         : OpaqueKind::deepseek_reasoning;
  state.blocks = std::move(blocks);
  if (!key.empty()) store_->put(owner_, key, std::move(state));
}

AnswerRecorder::Choice& AnswerRecorder::choice_of(std::int32_t index) {
  for (Choice& choice : choices_) {
    if (choice.index == index) return choice;
  }
  Choice& added = choices_.emplace_back();
  added.index = index;
  return added;
}

AnswerRecorder::Block* AnswerRecorder::block_of(std::int32_t choice, std::int32_t block) {
  auto& blocks = choice_of(choice).blocks;
  const auto position = static_cast<std::size_t>(block);
  return position < blocks.size() ? &blocks[position] : nullptr;
}

}  // namespace turnpike::dialect
