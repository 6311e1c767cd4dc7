// How hard to think, in the words of each model family. Source of the tables: wire-formats
// specification, "Thinking / sampling by family" and "Effort"; what a model accepts comes with the
// Candidate.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "dialect/ir.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::dialect {

/// The accepted effort nearest to the asked one; between two equally near the higher. "none" is
/// never chosen unless it was asked for. Empty list: the asked word, within low..high.
std::string nearest_effort(Effort asked, std::span<const std::string> accepted);

/// The effort that a budget of thinking tokens amounts to (ratio to the answer's limit: < .35 low,
/// < .65 medium).
Effort effort_of_budget(std::int64_t budget, std::int64_t output_tokens_max);

struct ClaudeThinking {
  enum class Mode : std::uint8_t { unset, disabled, enabled, adaptive };
  Mode mode = Mode::unset;
  std::int64_t budget = 0;  // with enabled; below the answer's limit
  std::string effort;       // output_config.effort; empty: unset
  bool shown = false;       // the newest families show no thinking unless told to
  /// Thinking was asked for and is on: sampling and forced tools are restricted.
  [[nodiscard]] bool on() const { return mode == Mode::enabled || mode == Mode::adaptive; }
};

/// `impossible`: history or a forced tool rules thinking out for this request.
ClaudeThinking plan_claude_thinking(const ir::Request& request, const Candidate& candidate,
                                    std::int64_t output_tokens_max, bool impossible,
                                    Losses& losses);

struct GeminiThinking {
  std::string level;                   // "LOW"; empty: unset
  std::optional<std::int64_t> budget;  // tokens
  bool include_thoughts = false;
};

GeminiThinking plan_gemini_thinking(const ir::Request& request, const Candidate& candidate,
                                    Losses& losses);

}  // namespace turnpike::dialect
