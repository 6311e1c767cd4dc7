// What a Gemini chunk counts (usageMetadata), and the disjoint counters that follow from it.
// Source: wire-formats specification, "Usage".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "dialect/stream_event.hpp"

namespace turnpike::dialect {

/// As they come: cumulative, and overlapping.
struct GeminiCounts {
  std::int64_t prompt = 0;
  std::int64_t total = 0;
  std::int64_t cached = 0;
  std::int64_t tool_prompt = 0;
  std::int64_t answer = 0;
  std::int64_t thoughts = 0;
};

struct GeminiCounter {
  std::string_view name;
  std::int64_t GeminiCounts::* count;
  bool decisive =
      false;  // some chunks carry only the kind of traffic: without these nothing is counted
};
inline constexpr auto gemini_counters = std::to_array<GeminiCounter>({
    {"promptTokenCount", &GeminiCounts::prompt, true},
    {"totalTokenCount", &GeminiCounts::total, true},
    {"cachedContentTokenCount", &GeminiCounts::cached},
    {"toolUsePromptTokenCount", &GeminiCounts::tool_prompt},
    {"candidatesTokenCount", &GeminiCounts::answer},
    {"thoughtsTokenCount", &GeminiCounts::thoughts},
});

/// `plausible`: every counter that came is one.
UsageReport usage_report_of(const GeminiCounts& counts, bool plausible);

}  // namespace turnpike::dialect
