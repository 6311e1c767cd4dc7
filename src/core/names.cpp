// The words of the dictionary's enums, in one place: they appear in headers, logs, metrics, records and files.

#include <array>
#include <string_view>
#include <utility>

#include "turnpike/account.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/dialect.hpp"
#include "turnpike/exchange.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/outcome.hpp"

namespace turnpike {
namespace {

template <typename Enum, std::size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

template <typename Enum, std::size_t N>
std::string_view name_of(const Names<Enum, N>& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "unknown";
}

template <typename Enum, std::size_t N>
std::optional<Enum> value_of(const Names<Enum, N>& names, std::string_view text) {
  for (const auto& [candidate, name] : names) {
    if (name == text) return candidate;
  }
  return std::nullopt;
}

constexpr Names<Dialect, 4> dialects{{{Dialect::openai_chat, "openai-chat"},
                                      {Dialect::openai_responses, "openai-responses"},
                                      {Dialect::anthropic_messages, "anthropic-messages"},
                                      {Dialect::gemini_generate, "gemini-generate"}}};

constexpr Names<Priority, 2> priorities{{{Priority::interactive, "interactive"}, {Priority::batch, "batch"}}};

constexpr Names<StepKind, 7> step_kinds{{{StepKind::human_turn, "human_turn"},
                                         {StepKind::tool_continuation, "tool_continuation"},
                                         {StepKind::subagent, "subagent"},
                                         {StepKind::title_or_summary, "title_or_summary"},
                                         {StepKind::compaction, "compaction"},
                                         {StepKind::permission_check, "permission_check"},
                                         {StepKind::token_count, "token_count"}}};

constexpr Names<Effort, 8> efforts{{{Effort::unset, "unset"},
                                    {Effort::none, "none"},
                                    {Effort::minimal, "minimal"},
                                    {Effort::low, "low"},
                                    {Effort::medium, "medium"},
                                    {Effort::high, "high"},
                                    {Effort::xhigh, "xhigh"},
                                    {Effort::max, "max"}}};

constexpr Names<Reason, 25> reasons{{{Reason::model_pinned, "model_pinned"},
                                     {Reason::model_mapped, "model_mapped"},
                                     {Reason::auto_routed, "auto_routed"},
                                     {Reason::protected_step, "protected_step"},
                                     {Reason::step_rule, "step_rule"},
                                     {Reason::below_threshold, "below_threshold"},
                                     {Reason::above_threshold, "above_threshold"},
                                     {Reason::low_confidence, "low_confidence"},
                                     {Reason::budget_pressure, "budget_pressure"},
                                     {Reason::stayed_in_tool_loop, "stayed_in_tool_loop"},
                                     {Reason::switched_at_human_turn, "switched_at_human_turn"},
                                     {Reason::stayed_for_cache, "stayed_for_cache"},
                                     {Reason::escalated, "escalated"},
                                     {Reason::escalation_refused, "escalation_refused"},
                                     {Reason::deescalated, "deescalated"},
                                     {Reason::capability_dropped, "capability_dropped"},
                                     {Reason::context_dropped, "context_dropped"},
                                     {Reason::unpriced_dropped, "unpriced_dropped"},
                                     {Reason::unhealthy_demoted, "unhealthy_demoted"},
                                     {Reason::key_not_allowed, "key_not_allowed"},
                                     {Reason::cheapest_first, "cheapest_first"},
                                     {Reason::fastest_first, "fastest_first"},
                                     {Reason::headroom_first, "headroom_first"},
                                     {Reason::fallback, "fallback"},
                                     {Reason::pinned_by_state, "pinned_by_state"}}};

constexpr Names<SwitchVerdict::Move, 3> switch_moves{{{SwitchVerdict::Move::none, "none"},
                                                      {SwitchVerdict::Move::made, "made"},
                                                      {SwitchVerdict::Move::avoided, "avoided"}}};

constexpr Names<ThinkingStyle, 8> thinking_styles{{{ThinkingStyle::none, "none"},
                                                   {ThinkingStyle::deepseek_effort, "deepseek_effort"},
                                                   {ThinkingStyle::openai_effort, "openai_effort"},
                                                   {ThinkingStyle::claude_budget, "claude_budget"},
                                                   {ThinkingStyle::claude_adaptive, "claude_adaptive"},
                                                   {ThinkingStyle::claude_always, "claude_always"},
                                                   {ThinkingStyle::gemini_budget, "gemini_budget"},
                                                   {ThinkingStyle::gemini_level, "gemini_level"}}};

constexpr Names<Settlement, 3> settlements{{{Settlement::settle_exact, "settle_exact"},
                                            {Settlement::settle_estimated, "settle_estimated"},
                                            {Settlement::void_, "void"}}};

constexpr Names<StreamEnd, 6> stream_ends{{{StreamEnd::not_streamed, "not_streamed"},
                                           {StreamEnd::complete, "complete"},
                                           {StreamEnd::client_gone, "client_gone"},
                                           {StreamEnd::upstream_error, "upstream_error"},
                                           {StreamEnd::truncated, "truncated"},
                                           {StreamEnd::timed_out, "timed_out"}}};

constexpr Names<OutcomeSource, 9> outcome_sources{{{OutcomeSource::shadow_pair, "shadow_pair"},
                                                   {OutcomeSource::taught, "taught"},
                                                   {OutcomeSource::unusable_answer, "unusable_answer"},
                                                   {OutcomeSource::tool_error, "tool_error"},
                                                   {OutcomeSource::repeated_call, "repeated_call"},
                                                   {OutcomeSource::test_result, "test_result"},
                                                   {OutcomeSource::user_correction, "user_correction"},
                                                   {OutcomeSource::escalation, "escalation"},
                                                   {OutcomeSource::quiet_step, "quiet_step"}}};

}  // namespace

std::string_view to_string(Dialect dialect) { return name_of(dialects, dialect); }
std::optional<Dialect> parse_dialect(std::string_view name) { return value_of(dialects, name); }
std::string_view to_string(Priority priority) { return name_of(priorities, priority); }
std::optional<Priority> parse_priority(std::string_view name) { return value_of(priorities, name); }

std::string_view to_string(StepKind kind) { return name_of(step_kinds, kind); }
std::optional<StepKind> parse_step_kind(std::string_view name) { return value_of(step_kinds, name); }
std::string_view to_string(Effort effort) { return name_of(efforts, effort); }
std::optional<Effort> parse_effort(std::string_view name) { return value_of(efforts, name); }
std::string_view to_string(Reason reason) { return name_of(reasons, reason); }
std::string to_string(const SwitchCost& cost) {
  std::string text;
  if (cost.cached_tokens_lost > 0)
    text = std::to_string(cost.cached_tokens_lost) + " cached tokens";
  if (cost.thinking_lost) text += text.empty() ? "thinking" : ", thinking";
  return text;
}
std::string_view to_string(SwitchVerdict::Move move) { return name_of(switch_moves, move); }

std::string_view to_string(ThinkingStyle style) { return name_of(thinking_styles, style); }
std::optional<ThinkingStyle> parse_thinking_style(std::string_view name) {
  return value_of(thinking_styles, name);
}
std::string_view to_string(Settlement settlement) { return name_of(settlements, settlement); }
std::string_view to_string(OutcomeSource source) { return name_of(outcome_sources, source); }
std::string_view to_string(StreamEnd end) { return name_of(stream_ends, end); }

}  // namespace turnpike
