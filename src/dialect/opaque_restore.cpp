#include "dialect/opaque_restore.hpp"

#include <algorithm>
#include <optional>
#include <utility>

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
/// begins.
std::size_t loop_begin(const std::vector<ir::Message>& messages) {
  for (std::size_t i = messages.size(); i > 0; --i) {
    const auto& message = messages[i - 1];
    if (message.role == ir::Role::user && std::ranges::any_of(message.blocks, says_something))
      return i;
  }
  return 0;
}

std::optional<OpaqueState> find_own(const TranslateOptions& options, const Candidate& candidate,
                                    OpaqueKind kind, std::string_view key) {
  if (options.opaque == nullptr || key.empty()) return std::nullopt;
  auto state = options.opaque->find(options.owner, key);
  const bool own = state && state->kind == kind && state->vendor == candidate.provider &&
                   state->family == candidate.family;
  return own ? std::move(state) : std::nullopt;
}

/// True if the client sent reasoning along.
bool drop_client_reasoning(ir::Message& message) {
  return std::erase_if(message.blocks, [](const ir::Block& block) {
           return std::holds_alternative<ir::Reasoning>(block);
         }) > 0;
}

std::optional<OpaqueState> claude_state(const ir::Message& message, const Candidate& candidate,
                                        const TranslateOptions& options) {
  if (!has_calls(message)) {
    const auto text = visible_text(message);
    if (text.empty()) return std::nullopt;
    return find_own(options, candidate, OpaqueKind::claude_thinking, turn_key(text));
  }
  for (const auto& block : message.blocks) {
    const auto* call = std::get_if<ir::ToolCall>(&block);
    if (call == nullptr) continue;
    if (auto state = find_own(options, candidate, OpaqueKind::claude_thinking, call->id))
      return state;
  }
  return std::nullopt;
}

/// The place of a thinking block among the visible ones.
std::size_t place_of(const OpaqueBlock& thinking, const std::vector<ir::Block>& visible) {
  std::size_t place = 0;
  std::int32_t calls = 0;
  for (std::size_t i = 0; i < visible.size(); ++i) {
    if (std::holds_alternative<ir::ToolCall>(visible[i])) {
      if (++calls <= thinking.calls_before) place = i + 1;
    } else if (calls == 0 && thinking.after_text) {
      place = i + 1;
    }
  }
  return place;
}

void weave_in(ir::Message& message, OpaqueState state) {
  std::vector<std::pair<std::size_t, ir::Reasoning>> placed;
  for (auto& block : state.blocks) {
    const auto place = place_of(block, message.blocks);
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

/// The first call of the message; there must be one.
ir::ToolCall& sign_calls(ir::Message& message, const Candidate& candidate,
                         const TranslateOptions& options) {
  ir::ToolCall* first = nullptr;
  for (auto& block : message.blocks) {
    auto* call = std::get_if<ir::ToolCall>(&block);
    if (call == nullptr) continue;
    if (first == nullptr) first = call;
    const auto state = find_own(options, candidate, OpaqueKind::gemini_signature, call->id);
    if (state && !state->blocks.empty()) call->signature = state->blocks.back().signature;
  }
  return *first;
}

void sign_text(ir::Message& message, const Candidate& candidate, const TranslateOptions& options) {
  auto* last = message.blocks.empty() ? nullptr : std::get_if<ir::Text>(&message.blocks.back());
  if (last == nullptr) return;
  const auto state =
      find_own(options, candidate, OpaqueKind::gemini_signature, turn_key(visible_text(message)));
  if (state && !state->blocks.empty()) last->signature = state->blocks.back().signature;
}

}  // namespace

bool restore_claude_thinking(ir::Request& request, const Candidate& candidate,
                             const TranslateOptions& options) {
  const bool must_lead = candidate.thinking == ThinkingStyle::claude_budget;
  const auto loop = loop_begin(request.messages);
  bool gap = false;
  bool gap_in_loop = false;
  std::vector<std::pair<std::size_t, OpaqueState>> found;
  for (std::size_t i = 0; i < request.messages.size(); ++i) {
    auto& message = request.messages[i];
    if (message.role != ir::Role::assistant) continue;
    const bool client_had_some = drop_client_reasoning(message);
    auto state = claude_state(message, candidate, options);
    const bool missing = has_calls(message) && (!state || (must_lead && state->blocks.empty()));
    gap |= missing;
    gap_in_loop |= missing && i >= loop;
    request.losses.add_if(client_had_some && !state, Loss::reasoning_history);
    if (state) found.emplace_back(i, std::move(*state));
  }
  if (must_lead ? gap_in_loop : gap) {
    request.losses.add_if(!found.empty(), Loss::reasoning_history);
    return gap_in_loop;
  }
  for (auto& [index, state] : found) weave_in(request.messages[index], std::move(state));
  return false;
}

void restore_gemini_signatures(ir::Request& request, const Candidate& candidate,
                               const TranslateOptions& options) {
  const auto loop = loop_begin(request.messages);
  for (std::size_t i = 0; i < request.messages.size(); ++i) {
    auto& message = request.messages[i];
    if (message.role != ir::Role::assistant) continue;
    request.losses.add_if(drop_client_reasoning(message), Loss::reasoning_history);
    if (!has_calls(message)) {
      sign_text(message, candidate, options);
      continue;
    }
    auto& first = sign_calls(message, candidate, options);
    if (i < loop || !candidate.quirks.signatures_required || !first.signature.empty()) continue;
    first.signature = gemini_stand_in_signature;
    request.losses.add(Loss::reasoning_history);
  }
}

}  // namespace turnpike::dialect
