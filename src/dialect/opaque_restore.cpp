#include "dialect/opaque_restore.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "dialect/issuer_tag.hpp"

namespace turnpike::dialect {

namespace {

bool has_calls(const ir::Message& message) {
  return std::ranges::any_of(message.blocks, [](const ir::Block& block) {
    return std::holds_alternative<ir::ToolCall>(block);
  });
}

std::string visible_text(const ir::Message& message) {
  std::string text;
  for (const auto& block : message.blocks) {
    if (const auto* part = std::get_if<ir::Text>(&block)) text += part->text;
  }
  return text;
}

bool says_something(const ir::Block& block) {
  const auto* text = std::get_if<ir::Text>(&block);
  return text == nullptr || text->text.find_first_not_of(" \t\r\n") != std::string::npos;
}

/// Index of the first message after the last user turn with content: where the current tool loop
/// begins. Text beside tool results is part of the loop.
std::size_t after_last_question(const std::vector<ir::Message>& messages) {
  std::size_t end = messages.size();
  while (end > 0) {
    std::size_t begin = end;
    bool results = false;
    bool says = false;
    for (; begin > 0 && messages[begin - 1].role != ir::Role::assistant; --begin) {
      const auto& message = messages[begin - 1];
      results |= message.role == ir::Role::tool;
      says |= message.role == ir::Role::user && std::ranges::any_of(message.blocks, says_something);
    }
    if (says && !results) return end;
    end = begin;
    while (end > 0 && messages[end - 1].role == ir::Role::assistant) --end;
  }
  return 0;
}

bool is_own(const OpaqueState& state, OpaqueKind kind, const Candidate& candidate) {
  return state.kind == kind && state.vendor == candidate.provider &&
         state.family == candidate.family;
}

std::optional<OpaqueState> find(const TranslateOptions& options, std::string_view key) {
  if (options.opaque == nullptr || key.empty()) return std::nullopt;
  return options.opaque->find(options.owner, key);
}

/// What the store knows of a turn, whoever made it.
std::optional<OpaqueState> known_state(const ir::Message& message,
                                       const TranslateOptions& options) {
  if (!has_calls(message)) {
    const auto text = visible_text(message);
    return text.empty() ? std::nullopt : find(options, turn_key(text));
  }
  for (const auto& block : message.blocks) {
    const auto* call = std::get_if<ir::ToolCall>(&block);
    if (call == nullptr) continue;
    if (auto state = find(options, call->id)) return state;
  }
  return std::nullopt;
}

/// Neighbouring messages of the assistant become one, as they will upstream, so that thinking finds
/// its place in the whole turn; but not if the store knows them for two turns.
void join_turns(std::vector<ir::Message>& messages, const TranslateOptions& options) {
  std::vector<ir::Message> joined;
  std::optional<OpaqueState> state;  // of the last one
  for (auto& message : messages) {
    const bool assistant = message.role == ir::Role::assistant;
    auto own = assistant ? known_state(message, options) : std::nullopt;
    const bool follows = assistant && !joined.empty() && joined.back().role == ir::Role::assistant;
    if (!follows || (state && own && *state != *own)) {
      joined.push_back(std::move(message));
      state = std::move(own);
      continue;
    }
    for (auto& block : message.blocks) joined.back().blocks.push_back(std::move(block));
    if (!state) state = std::move(own);
  }
  messages = std::move(joined);
}

struct Brought {
  bool any = false;
  bool own = false;  // bears the gateway's token: the target's own family has thought here
};

/// Takes out what the client sent along.
Brought take_client_reasoning(ir::Message& message, const Candidate& candidate) {
  Brought brought;
  std::erase_if(message.blocks, [&](const ir::Block& block) {
    const auto* reasoning = std::get_if<ir::Reasoning>(&block);
    if (reasoning == nullptr) return false;
    brought.any = true;
    const auto tag = read_issuer_tag(reasoning->signature);
    brought.own |= tag && tag->provider == candidate.provider && tag->family == candidate.family;
    return true;
  });
  return brought;
}

/// What a turn of the assistant means to a Claude that wants its thinking back.
struct ClaudeTurn {
  std::size_t index = 0;
  std::optional<OpaqueState> state;  // the target's own
  bool calls = false;
  bool in_loop = false;
  bool lost = false;  // had, or may have had, thinking that is not there
  /// The thinking stands before all else.
  [[nodiscard]] bool leads() const {
    return state && !state->blocks.empty() && state->blocks.front().calls_before == 0 &&
           !state->blocks.front().after_text;
  }
};

std::vector<ClaudeTurn> survey(ir::Request& request, const Candidate& candidate,
                               const TranslateOptions& options) {
  join_turns(request.messages, options);
  const auto loop = after_last_question(request.messages);
  std::vector<ClaudeTurn> turns;
  for (std::size_t i = 0; i < request.messages.size(); ++i) {
    auto& message = request.messages[i];
    if (message.role != ir::Role::assistant) continue;
    auto& turn = turns.emplace_back();
    const auto brought = take_client_reasoning(message, candidate);
    auto state = known_state(message, options);
    turn.index = i;
    turn.calls = has_calls(message);
    turn.in_loop = i >= loop;
    if (state && is_own(*state, OpaqueKind::claude_thinking, candidate))
      turn.state = std::move(state);
    turn.lost = !turn.state && (turn.calls || brought.own);
    request.losses.add_if(brought.any && !turn.state, Loss::reasoning_history);
  }
  return turns;
}

bool loop_has_gap(const std::vector<ClaudeTurn>& turns) {
  return std::ranges::any_of(
      turns, [](const ClaudeTurn& turn) { return turn.in_loop && turn.calls && turn.lost; });
}

bool loop_begins_without(const std::vector<ClaudeTurn>& turns) {
  const auto first = std::ranges::find_if(
      turns, [](const ClaudeTurn& turn) { return turn.in_loop && turn.calls; });
  return first != turns.end() && !first->leads();
}

/// The place of a thinking block among the visible ones.
std::size_t place_of(const OpaqueBlock& thinking, const std::vector<ir::Block>& visible) {
  std::size_t place = 0;
  std::int32_t calls = 0;
  for (std::size_t i = 0; i < visible.size(); ++i) {
    if (std::holds_alternative<ir::ToolCall>(visible[i])) {
      if (++calls <= thinking.calls_before) place = i + 1;
    } else if (calls == thinking.calls_before && thinking.after_text) {
      place = i + 1;
    }
  }
  return place;
}

void weave_in(ir::Message& message, OpaqueState state) {
  std::vector<std::pair<std::size_t, ir::Reasoning>> placed;  // in the order of the provider
  for (auto& block : state.blocks) {
    const auto least = placed.empty() ? 0 : placed.back().first;
    const auto place = std::max(least, place_of(block, message.blocks));
    placed.emplace_back(place, ir::Reasoning{std::move(block.text), std::move(block.signature),
                                             block.form == OpaqueBlock::Form::redacted});
  }
  std::vector<ir::Block> woven;
  auto next = placed.begin();
  for (std::size_t i = 0; i <= message.blocks.size(); ++i) {
    for (; next != placed.end() && next->first <= i; ++next)
      woven.emplace_back(std::move(next->second));
    if (i < message.blocks.size()) woven.push_back(std::move(message.blocks[i]));
  }
  message.blocks = std::move(woven);
}

bool is_base64(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '-' || c == '_' || c == '=';
  });
}

