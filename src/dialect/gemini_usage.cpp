#include "dialect/gemini_usage.hpp"

#include <algorithm>

namespace turnpike::dialect {

UsageReport usage_report_of(const GeminiCounts& counts, bool plausible) {
  UsageReport report;
  report.usage.input_cache_read = counts.cached;
  report.usage.input_fresh =
      std::max<std::int64_t>(counts.prompt - counts.cached, 0) + counts.tool_prompt;
  report.usage.output_text = counts.answer;
  report.usage.output_reasoning = counts.thoughts;
  report.plausible = plausible && counts.cached <= counts.prompt;
  return report;
}

}  // namespace turnpike::dialect
