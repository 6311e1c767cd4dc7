#include "gateway/share_step.hpp"

#include <algorithm>

namespace turnpike::gateway {
namespace {

using policy::ShareOf;

/// A quarter of the prompt's bytes, and the median output of an agent's step. The scope corrects what is wrong with it.
Usage likely_usage(const RequestFacts& facts) {
  constexpr std::int64_t bytes_per_token = 4;
  constexpr std::int64_t output_tokens = 600;
  Usage usage;
  usage.input_fresh = facts.text_bytes / bytes_per_token + 1;
  usage.output_text = std::min(output_tokens, facts.output_tokens_max.value_or(output_tokens));
  return usage;
}

double weight_guess(ShareOf of, const Exchange& exchange) {
  if (of == ShareOf::steps || exchange.decision.candidates.empty()) return 1;
  const Usage usage = likely_usage(exchange.facts);
  if (of == ShareOf::tokens) return static_cast<double>(usage.input() + usage.output());
  const auto cost = charge(exchange.decision.candidates.front().quote, usage);
  return cost ? static_cast<double>(cost->nano()) : 0;
}

bool steered(const RouteDecision& decision) {
  const auto by_score = [](const Why& why) {
    return why.reason == Reason::above_threshold || why.reason == Reason::below_threshold;
  };
  const auto overruled = [](const Why& why) {
    return why.reason == Reason::stayed_in_tool_loop || why.reason == Reason::stayed_for_cache ||
           why.reason == Reason::escalated || why.reason == Reason::budget_pressure;
  };
  return std::ranges::any_of(decision.why, by_score) && std::ranges::none_of(decision.why, overruled);
}

bool ran(const Attempt& attempt) { return attempt.settlement != Settlement::void_; }

bool frontier_tier(const Exchange& exchange, const policy::Policy& policy, const std::string& target) {
  for (const auto& candidate : exchange.decision.candidates) {
    if (candidate.target() != target) continue;
    const auto tier = policy.tier_named(candidate.tier);
    return tier && policy.tiers[*tier].frontier;
  }
  return exchange.decision.frontier;  // every attempt was a candidate; this is for a broken invariant only
}

/// Absent where the provider told nothing to go by.
std::optional<double> weight_of(ShareOf of, const Attempt& attempt) {
  if (of == ShareOf::steps) return 1;
  if (of == ShareOf::spend) return static_cast<double>(attempt.cost.nano());
  const auto tokens = attempt.usage.input() + attempt.usage.output();
  if (tokens <= 0) return std::nullopt;
  return static_cast<double>(tokens);
}

}  // namespace

std::optional<policy::OpenShareStep> open_share_step(const Snapshot& snapshot, const Exchange& exchange) {
  if (!snapshot.share) return std::nullopt;
  policy::ShareStep step;
  step.score = exchange.difficulty.score;
  step.frontier = exchange.decision.frontier;
  step.course = steered(exchange.decision) ? policy::ShareCourse::steered : policy::ShareCourse::bound;
  step.weight_guess = weight_guess(snapshot.share->of(), exchange);
  return snapshot.share->open(snapshot.share->scope_of(*exchange.account), step);
}

policy::ShareOutcome share_outcome(const Exchange& exchange, const Snapshot& snapshot) {
  policy::ShareOutcome outcome;
  outcome.at = exchange.at;
  const auto last = std::find_if(exchange.attempts.rbegin(), exchange.attempts.rend(), ran);
  outcome.ran = last != exchange.attempts.rend();
  if (!outcome.ran) return outcome;
  outcome.frontier = frontier_tier(exchange, snapshot.policy, last->target);
  outcome.weight = weight_of(snapshot.share->of(), *last);
  return outcome;
}

}  // namespace turnpike::gateway
