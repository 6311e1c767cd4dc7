#include "app/course.hpp"

#include <algorithm>
#include <cmath>

namespace turnpike::app {
namespace {

constexpr std::chrono::minutes marked_lifetime{5};
constexpr std::chrono::hours hour_lifetime{1};  // asked for, or kept by the provider's own rule

/// Writing is a price of its own: the cache is one that marks in the request fill.
bool filled_by_marks(const Rates& rates) { return rates.cache_write_5m != rates.input; }

std::chrono::microseconds lifetime(const Candidate& candidate, const RequestFacts& facts) {
  const bool short_lived = filled_by_marks(candidate.quote.tiers[0].rates) && !facts.hour_cache;
  return short_lived ? std::chrono::microseconds{marked_lifetime} : std::chrono::microseconds{hour_lifetime};
}

/// How many tokens the one target counts where the other counts one; 1 where either was not measured.
double tokenizer_ratio(const RouteInputs& inputs, std::string_view target, std::string_view recorded) {
  const auto per_byte = [&](std::string_view name) {
    const auto found = std::ranges::find(inputs.paces, name, &TargetPace::target);
    return found == inputs.paces.end() ? 0.0 : double{found->tokens_per_byte};
  };
  const double here = per_byte(target);
  const double there = per_byte(recorded);
  return here > 0 && there > 0 ? here / there : 1;
}

/// Of what its cache is taken to hold, the share that the target's next prompts are seen to read.
std::int64_t read_again(const RouteInputs& inputs, std::string_view target, std::int64_t tokens) {
  constexpr std::int64_t cached_prompt_min = 1024;  // providers cache no shorter one
  if (tokens < cached_prompt_min) return 0;
  const auto found = std::ranges::find(inputs.paces, target, &TargetPace::target);
  if (found == inputs.paces.end()) return tokens;
  return static_cast<std::int64_t>(std::llround(static_cast<double>(tokens) * std::clamp(double{found->cache_hit}, 0.0, 1.0)));
}

Instant end_of(const Exchange& exchange) {
  return exchange.at + std::chrono::floor<std::chrono::microseconds>(exchange.finished - exchange.received);
}

}  // namespace

const Attempt* served_attempt(const Exchange& exchange) {
  const auto found = std::find_if(exchange.attempts.rbegin(), exchange.attempts.rend(),
                                  [](const Attempt& attempt) { return attempt.settlement != Settlement::void_; });
  return found == exchange.attempts.rend() ? nullptr : &*found;
}

RouteInputs Course::inputs(const Exchange& exchange) const {
  RouteInputs inputs = exchange.inputs;
  if (!apart_) return inputs;
  inputs.stay.reset();
  if (!stay_.target.empty()) {
    inputs.stay = stay_;
    inputs.stay->cached_tokens = held(stay_.target, INT64_MAX, exchange.at);
  }
  inputs.warm.clear();
  for (const auto& [target, cache] : caches_) {
    if (cache.until >= exchange.at) inputs.warm.push_back({.target = target, .cached_tokens = cache.tokens});
  }
  std::ranges::sort(inputs.warm, std::greater{}, &Warmth::cached_tokens);
  if (inputs.warm.size() > RouteInputs::warm_max) inputs.warm.resize(RouteInputs::warm_max);
  return inputs;
}

/// Of a prompt so long. A shorter one than the cache holds does not continue it: the conversation was compacted.
std::int64_t Course::held(const std::string& target, std::int64_t prompt, Instant at) const {
  const auto found = caches_.find(target);
  if (found == caches_.end() || found->second.until < at || found->second.tokens > prompt) return 0;
  return found->second.tokens;
}

Usage Course::usage_at(const Candidate& candidate, const Exchange& exchange, const Attempt& recorded) const {
  const auto ratio = tokenizer_ratio(exchange.inputs, candidate.target(), recorded.target);
  Usage usage;
  const auto prompt = static_cast<std::int64_t>(std::llround(static_cast<double>(recorded.usage.input()) * ratio));
  usage.input_cache_read = read_again(exchange.inputs, candidate.target(), held(candidate.target(), prompt, exchange.at));
  const auto rest = prompt - usage.input_cache_read;
  if (!filled_by_marks(candidate.quote.rates_for(prompt))) {
    usage.input_fresh = rest;
  } else if (exchange.facts.hour_cache) {
    usage.input_cache_write_1h = rest;
  } else {
    usage.input_cache_write_5m = rest;
  }
  usage.output_text = recorded.usage.output_text;
  usage.output_reasoning = recorded.usage.output_reasoning;
  usage.items = recorded.usage.items;
  return usage;
}

void Course::follow(const Exchange& exchange, const Candidate& candidate, const Usage& usage, bool escalated) {
  const auto target = candidate.target();
  const auto* recorded = served_attempt(exchange);
  const bool as_recorded = recorded != nullptr && recorded->target == target;
  const auto ended = end_of(exchange);
  if (usage.input() > 0) caches_[target] = {usage.input(), ended + lifetime(candidate, exchange.facts)};
  const bool same_tier = stay_.tier == candidate.tier;
  const bool calm = exchange.facts.trace.errors_recent == 0 && exchange.facts.trace.repeats_recent == 0;
  stay_.escalated = escalated || (exchange.facts.in_tool_loop && stay_.escalated);
  stay_.target = target;
  stay_.tier = candidate.tier;
  stay_.unusable_answer = as_recorded && exchange.answer && exchange.answer->unusable();
  stay_.thinking_kept = candidate.thinking != ThinkingStyle::none;
  stay_.answered_at = ended;
  const auto before = apart_ || !exchange.inputs.stay ? stay_ : *exchange.inputs.stay;
  stay_.steps = before.steps + 1;
  stay_.tier_steps = same_tier ? before.tier_steps + 1 : 1;
  stay_.calm_steps = calm ? before.calm_steps + 1 : 0;
}

}  // namespace turnpike::app
