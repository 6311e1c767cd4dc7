#include "dialect/answer_recorder.hpp"

#include <algorithm>
#include <utility>

#include "wire/json_check.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {
namespace {

/// Reasoning beyond this is not kept: the store would not take it, and the stream must not hold it.
constexpr std::size_t kept_text_max = std::size_t{4} << 20U;
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

AnswerRecorder::AnswerRecorder(const Candidate& candidate, OpaqueStore* opaque, std::string owner)
    : candidate_(candidate),
      store_(opaque),
      owner_(std::move(owner)),
      keeps_(keeps_of(candidate, opaque)) {}

AnswerRecorder::Keeps AnswerRecorder::keeps_of(const Candidate& candidate,
                                               const OpaqueStore* opaque) {
  if (opaque == nullptr) return Keeps::nothing;
  switch (candidate.dialect) {
    case Dialect::anthropic_messages:
      return Keeps::claude;
    case Dialect::gemini_generate:
      return Keeps::gemini;
    case Dialect::openai_chat:
      return candidate.quirks.reasoning_history ? Keeps::deepseek : Keeps::nothing;
    case Dialect::openai_responses:
      break;
  }
  return Keeps::nothing;
}

void AnswerRecorder::record(const StreamEvent& event) {
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
  const bool kept =
      delta.kind == BlockKind::tool_call ||
      (delta.kind == BlockKind::reasoning &&
       (keeps_ == Keeps::claude || keeps_ == Keeps::deepseek)) ||
      (delta.kind == BlockKind::text && (keeps_ == Keeps::claude || keeps_ == Keeps::gemini));
  Block* block = kept ? block_of(delta.choice, delta.block) : nullptr;
  if (block != nullptr && block->text.size() + delta.bytes.size() <= kept_text_max) {
    block->text += delta.bytes;
  }
}

// A signature may itself come in pieces: they concatenate.
void AnswerRecorder::opaque(const Opaque& state) {
  Block* block = block_of(state.choice, state.block);
  if (block == nullptr || keeps_ == Keeps::nothing || state.bytes.size() > kept_text_max) return;
  auto form = OpaqueBlock::Form::redacted;
  if (state.form == Opaque::Form::signature) {
    form = keeps_ == Keeps::gemini ? OpaqueBlock::Form::signature : OpaqueBlock::Form::thinking;
  }
  if (block->opaque.empty() || block->opaque.back().form != form) {
    block->opaque.push_back({form, {}, {}});
  }
  std::string& signature = block->opaque.back().signature;
  if (signature.size() + state.bytes.size() <= kept_text_max) signature += state.bytes;
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
    if (!is_json_object(block.text)) tally_.invalid_tool_json = true;
  }
}

/// Claude and DeepSeek want the reasoning of the whole turn, in order; it is found again by any of
/// its calls.
void AnswerRecorder::keep_turn_state(const Choice& choice) {
  std::vector<OpaqueBlock> state;
  std::string visible;
  bool calls = false;
  for (const Block& block : choice.blocks) {
    calls |= block.kind == BlockKind::tool_call;
    if (block.kind == BlockKind::text) visible += block.text;
    if (block.kind != BlockKind::reasoning) continue;
    if (keeps_ == Keeps::deepseek) {
      state.push_back({OpaqueBlock::Form::reasoning, block.text, {}});
      continue;
    }
    for (OpaqueBlock part : block.opaque) {
      if (part.form == OpaqueBlock::Form::thinking) part.text = block.text;
      state.push_back(std::move(part));
    }
  }
  if (state.empty()) return;
  for (const Block& block : choice.blocks) {
    if (block.kind == BlockKind::tool_call) put(block.call_id, state);
  }
  // DeepSeek ignores the reasoning of turns without calls.
  if (!calls && keeps_ == Keeps::claude && !visible.empty()) put(turn_key(visible), state);
}

/// Gemini signs parts: each call that has a signature, or the text of an answer without calls.
void AnswerRecorder::keep_call_signatures(const Choice& choice) {
  std::vector<OpaqueBlock> of_text;
  std::string visible;
  bool calls = false;
  for (const Block& block : choice.blocks) {
    if (block.kind == BlockKind::tool_call) {
      calls = true;
      if (!block.opaque.empty()) put(block.call_id, block.opaque);
    } else if (block.kind == BlockKind::text) {
      visible += block.text;
      if (!block.opaque.empty()) of_text = block.opaque;
    }
  }
  if (!calls && !of_text.empty() && !visible.empty()) put(turn_key(visible), std::move(of_text));
}

void AnswerRecorder::put(std::string_view key, std::vector<OpaqueBlock> blocks) const {
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
