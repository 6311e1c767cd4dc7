// GET /v1/models in the shapes that clients expect. Source: wire-formats specification §1, §1.4.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "turnpike/clock.hpp"
#include "turnpike/dialect.hpp"

namespace turnpike::dialect {

struct ModelInfo {
  std::string id;
  std::string display_name;  // empty: the id
  std::string owned_by = "turnpike";
  Instant created{};
  std::int64_t context_tokens = 0;     // 0: unknown, left out
  std::int64_t output_tokens_max = 0;  // likewise
};

/// openai_chat and openai_responses give the OpenAI list, anthropic_messages (asked for by an
/// anthropic-version header) and gemini_generate theirs.
std::string models_body(Dialect shape, std::span<const ModelInfo> models);
/// One entry of the list, alone.
std::string model_body(Dialect shape, const ModelInfo& model);

}  // namespace turnpike::dialect
