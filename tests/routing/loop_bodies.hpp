// An agent's loop in plain terms, and the request body it becomes in each dialect.
//
// loop := turn*; turn := {"human": text} | {"said": text} | {"call": name, "input": object,
// "result": text, "failed": bool}
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "turnpike/dialect.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::routing_test {

inline constexpr std::array all_dialects{Dialect::openai_chat, Dialect::openai_responses,
                                         Dialect::anthropic_messages, Dialect::gemini_generate};

struct LoopOptions {
  std::size_t tools = 3;
  bool tools_reversed = false;
  std::size_t system_bytes = 80;
  bool stream = true;
  std::string id_prefix = "call_";
  std::optional<std::string> effort;  // "low", "high"
  std::optional<int> output_tokens_max;
};

/// Options of a row of tests/golden/contrast/pairs.jsonl: members named as above, all may be
/// absent.
LoopOptions options_of(const nlohmann::json& members);

std::string render(Dialect dialect, const nlohmann::json& loop, const LoopOptions& options);

/// Fails the running test if the body cannot be read.
RequestFacts facts_of(Dialect dialect, std::string body);
/// The score of the built-in weights for such a body.
float score_of(Dialect dialect, std::string body);

}  // namespace turnpike::routing_test
