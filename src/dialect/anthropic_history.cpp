#include "dialect/anthropic_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "dialect/anthropic_edit.hpp"
#include "dialect/anthropic_thinking.hpp"
#include "dialect/anthropic_turns.hpp"
#include "dialect/issuer_tag.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;
using Kind = RawBlock::Kind;

constexpr std::size_t claude_signature_min = 64;  // the shortest recorded one has 400 characters

/// DeepSeek accepts it for turns that it has not made (wire-formats "DeepSeek", history rule).
constexpr std::string_view empty_thinking = R"({"type":"thinking","thinking":"","signature":""})";

bool is_base64(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '=';
}

/// Long base64 of a protocol buffer whose first field is number 2, a message: all recorded
/// signatures and redacted data of Claude begin so.
bool has_claude_form(std::string_view signature) {
  return signature.size() >= claude_signature_min && signature[0] == 'E' && signature[1] >= 'g' &&
         signature[1] <= 'v' && std::ranges::all_of(signature, is_base64);
}

/// DeepSeek signs with the message's id.
bool has_uuid_form(std::string_view signature) {
  if (signature.size() != 36) return false;
  for (std::size_t i = 0; i < signature.size(); ++i) {
    const char c = signature[i];
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (hyphen ? c != '-' : !hex) return false;
  }
  return true;
}

bool is_own(const OpaqueState& state, const Candidate& candidate) {
  return state.vendor == candidate.provider && state.family == candidate.family;
}

const OpaqueBlock* find_signature(const OpaqueState* state, std::string_view signature) {
  if (state == nullptr || signature.empty()) return nullptr;
  const auto block = std::ranges::find(state->blocks, signature, &OpaqueBlock::signature);
  return block == state->blocks.end() ? nullptr : &*block;
}

std::string thinking_json(const OpaqueBlock& block) {
  if (block.form == OpaqueBlock::Form::redacted) {
    return fmt::format(R"({{"type":"redacted_thinking","data":{}}})", quoted_json(block.signature));
  }
  return fmt::format(R"({{"type":"thinking","thinking":{},"signature":{}}})",
                     quoted_json(block.text), quoted_json(block.signature));
}

/// What the history's thinking is to one turn of the assistant.
struct Finding {
  RawTurn* turn = nullptr;
  std::optional<OpaqueState> state;  // what the store knows of the turn, whoever made it
  bool calls = false;
  bool in_loop = false;
  bool foreign = false;
  bool stripped = false;
};

class Fitter {
 public:
  Fitter(const Candidate& candidate, const TranslateOptions& options, const HistoryRules& rules,
         Losses& losses)
      : candidate_(candidate),
        options_(options),
        rules_(rules),
        losses_(losses),
        claude_(is_claude(candidate)),
        insists_(candidate.thinking == ThinkingStyle::claude_budget),
        bound_(candidate.thinking == ThinkingStyle::claude_adaptive ||
               candidate.thinking == ThinkingStyle::claude_always),
        deepseek_(candidate.thinking == ThinkingStyle::deepseek_effort) {}

  FittedHistory run(JsonView messages) {
    turns_ = read_raw_turns(messages);
    const bool may_lack = rules_.thinking_on && (deepseek_ || insists_ || rules_.restore);
    if (rules_.opaque_state || may_lack) fit_thinking();
    if (rules_.references_to_text) replace_references();
    for (auto& turn : turns_) drop_if_emptied(turn);
    if (needs_joining()) {
      out_.messages = join_raw_turns(turns_, rules_.system_to_user, rules_.end_with_user);
    }
    for (const auto& turn : turns_) out_.thinking_left |= !turn.removed && turn.has_thinking();
    return std::move(out_);
  }

 private:
  void fit_thinking() {
    survey();
    strip_foreign();
    if (rules_.thinking_on) {
      if (deepseek_) supply_deepseek();
      if (claude_ && rules_.restore) restore();
      if (insists_) check_loop();
    }
    if (claude_) correct_texts();
  }

  // ---- looking ------------------------------------------------------------------------------

