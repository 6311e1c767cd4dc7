// A route decision: which targets may answer, in which order, and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/dialect.hpp"
#include "turnpike/usage.hpp"

namespace turnpike {

/// Closed list; each step of the reasoning leaves one. Names (to_string) appear in headers, logs, metrics and records.
enum class Reason : std::uint8_t {
  model_pinned,          // the client asked for provider/model, or policy maps the name to one target
  model_mapped,          // a policy rule mapped the asked name to a tier
  auto_routed,           // the name means routing by difficulty
  protected_step,        // permission checks and the like go where the client asked
  step_rule,             // a policy rule for this step kind chose the tier
  below_threshold,       // easier than the frontier share allows: bulk tier
  above_threshold,       // hard enough for the frontier share
  low_confidence,        // the classifier abstained: the policy's default tier
  budget_pressure,       // a thin budget moved the choice to a cheaper tier
  stayed_in_tool_loop,   // the loop stays on the model that began it
  switched_at_human_turn,
  stayed_for_cache,      // a switch would not pay for the lost cache and thoughts
  escalated,             // failing tool calls moved the loop up
  escalation_refused,    // there was evidence, but the share, the budget or the policy allowed no more
  deescalated,           // a human turn ended the loop that had been escalated
  capability_dropped,    // a target lacks something the request needs
  context_dropped,       // a target's window is too small
  unpriced_dropped,      // no price at this instant, or retired
  unhealthy_demoted,     // a target in trouble went to the end of the list
  key_not_allowed,       // the key's allow-list removed a target
  cheapest_first,        // order within the tier by expected price now
  fastest_first,         // order within the tier by measured latency
  headroom_first,        // a target near its provider's rate limit went behind others
  fallback,              // appended from the fallback chain
  pinned_by_state,       // the request continues what one provider keeps; other targets were removed
};
std::string_view to_string(Reason reason);

struct Why {
  Reason reason;
  std::string detail;  // which rule, target or figure; may be empty
  bool operator==(const Why&) const = default;
};

/// Model families differ in what they accept; the catalog says which rules apply. Unset means the provider's default.
struct ModelQuirks {
  bool sampling_rejected = false;     // temperature, top_p, top_k are refused
  bool one_sampling_param = false;    // temperature and top_p must not be sent together
  bool forced_tool_rejected = false;  // tool_choice any/tool is refused
  bool prefill_rejected = false;      // a trailing assistant message is refused
  bool mid_system_accepted = false;   // role system inside messages (Anthropic)
  bool json_schema_native = true;     // else: by instruction or forced tool
  bool strips_call_ids = false;       // functionCall.id refused (Vertex)
  bool signatures_required = false;   // Gemini 3: a call of the current turn needs its thoughtSignature
  bool reasoning_history = false;     // DeepSeek V4: reasoning_content on every past tool-calling turn
  bool thinking_bound = false;        // Claude 5.5: a thinking block is bound to everything before it
  bool operator==(const ModelQuirks&) const = default;
};

/// Calls of one server tool that an answer is taken to make at most, where the client gives no bound of its own.
inline constexpr std::int64_t server_calls_max_default = 16;

/// How a model is told to think.
enum class ThinkingStyle : std::uint8_t {
  none,              // cannot think, or cannot be told
  deepseek_effort,   // thinking{type} + reasoning_effort low|high|max
  openai_effort,     // reasoning_effort
  claude_budget,     // thinking{enabled,budget_tokens}
  claude_adaptive,   // thinking{adaptive} + output_config.effort; may be disabled
  claude_always,     // always adaptive; enabled and disabled are refused
  gemini_budget,     // thinkingConfig.thinkingBudget
  gemini_level,      // thinkingConfig.thinkingLevel
};
std::string_view to_string(ThinkingStyle style);
std::optional<ThinkingStyle> parse_thinking_style(std::string_view name);

/// One target a request may be sent to, with all that translating and paying needs, copied from the catalog so that
/// a stream never depends on configuration staying alive.
struct Candidate {
  std::string provider;   // "anthropic"
  std::string model;      // the id sent upstream: "claude-opus-5-5"
  std::string family;     // models that can read each other's opaque state: "claude-5.5"
  std::string tier;       // tier that chose it: "bulk", "frontier"
  Dialect dialect = Dialect::openai_chat;  // of the endpoint to use: the client's own where the provider speaks it
  std::int64_t context_tokens = 0;
  std::int64_t output_tokens_max = 0;
  std::int64_t tokens_per_image_max = 2048;
  std::int64_t server_calls_max = server_calls_max_default;
  std::uint8_t server_tools_once = 0;  // a bit for each ServerTool that is billed once an answer, however often it is called
  ThinkingStyle thinking = ThinkingStyle::none;
  /// Efforts the model accepts, from least to most; an asked effort is moved to the nearest.
  std::vector<std::string> efforts;
  std::int64_t thinking_budget_min = 0;
  std::int64_t thinking_budget_max = 0;
  ModelQuirks quirks;
  PriceQuote quote;
  /// The endpoint counts a prompt's tokens without charge (Messages count_tokens, Gemini countTokens).
  bool counts_tokens = false;
  /// Values of anthropic-beta on their way to this provider: passed but for the exceptions, or only the exceptions.
  bool betas_passed = false;
  std::vector<std::string> betas_excepted;
  /// True if closing the connection stops the provider's meter; else a cancelled call is drained to its usage.
  bool cancel_stops_billing = true;

  [[nodiscard]] std::string target() const { return provider + "/" + model; }
  bool operator==(const Candidate&) const = default;
};

/// What a conversation gives up when the first candidate is not the model that answered last.
struct SwitchCost {
  std::int64_t cached_tokens_lost = 0;  // of the prompt, in the old target's cache as last observed
  bool thinking_lost = false;           // opaque reasoning that the new model's family cannot read
  bool operator==(const SwitchCost&) const = default;
};
/// "120000 cached tokens, thinking"; empty for a switch that loses nothing, and for none.
std::string to_string(const SwitchCost& cost);

/// Whether a conversation changed its model where it could have, and what that is expected to save.
struct SwitchVerdict {
  enum class Move : std::uint8_t { none, made, avoided };
  Move move = Move::none;
  std::string other;  // made: the target that was left; avoided: the one that was not taken
  Credits saving;     // over the conversation's likely rest, of the way chosen against the other; may be negative
  bool operator==(const SwitchVerdict&) const = default;
};
std::string_view to_string(SwitchVerdict::Move move);

struct RouteDecision {
  std::string policy;                 // name of the policy that decided
  std::string tier;                   // tier of the first candidate
  bool frontier = false;              // counts towards the frontier share
  float threshold = 0;                // difficulty at which the frontier begins, as used
  std::vector<Candidate> candidates;  // in the order of trying; never empty in a successful decision
  std::vector<Why> why;               // in the order of reasoning
  SwitchCost switch_cost;             // nothing, if the conversation stays or is new
  SwitchVerdict switching;            // none, unless a switch was weighed
  bool operator==(const RouteDecision&) const = default;
};

}  // namespace turnpike
