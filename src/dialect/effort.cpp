#include "dialect/effort.hpp"

#include <algorithm>
#include <cstdlib>

namespace turnpike::dialect {

namespace {

constexpr std::int64_t claude_budget_floor = 1024;  // the API's own minimum

bool wants_thinking(const ir::Request& request) {
  if (request.effort == Effort::none) return false;
  return request.effort != Effort::unset || request.thinking_budget.has_value();
}

/// What the client asked for, in whichever unit.
Effort asked_effort(const ir::Request& request, std::int64_t output_tokens_max) {
  if (request.effort != Effort::unset || !request.thinking_budget) return request.effort;
  return effort_of_budget(*request.thinking_budget, output_tokens_max);
}

/// Shares of the answer's limit: the thinking counts inside it.
std::int64_t claude_budget_for(Effort effort, std::int64_t output_tokens_max) {
  switch (effort) {
    case Effort::medium:
      return output_tokens_max / 2;
    case Effort::high:
      return output_tokens_max / 4 * 3;
    case Effort::xhigh:
    case Effort::max:
      return output_tokens_max;
    default:
      return output_tokens_max / 4;
  }
}

ClaudeThinking plan_budget(const ir::Request& request, const Candidate& candidate,
                           std::int64_t output_tokens_max, bool impossible, Losses& losses) {
  if (!wants_thinking(request)) return {};
  const auto floor = std::max(claude_budget_floor, candidate.thinking_budget_min);
  if (impossible || output_tokens_max <= floor) {
    losses.add(Loss::reasoning_effort);
    return {};
  }
  auto budget = request.thinking_budget && request.effort == Effort::unset
                    ? *request.thinking_budget
                    : claude_budget_for(request.effort, output_tokens_max);
  if (candidate.thinking_budget_max > 0) budget = std::min(budget, candidate.thinking_budget_max);
  // Something must be left for the answer itself.
  const auto ceiling = output_tokens_max - std::min(claude_budget_floor, output_tokens_max / 4);
  budget = std::max(std::min(budget, ceiling), floor);
  return {ClaudeThinking::Mode::enabled, std::min(budget, output_tokens_max - 1), {}};
}

ClaudeThinking plan_adaptive(const ir::Request& request, const Candidate& candidate,
                             std::int64_t output_tokens_max, bool impossible, Losses& losses) {
  using Mode = ClaudeThinking::Mode;
  if (request.effort == Effort::none) return {Mode::disabled, 0, {}};
  if (!wants_thinking(request)) return {};
  if (impossible) {
    losses.add(Loss::reasoning_effort);
    return {Mode::disabled, 0, {}};
  }
  return {Mode::adaptive, 0,
          nearest_effort(asked_effort(request, output_tokens_max), candidate.efforts), true};
}

std::string upper(std::string word) {
  for (char& c : word) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return word;
}

std::int64_t gemini_budget_for(Effort effort, const Candidate& candidate) {
  switch (effort) {
    case Effort::none:
      return candidate.thinking_budget_min;
    case Effort::minimal:
    case Effort::low:
      return 1024;
    case Effort::medium:
      return 8192;
    case Effort::high:
      return 24576;
    default:
      return candidate.thinking_budget_max;
  }
}

GeminiThinking plan_gemini_budget(const ir::Request& request, const Candidate& candidate) {
  GeminiThinking plan;
  plan.include_thoughts = request.effort != Effort::none;
  if (!wants_thinking(request) && request.effort != Effort::none) return plan;
  auto budget = request.effort == Effort::unset ? request.thinking_budget.value_or(0)
                                                : gemini_budget_for(request.effort, candidate);
  budget = std::max(budget, candidate.thinking_budget_min);
  if (candidate.thinking_budget_max > 0) budget = std::min(budget, candidate.thinking_budget_max);
  plan.budget = budget;
  return plan;
}

GeminiThinking plan_gemini_level(const ir::Request& request, const Candidate& candidate) {
  GeminiThinking plan;
  plan.include_thoughts = request.effort != Effort::none;
  const auto limit = request.output_tokens_max.value_or(candidate.output_tokens_max);
  if (const auto effort = asked_effort(request, limit); effort != Effort::unset) {
    plan.level = upper(nearest_effort(effort, candidate.efforts));
  }
  return plan;
}

}  // namespace

std::string nearest_effort(Effort asked, std::span<const std::string> accepted) {
  std::optional<Effort> best;
  const auto distance = [&](Effort effort) {
    return std::abs(static_cast<int>(effort) - static_cast<int>(asked));
  };
  for (const auto& name : accepted) {
    const auto effort = parse_effort(name);
    if (!effort || *effort == Effort::unset || (*effort == Effort::none && asked != Effort::none))
      continue;
    const bool nearer = !best || distance(*effort) < distance(*best) ||
                        (distance(*effort) == distance(*best) && *effort > *best);
    if (nearer) best = effort;
  }
  if (!best) best = std::clamp(asked, Effort::low, Effort::high);
  return std::string{to_string(*best)};
}

Effort effort_of_budget(std::int64_t budget, std::int64_t output_tokens_max) {
  const auto percent = output_tokens_max > 0 ? budget * 100 / output_tokens_max : 100;
  if (percent < 35) return Effort::low;
  return percent < 65 ? Effort::medium : Effort::high;
}

ClaudeThinking plan_claude_thinking(const ir::Request& request, const Candidate& candidate,
                                    std::int64_t output_tokens_max, bool impossible,
                                    Losses& losses) {
  switch (candidate.thinking) {
    case ThinkingStyle::claude_budget:
      return plan_budget(request, candidate, output_tokens_max, impossible, losses);
    case ThinkingStyle::claude_adaptive:
      return plan_adaptive(request, candidate, output_tokens_max, impossible, losses);
    case ThinkingStyle::claude_always: {
      const auto effort = asked_effort(request, output_tokens_max);
      if (effort == Effort::unset) return {};
      return {ClaudeThinking::Mode::unset, 0,
              nearest_effort(std::max(effort, Effort::minimal), candidate.efforts),
              wants_thinking(request)};
    }
    default:
      break;
  }
  losses.add_if(wants_thinking(request), Loss::reasoning_effort);
  return {};
}

GeminiThinking plan_gemini_thinking(const ir::Request& request, const Candidate& candidate,
                                    Losses& losses) {
  if (candidate.thinking == ThinkingStyle::gemini_budget)
    return plan_gemini_budget(request, candidate);
  if (candidate.thinking == ThinkingStyle::gemini_level)
    return plan_gemini_level(request, candidate);
  losses.add_if(wants_thinking(request), Loss::reasoning_effort);
  return {};
}

}  // namespace turnpike::dialect
