#include "policy/escalation.hpp"

#include <fmt/format.h>

#include "policy/candidates.hpp"

namespace turnpike::policy {

std::string trouble(const Escalation& limits, const TraceCounters& trace, bool unusable_answer) {
  const auto reached = [](std::int32_t value, std::int32_t limit) { return limit > 0 && value >= limit; };
  if (reached(trace.error_streak, limits.error_streak)) return fmt::format("error_streak {}", trace.error_streak);
  if (reached(trace.errors_recent, limits.errors_recent)) return fmt::format("errors_recent {}", trace.errors_recent);
  if (reached(trace.repeats_recent, limits.repeats_recent))
    return fmt::format("repeats_recent {}", trace.repeats_recent);
  if (limits.unusable_answer && unusable_answer) return "unusable_answer";
  return "";
}

std::string barred(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation, TierIndex from,
                   TierIndex to) {
  // From one frontier tier to the next the share stays what it is.
  const bool enters_frontier = policy.tiers[to].frontier && !policy.tiers[from].frontier;
  if (enters_frontier && !situation.inputs.escalation_allowed) return "the frontier share is overdrawn";
  if (policy.tiers[to].frontier && situation.allowance.pressure == Pressure::cheap_only)
    return situation.allowance.pressure_scope + ":cheap_only";
  if (!first_able(policy, catalog, situation, to))
    return fmt::format("no target of tier {} can serve this request", policy.tiers[to].name);
  return "";
}

}  // namespace turnpike::policy
