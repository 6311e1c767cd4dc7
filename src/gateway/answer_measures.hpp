// What is booked and told of an answer, from what its decoder counted.
#pragma once

#include "account/reservation.hpp"
#include "dialect/stream_translator.hpp"
#include "gateway/relay.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::gateway {

/// What is booked when a stream ends without a usable usage report: the prompt's reported or estimated tokens and the
/// output that was seen. A partial report (Anthropic tells the prompt's tokens first) beats the estimate of its part.
inline Usage estimated_usage(const dialect::Tally& tally, std::int64_t prompt_estimate) {
  Usage usage = tally.usage_plausible ? tally.usage : Usage{};
  if (usage.input() == 0) usage.input_fresh = prompt_estimate;
  const std::int64_t seen = tokens_of_bytes(tally.output_bytes);
  if (usage.output() < seen) usage.output_text = seen - usage.output_reasoning;
  return usage;
}

inline AnswerMeasures measures_of(const dialect::Tally& tally) {
  return {.tool_calls = tally.tool_calls,
          .invalid_tool_json = tally.invalid_tool_json,
          .refusal = tally.refusal,
          .empty = tally.output_bytes == 0 && tally.tool_calls == 0,
          .length_stop = tally.finish == "length"};
}

}  // namespace turnpike::gateway
