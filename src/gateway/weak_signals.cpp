#include "gateway/weak_signals.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace turnpike::gateway {
namespace {

// How far a hint is believed, next to a pair of outcomes on the same step. Tool errors are part of any loop (a search
// that finds nothing, a compiler that does its work), so one of them says little; what people say and what moved a loop
// up says more. Steps without trouble are many: together they must not drown the others.
constexpr float unusable_weight = 0.4F;
constexpr float escalation_weight = 0.3F;
constexpr float correction_weight = 0.3F;
constexpr float test_weight = 0.2F;
constexpr float repeat_weight = 0.15F;
constexpr float error_weight = 0.1F;
constexpr float quiet_weight = 0.05F;

bool part_of_loop(StepKind kind) { return kind == StepKind::human_turn || kind == StepKind::tool_continuation; }

Outcome failed(OutcomeSource source, float weight) { return {.source = source, .weak_failed = 1, .weight = weight}; }

/// What this step shows of the one before; nothing if it is the same request again, or of another history.
std::optional<Outcome> told_by(const SeenStep& step, const TraceCounters& before) {
  const TraceCounters& now = step.facts.trace;
  const bool answered_tools = now.tool_results > before.tool_results;
  const bool answered_human = now.human_turns > before.human_turns;
  if (!answered_tools && !answered_human) return std::nullopt;
  if (step.escalated) return failed(OutcomeSource::escalation, escalation_weight);
  if (answered_human && !step.facts.in_tool_loop) {
    if (looks_like_correction(step.facts.question)) return failed(OutcomeSource::user_correction, correction_weight);
    return Outcome{.source = OutcomeSource::quiet_step, .weight = quiet_weight};
  }
  const bool last_failed = now.error_streak > 0;
  if (now.test_runs > before.test_runs) {
    return Outcome{.source = OutcomeSource::test_result, .weak_failed = last_failed ? 1.0F : 0.0F, .weight = test_weight};
  }
  if (now.repeats_exact > before.repeats_exact) return failed(OutcomeSource::repeated_call, repeat_weight);
  if (last_failed) return failed(OutcomeSource::tool_error, error_weight);
  return Outcome{.source = OutcomeSource::quiet_step, .weight = quiet_weight};
}

}  // namespace

bool looks_like_correction(std::string_view question) {
  constexpr std::size_t short_text = 400;  // longer ones are new work, whatever words they begin with
  constexpr std::size_t beginning = 160;
  if (question.size() > short_text) return false;
  std::string head{" "};
  for (const char c : question.substr(0, beginning)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
    if (letter) {
      head += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    } else if (c != '\'' && head.back() != ' ') {
      head += ' ';
    }
  }
  head += ' ';
  constexpr std::array opening{" no ", " nope ", " wrong ", " incorrect ", " undo ", " revert ", " nein ", " falsch ", " faux ", " incorrecto "};
  if (std::ranges::any_of(opening, [&](std::string_view phrase) { return head.starts_with(phrase); })) return true;
  constexpr std::array anywhere{
      " thats not ",     " that is not ",   " this is wrong ",  " thats wrong ",  " that is wrong ", " not what i ",
      " still fails ",   " still failing ", " still broken ",   " still not ",    " still doesnt ",  " still does not ",
      " still the same ", " doesnt work ",  " does not work ",  " didnt work ",   " did not work ",  " isnt working ",
      " is not working ", " not fixed ",    " same error ",     " you forgot ",   " you missed ",    " you broke ",
      " undo that ",     " revert that ",   " stimmt nicht ",   " funktioniert nicht ", " geht nicht ", " ne marche pas ",
      " no funciona "};
  return std::ranges::any_of(anywhere, [&](std::string_view phrase) { return head.find(phrase) != std::string::npos; });
}

bool WeakSignals::watches(const SeenStep& step) {
  return part_of_loop(step.facts.step) && !step.facts.conversation.empty() && !step.group.empty();
}

std::optional<WeakSignals::Hint> WeakSignals::observe(const SeenStep& step, classify::Footprint footprint) {
  if (!watches(step)) return std::nullopt;
  std::string key;
  key.append(step.owner).append(1, '\x1f').append(step.facts.conversation);
  auto before = take(key);
  std::optional<Hint> hint;
  if (before && before->group == step.group) {
    if (const auto outcome = told_by(step, before->trace)) hint = Hint{std::move(before->group), std::move(before->footprint), *outcome};
  }
  if (!step.bulk) return hint;
  if (!step.unusable) {
    keep({std::move(key), std::string{step.group}, std::move(footprint), step.facts.trace});
    return hint;
  }
  // Seen at once, and worth more than what this step told of the one before.
  return Hint{std::string{step.group}, std::move(footprint), failed(OutcomeSource::unusable_answer, unusable_weight)};
}

std::optional<WeakSignals::Entry> WeakSignals::take(const std::string& key) {
  const std::lock_guard lock{mutex_};
  const auto found = index_.find(key);
  if (found == index_.end()) return std::nullopt;
  const auto place = found->second;
  index_.erase(found);
  std::optional<Entry> entry{std::move(*place)};
  entries_.erase(place);
  return entry;
}

void WeakSignals::keep(Entry entry) {
  const std::lock_guard lock{mutex_};
  // Two steps of one conversation may end side by side: the later one counts.
  if (const auto found = index_.find(entry.key); found != index_.end()) {
    const auto place = found->second;
    index_.erase(found);
    entries_.erase(place);
  }
  entries_.push_front(std::move(entry));
  index_.emplace(entries_.front().key, entries_.begin());
  if (entries_.size() <= conversations_max) return;
  index_.erase(entries_.back().key);
  entries_.pop_back();
}

std::size_t WeakSignals::size() const {
  const std::lock_guard lock{mutex_};
  return entries_.size();
}

}  // namespace turnpike::gateway