/// The signature of one call or text: the store's if it is the target's own. What the client
/// brought itself stays only if nobody knows better: it may be neither the gateway's token nor
/// beside a call that another model has made.
void sign(std::string& signature, std::string_view key, const Candidate& candidate,
          const TranslateOptions& options) {
  const auto state = find(options, key);
  const bool own = state && is_own(*state, OpaqueKind::gemini_signature, candidate);
  if (own && !state->blocks.empty()) {
    options.note_put_back(*state);
    signature = state->blocks.back().signature;
  } else if (state || !is_base64(signature) || read_issuer_tag(signature)) {
    signature.clear();
  }
}

/// Signs the calls; gives the first of them.
ir::ToolCall* sign_calls(ir::Message& message, const Candidate& candidate,
                         const TranslateOptions& options) {
  ir::ToolCall* first = nullptr;
  for (auto& block : message.blocks) {
    auto* call = std::get_if<ir::ToolCall>(&block);
    if (call == nullptr) continue;
    if (first == nullptr) first = call;
    sign(call->signature, call->id, candidate, options);
  }
  return first;
}

/// Of a turn without calls the last text is signed.
void sign_texts(ir::Message& message, const Candidate& candidate, const TranslateOptions& options) {
  for (auto& block : message.blocks) {
    auto* text = std::get_if<ir::Text>(&block);
    if (text == nullptr) continue;
    const bool last = &block == &message.blocks.back() && !has_calls(message);
    sign(text->signature, last ? turn_key(visible_text(message)) : std::string{}, candidate,
         options);
  }
}

}  // namespace

bool restore_claude_thinking(ir::Request& request, const Candidate& candidate,
                             const TranslateOptions& options) {
  auto turns = survey(request, candidate, options);
  const bool must_lead = candidate.thinking == ThinkingStyle::claude_budget;
  const bool loop_gap = loop_has_gap(turns) || (must_lead && loop_begins_without(turns));
  const bool gap = must_lead ? loop_gap : std::ranges::any_of(turns, &ClaudeTurn::lost);
  for (auto& turn : turns) {
    if (!turn.state || turn.state->blocks.empty()) continue;
    if (gap) {
      request.losses.add(Loss::reasoning_history);
    } else {
      options.note_put_back(*turn.state);
      weave_in(request.messages[turn.index], std::move(*turn.state));
    }
  }
  return loop_gap;
}

void restore_gemini_signatures(ir::Request& request, const Candidate& candidate,
                               const TranslateOptions& options) {
  bool step_begins = true;  // parallel calls may come in several messages
  for (auto& message : request.messages) {
    if (message.role != ir::Role::assistant) {
      step_begins = true;
      continue;
    }
    request.losses.add_if(take_client_reasoning(message, candidate).any, Loss::reasoning_history);
    sign_texts(message, candidate, options);
    auto* first = sign_calls(message, candidate, options);
    if (first == nullptr || !std::exchange(step_begins, false)) continue;
    if (!candidate.quirks.signatures_required || !first->signature.empty()) continue;
    first->signature = gemini_stand_in_signature;
    request.losses.add(Loss::reasoning_history);
  }
}

}  // namespace turnpike::dialect
