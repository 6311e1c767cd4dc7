#include "app/explanation_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/course.hpp"

namespace turnpike::app {
namespace {

std::string_view kind_in_words(StepKind kind) {
  switch (kind) {
    case StepKind::human_turn:
      return "A human turn";
    case StepKind::tool_continuation:
      return "A step of a tool loop";
    case StepKind::subagent:
      return "A step of a sub-agent";
    case StepKind::title_or_summary:
      return "A side call for a title or summary";
    case StepKind::compaction:
      return "A compaction of the conversation";
    case StepKind::permission_check:
      return "A permission check";
    case StepKind::token_count:
      return "A count of tokens";
  }
  return "A step";
}

std::string bytes_in_words(std::int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
}

/// Messages of errors have their full stop already.
std::string sentence(std::string text) {
  if (!text.ends_with('.')) text += '.';
  return text;
}

std::string plural(std::int64_t count, std::string_view noun) { return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s"); }

std::string asked(const Exchange& exchange) {
  const auto& facts = exchange.facts;
  auto text = fmt::format("{} asked for \"{}\" over {}", kind_in_words(facts.step), facts.model, to_string(facts.dialect));
  if (exchange.account) {
    text += fmt::format(", with key {}", exchange.account->key_name);
    if (!exchange.account->team.empty()) text += fmt::format(" of team {}", exchange.account->team);
  }
  text += fmt::format(": {} of text in {}, {}", bytes_in_words(facts.text_bytes), plural(facts.messages, "message"), plural(facts.tools, "tool"));
  if (facts.images > 0) text += ", " + plural(facts.images, "image");
  if (facts.question_bytes > 0) text += fmt::format("; the question itself is {}", bytes_in_words(facts.question_bytes));
  text += '.';
  const auto& trace = facts.trace;
  if (trace.tool_results_since_human > 0) {
    text += fmt::format(" The loop has had {} since the human spoke", plural(trace.tool_results_since_human, "tool result"));
    if (trace.errors_recent > 0) text += fmt::format(", {} of the recent ones failed", trace.errors_recent);
    if (trace.repeats_recent > 0) text += fmt::format(", {} repeated exactly", plural(trace.repeats_recent, "call"));
    text += '.';
  }
  return text;
}

std::string hard(const Exchange& exchange) {
  const auto& difficulty = exchange.difficulty;
  auto text = fmt::format("Its difficulty was put at {:.3f} of 1", difficulty.score);
  if (difficulty.percentile >= 0) text += fmt::format(", harder than {:.0f} % of what its scope had lately", 100 * difficulty.percentile);
  text += fmt::format(" (confidence {:.2f}", difficulty.confidence);
  if (difficulty.weak_fails >= 0) text += fmt::format(", chance that the cheap tier fails {:.0f} %", 100 * difficulty.weak_fails);
  text += ')';
  std::string signals;
  for (const auto& signal : difficulty.signals) {
    if (signal.name.empty()) break;
    signals += fmt::format("{}{} ({} {:.2f})", signals.empty() ? "" : ", ", signal.name, signal.weight < 0 ? "easier" : "harder", std::abs(signal.weight));
  }
  if (!signals.empty()) text += ", mostly for " + signals;
  if (difficulty.abstained) text += "; that is too unsure to go by";
  return text + '.';
}

/// A reason as a sentence; the detail is the decision's own.
std::string_view reason_in_words(Reason reason) {
  switch (reason) {
    case Reason::model_pinned: return "The name asked for means one target";
    case Reason::model_mapped: return "A rule of the policy maps the name to a tier";
    case Reason::auto_routed: return "The name means: route by difficulty";
    case Reason::protected_step: return "A protected step goes where the client asked";
    case Reason::step_rule: return "A rule for this kind of step chose the tier";
    case Reason::below_threshold: return "It is easier than where the frontier begins, so the easy tier does it";
    case Reason::above_threshold: return "It is hard enough for the frontier";
    case Reason::low_confidence: return "The classifier was not sure, so the policy's default tier does it";
    case Reason::budget_pressure: return "A thin budget moved the choice to a cheaper one";
    case Reason::stayed_in_tool_loop: return "The loop stays on the model that began it";
    case Reason::switched_at_human_turn: return "At this human turn the conversation changes its model";
    case Reason::stayed_for_cache: return "A change of the model would not pay";
    case Reason::escalated: return "Signs of trouble moved the loop up";
    case Reason::escalation_refused: return "There were signs of trouble, but the loop could not be moved up";
    case Reason::deescalated: return "The human turn ended the loop that had been moved up";
    case Reason::capability_dropped: return "A target lacks something the request needs";
    case Reason::context_dropped: return "A target's window is too small";
    case Reason::unpriced_dropped: return "A target cannot be used at this instant";
    case Reason::unhealthy_demoted: return "A target in trouble went to the end of the list";
    case Reason::key_not_allowed: return "The key may not use a target";
    case Reason::cheapest_first: return "Within the tier the cheapest comes first";
    case Reason::fastest_first: return "Within the tier the fastest comes first";
    case Reason::headroom_first: return "A target near its provider's rate limit went behind others";
    case Reason::fallback: return "If that fails, these stand by";
    case Reason::pinned_by_state: return "Only the provider that keeps the earlier response can go on from it";
  }
  return "Another reason";
}

std::string chosen(const Exchange& exchange) {
  const auto& decision = exchange.decision;
  if (decision.candidates.empty()) return exchange.error ? sentence("Nothing was chosen: " + exchange.error->message) : "Nothing was chosen.";
  auto text = fmt::format("Under policy {} the frontier began at {:.3f}, and the first choice was {} of tier {}.", decision.policy, decision.threshold,
                          decision.candidates.front().target(), decision.tier);
  if (decision.threshold > 1) text += " (No score is above that: the share was overdrawn.)";
  return text;
}

void add_reasons(const RouteDecision& decision, std::vector<std::string>& sentences) {
  for (const auto& why : decision.why)
    sentences.push_back(sentence(fmt::format("{}{}", reason_in_words(why.reason), why.detail.empty() ? "" : ": " + why.detail)));
}

void add_weighed(const Exchange& exchange, std::vector<std::string>& sentences) {
  const auto& decision = exchange.decision;
  const auto& switching = decision.switching;
  if (switching.move == SwitchVerdict::Move::made)
    sentences.push_back(fmt::format("Leaving {} is expected to save {} credits over the conversation's likely rest.", switching.other, to_string(switching.saving)));
  if (switching.move == SwitchVerdict::Move::avoided)
    sentences.push_back(fmt::format("Staying instead of going to {} is expected to save {} credits over the conversation's likely rest.", switching.other,
                                    to_string(switching.saving)));
  if (const auto lost = to_string(decision.switch_cost); !lost.empty()) sentences.push_back(fmt::format("The change gives up {}.", lost));
  const auto& stay = exchange.inputs.stay;
  if (stay && !stay->target.empty())
    sentences.push_back(fmt::format("The step before was answered by {}{}.", stay->target,
                                    stay->cached_tokens > 0 ? fmt::format(", whose cache held about {} tokens of the prompt", stay->cached_tokens) : ""));
  const auto& allowance = exchange.allowance;
  if (allowance.remaining) sentences.push_back(fmt::format("{} credits were left in the tightest budget.", to_string(*allowance.remaining)));
}

void add_outcome(const Exchange& exchange, std::vector<std::string>& sentences) {
  const auto* served = served_attempt(exchange);
  if (served == nullptr) {
    if (exchange.error && !exchange.decision.candidates.empty()) sentences.push_back(sentence("It was not answered: " + exchange.error->message));
    return;
  }
  auto text = fmt::format("{} ran it for {} credits", served->target, to_string(exchange.cost()));
  const auto& usage = served->usage;
  if (usage.input() > 0)
    text += fmt::format(": {} prompt tokens, {} of them read from its cache, {} output tokens", usage.input(), usage.input_cache_read, usage.output());
  if (exchange.attempts.size() > 1) text += fmt::format(", after {} that came to nothing", plural(std::ssize(exchange.attempts) - 1, "attempt"));
  sentences.push_back(text + '.');
  if (exchange.error) sentences.push_back(sentence("It ended badly: " + exchange.error->message));
}

}  // namespace

std::vector<std::string> sentences_of(const Exchange& exchange) {
  std::vector<std::string> sentences{asked(exchange)};
  if (!exchange.decision.candidates.empty()) sentences.push_back(hard(exchange));
  sentences.push_back(chosen(exchange));
  add_reasons(exchange.decision, sentences);
  add_weighed(exchange, sentences);
  add_outcome(exchange, sentences);
  return sentences;
}

}  // namespace turnpike::app
