// What a crossing could not carry over: a closed list of client field names, fit for metric labels.
#pragma once

#include <algorithm>
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

constexpr std::string_view to_string(Loss loss) {
  switch (loss) {
    case Loss::audio_output:
      return "audio_output";
    case Loss::background:
      return "background";
    case Loss::betas:
      return "betas";
    case Loss::cached_content:
      return "cached_content";
    case Loss::citations:
      return "citations";
    case Loss::context_management:
      return "context_management";
    case Loss::custom_tools:
      return "custom_tools";
    case Loss::defer_loading:
      return "defer_loading";
    case Loss::detail:
      return "detail";
    case Loss::filename:
      return "filename";
    case Loss::functions:
      return "functions";
    case Loss::include:
      return "include";
    case Loss::logit_bias:
      return "logit_bias";
    case Loss::logprobs:
      return "logprobs";
    case Loss::mcp_servers:
      return "mcp_servers";
    case Loss::media_resolution:
      return "media_resolution";
    case Loss::metadata:
      return "metadata";
    case Loss::parallel_tool_calls:
      return "parallel_tool_calls";
    case Loss::penalties:
      return "penalties";
    case Loss::phase:
      return "phase";
    case Loss::prediction:
      return "prediction";
    case Loss::prompt_cache:
      return "prompt_cache";
    case Loss::reasoning_effort:
      return "reasoning_effort";
    case Loss::reasoning_history:
      return "reasoning_history";
    case Loss::response_format:
      return "response_format";
    case Loss::response_modalities:
      return "response_modalities";
    case Loss::safety_settings:
      return "safety_settings";
    case Loss::sampling:
      return "sampling";
    case Loss::seed:
      return "seed";
    case Loss::server_tools:
      return "server_tools";
    case Loss::speed:
      return "speed";
    case Loss::stop:
      return "stop";
    case Loss::store:
      return "store";
    case Loss::strict:
      return "strict";
    case Loss::tool_choice:
      return "tool_choice";
    case Loss::tool_schema:
      return "tool_schema";
    case Loss::truncation:
      return "truncation";
    case Loss::unknown_field:
      return "unknown_field";
    case Loss::user:
      return "user";
    case Loss::verbosity:
      return "verbosity";
    case Loss::web_search_options:
      return "web_search_options";
  }
  return "";
}

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
    for (unsigned i = 0; i <= static_cast<unsigned>(Loss::web_search_options); ++i) {
      if (has(static_cast<Loss>(i))) names.emplace_back(to_string(static_cast<Loss>(i)));
    }
    return names;
  }

 private:
  std::uint64_t bits_ = 0;
};

}  // namespace turnpike::dialect