  void survey() {
    const auto loop = loop_begin();
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      auto& turn = turns_[i];
      if (turn.role != RawTurn::Role::assistant) continue;
      Finding finding;
      finding.turn = &turn;
      finding.calls = turn.has(Kind::call);
      finding.in_loop = i >= loop;
      finding.state = known_state(turn, finding.calls);
      finding.foreign = std::ranges::any_of(turn.blocks, [&](const RawBlock& block) {
        return block.is_thinking() && is_foreign(block, finding);
      });
      findings_.push_back(std::move(finding));
    }
  }

  /// Behind the last message of the user that is no continuation of a tool loop.
  [[nodiscard]] std::size_t loop_begin() const {
    for (std::size_t i = turns_.size(); i > 0; --i) {
      const auto& turn = turns_[i - 1];
      if (turn.role == RawTurn::Role::user && !turn.has(Kind::result)) return i;
    }
    return 0;
  }

  [[nodiscard]] std::optional<OpaqueState> known_state(const RawTurn& turn, bool calls) const {
    if (options_.opaque == nullptr) return std::nullopt;
    if (!calls) {
      const auto text = turn.visible_text();
      if (text.empty()) return std::nullopt;
      return options_.opaque->find(options_.owner, turn_key(text));
    }
    for (const auto& block : turn.blocks) {
      if (block.kind != Kind::call) continue;
      const auto id = JsonFields{block.raw}["id"].text();
      if (auto state = options_.opaque->find(options_.owner, id)) return state;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool is_foreign(const RawBlock& block, const Finding& finding) const {
    const bool redacted = block.kind == Kind::redacted;
    const auto signature = JsonFields{block.raw}[redacted ? "data" : "signature"].text();
    return is_foreign_thinking(signature, redacted, finding.state ? &*finding.state : nullptr,
                               candidate_);
  }

  // ---- taking out ---------------------------------------------------------------------------

  void strip(Finding& finding) {
    for (auto& block : finding.turn->blocks) {
      if (!block.is_thinking() || block.removed) continue;
      block.removed = true;
      finding.turn->changed = true;
      finding.stripped = true;
      losses_.add(Loss::reasoning_history);
    }
  }

  void strip_foreign() {
    foreign_ = std::ranges::any_of(findings_, &Finding::foreign);
    for (auto& finding : findings_) {
      if (finding.foreign || (foreign_ && bound_)) strip(finding);
    }
  }

  static void drop_if_emptied(RawTurn& turn) {
    turn.removed = turn.changed && turn.first() == nullptr;
  }

  // ---- putting back -------------------------------------------------------------------------

  [[nodiscard]] bool restorable(const Finding& finding) const {
    return finding.state && is_own(*finding.state, candidate_) && !finding.state->blocks.empty();
  }

  /// Where a block stood among those that the client has kept.
  static std::size_t place_of(const OpaqueBlock& thinking, const RawTurn& turn) {
    std::size_t place = 0;
    std::int32_t calls = 0;
    for (std::size_t i = 0; i < turn.blocks.size(); ++i) {
      if (turn.blocks[i].kind == Kind::call) {
        if (++calls <= thinking.calls_before) place = i + 1;
      } else if (calls == thinking.calls_before && thinking.after_text) {
        place = i + 1;
      }
    }
    return place;
  }

  void weave_in(Finding& finding) {
    if (!finding.state) return;
    options_.note_put_back(*finding.state);
    auto& turn = *finding.turn;
    if (turn.content.is_string()) {
      turn.insert(0, Kind::text, fmt::format(R"({{"type":"text","text":{}}})", turn.content.raw()));
    }
    std::vector<std::pair<std::size_t, std::string>> placed;  // in the order of the provider
    for (const auto& block : finding.state->blocks) {
      const auto least = placed.empty() ? 0 : placed.back().first;
      placed.emplace_back(std::max(least, place_of(block, turn)), thinking_json(block));
    }
    std::size_t before = 0;
    for (auto& [place, json] : placed) {
      turn.insert(place + before++, Kind::thinking, std::move(json));
    }
    finding.stripped = false;
    out_.restored = true;
  }

  /// Every turn with calls must bring its thinking, an empty one if it was made elsewhere.
  void supply_deepseek() {
    for (auto& finding : findings_) {
      if (!finding.calls || finding.turn->has_thinking()) continue;
      if (restorable(finding)) {
        weave_in(finding);
      } else {
        finding.turn->insert(0, Kind::thinking, std::string{empty_thinking});
      }
    }
  }

  /// Not what stands before the first call: until then nothing is insisted on and nothing is put
  /// back, and what has been sent once stays as it was.
  void restore() {
    const auto begin = std::ranges::find_if(findings_, &Finding::calls);
    if (!insists_) {
      // All or none: only where the client keeps nothing and nothing of it is unknown.
      const auto fits = [this](const Finding& finding) {
        return !finding.turn->has_thinking() && (!finding.calls || restorable(finding));
      };
      if (foreign_ || !std::ranges::all_of(findings_, fits)) return;
    }
    for (auto finding = begin; finding != findings_.end(); ++finding) {
      if (finding->turn->has_thinking() || !restorable(*finding)) continue;
      weave_in(*finding);
      loop_restored_ |= finding->in_loop;
    }
  }

  /// A later step may have had no thinking. It is taken at its word if the store knows so, or if
  /// it knows nothing and the client carries the thinking of the loop itself.
  [[nodiscard]] bool lacks_thinking(const Finding& finding) const {
    if (finding.turn->has_thinking()) return false;
    if (!finding.state) return loop_restored_;
    return !is_own(*finding.state, candidate_) || !finding.state->blocks.empty();
  }

  /// The loop must begin with thinking, and nothing of it may be missing further on.
  void check_loop() {
    bool first = true;
    for (const auto& finding : findings_) {
      if (!finding.in_loop || !finding.calls) continue;
      const auto* block = finding.turn->first();
      const bool leads = block != nullptr && block->is_thinking();
      out_.loop_gap |= finding.stripped || (first ? !leads : lacks_thinking(finding));
      first = false;
    }
    if (!out_.loop_gap) return;
    for (auto& finding : findings_) strip(finding);
    out_.restored = false;
  }

  /// Some clients trim what they return; Claude refuses thinking that is not as it was.
  void correct_texts() {
    for (auto& finding : findings_) {
      for (auto& block : finding.turn->blocks) {
        if (block.kind != Kind::thinking || block.removed || !block.changed.empty()) continue;
        const JsonFields fields{block.raw};
        const auto* kept =
            find_signature(finding.state ? &*finding.state : nullptr, fields["signature"].text());
        if (kept == nullptr || kept->text == fields["thinking"].text()) continue;
        block.changed = thinking_json(*kept);
        finding.turn->changed = true;
      }
    }
  }

  // ---- the rest -----------------------------------------------------------------------------

  void replace_references() {
    for (auto& turn : turns_) {
      for (auto& block : turn.blocks) {
        if (block.kind != Kind::result) continue;
        const MemberEdit edit{"content", without_references(JsonFields{block.raw}["content"])};
        if (!edit.value) continue;
        block.changed = edited_object(block.raw, {&edit, 1});
        turn.changed = true;
        losses_.add(Loss::defer_loading);
      }
    }
  }

  /// Nothing if there is none.
  static std::optional<std::string> without_references(JsonView content) {
    std::string list;
    bool found = false;
    for (const auto& part : content.elements()) {
      const JsonFields fields{part};
      if (!list.empty()) list += ',';
      if (!fields["type"].text_is("tool_reference")) {
        list.append(part.raw());
        continue;
      }
      found = true;
      const auto text = fmt::format("Tool {} is now available.", fields["tool_name"].text());
      list += fmt::format(R"({{"type":"text","text":{}}})", quoted_json(text));
    }
    if (!found) return std::nullopt;
    return "[" + list + "]";
  }

  [[nodiscard]] bool needs_joining() const {
    const auto touched = [this](const RawTurn& turn) {
      return turn.changed || (rules_.system_to_user && turn.role == RawTurn::Role::system);
    };
    if (std::ranges::any_of(turns_, touched)) return true;
    return rules_.end_with_user && !turns_.empty() &&
           turns_.back().role == RawTurn::Role::assistant;
  }

  const Candidate& candidate_;
  const TranslateOptions& options_;
  const HistoryRules& rules_;
  Losses& losses_;
  const bool claude_;
  const bool insists_;  // a loop must begin with thinking
  const bool bound_;    // all thinking or none
  const bool deepseek_;
  std::vector<RawTurn> turns_;
  std::vector<Finding> findings_;
  bool foreign_ = false;
  bool loop_restored_ = false;
  FittedHistory out_;
};

}  // namespace

bool is_foreign_thinking(std::string_view signature, bool redacted, const OpaqueState* state,
                         const Candidate& candidate) {
  if (find_signature(state, signature) != nullptr) return !is_own(*state, candidate);
  if (read_issuer_tag(signature)) return true;
  if (is_claude(candidate)) return signature.empty() || has_uuid_form(signature);
  return redacted || has_claude_form(signature);
}

FittedHistory fit_history(JsonView messages, const Candidate& candidate,
                          const TranslateOptions& options, const HistoryRules& rules,
                          Losses& losses) {
  return Fitter{candidate, options, rules, losses}.run(messages);
}

}  // namespace turnpike::dialect
