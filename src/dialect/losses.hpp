// What a crossing could not carry over: a closed list of client field names, fit for metric labels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::dialect {

enum class Loss : std::uint8_t {
  audio_output,
  background,
  betas,  // values of anthropic-beta
  cached_content,
  citations,
  context_management,
  custom_tools,  // free-text tools become functions with one string
  defer_loading,  // deferred tools are sent at once
  detail,  // image detail
  fallbacks,  // models that the provider would turn to by itself: nobody here has priced them
  filename,
  functions,  // deprecated spelling, answered with tool_calls
  include,
  logit_bias,
  logprobs,
  mcp_servers,
  media_resolution,
  metadata,
  parallel_tool_calls,
  penalties,
  phase,  // commentary or final answer
  prediction,
  prompt_cache,
  reasoning_effort,
  reasoning_history,  // thinking that could not be replayed
  response_format,  // by instruction, or its schema lost keywords
  response_modalities,
  safety_settings,
  sampling,  // temperature, top_p, top_k
  seed,
  server_tools,  // tools that the client's own vendor runs
  speed,  // fast mode, inference geography
  stop,
  store,
  strict,
  tool_choice,
  tool_schema,  // keywords the target does not know
  truncation,
  unknown_field,
  user,
  verbosity,
  web_search_options,
};

/// In the order of the list.
inline constexpr auto loss_names = std::to_array<std::string_view>({
    "audio_output",
    "background",
    "betas",
    "cached_content",
    "citations",
    "context_management",
    "custom_tools",
    "defer_loading",
    "detail",
    "fallbacks",
    "filename",
    "functions",
    "include",
    "logit_bias",
    "logprobs",
    "mcp_servers",
    "media_resolution",
    "metadata",
    "parallel_tool_calls",
    "penalties",
    "phase",
    "prediction",
    "prompt_cache",
    "reasoning_effort",
    "reasoning_history",
    "response_format",
    "response_modalities",
    "safety_settings",
    "sampling",
    "seed",
    "server_tools",
    "speed",
    "stop",
    "store",
    "strict",
    "tool_choice",
    "tool_schema",
    "truncation",
    "unknown_field",
    "user",
    "verbosity",
    "web_search_options",
});

constexpr std::string_view to_string(Loss loss) { return loss_names[static_cast<std::size_t>(loss)]; }
static_assert(to_string(Loss::web_search_options) == "web_search_options");

/// Each loss once, in the order of the list (which is alphabetical).
class Losses {
 public:
  void add(Loss loss) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(loss); }
  void add_if(bool lost, Loss loss) {
    if (lost) add(loss);
  }
  [[nodiscard]] bool has(Loss loss) const {
    return (bits_ >> static_cast<unsigned>(loss) & 1U) != 0;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (unsigned i = 0; i < loss_names.size(); ++i) {
      if (has(static_cast<Loss>(i))) names.emplace_back(to_string(static_cast<Loss>(i)));
    }
    return names;
  }

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace turnpike::dialect
