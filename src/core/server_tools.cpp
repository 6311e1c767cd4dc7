#include "turnpike/server_tools.hpp"

#include <algorithm>

namespace turnpike {

PerServerTool server_calls_bound(const RequestFacts& facts, const Candidate& candidate) {
  PerServerTool bound{};
  const auto passed = server_tools_passed(facts, candidate.dialect, candidate.thinking);
  if (passed == ServerToolsPassed::none) return bound;
  for (std::size_t tool = 0; tool < server_tools; ++tool) {
    if (passed == ServerToolsPassed::web_search &&
        static_cast<ServerTool>(tool) != ServerTool::web_search)
      continue;
    const std::int64_t declared = facts.server_calls[tool];
    const bool once = (candidate.server_tools_once >> tool & 1U) != 0;
    const std::int64_t calls =
        declared == RequestFacts::server_calls_unbounded ? candidate.server_calls_max : declared;
    const std::int64_t choices = std::max<std::int64_t>(1, facts.choices);
    if (__builtin_mul_overflow(once ? std::min<std::int64_t>(1, calls) : calls, choices,
                               &bound[tool]))
      bound[tool] = INT64_MAX;
  }
  return bound;
}

std::int64_t billed_tokens_bound(const RequestFacts& facts, const Candidate& candidate) {
  std::int64_t readings = 1;
  for (const auto calls : server_calls_bound(facts, candidate)) {
    if (__builtin_add_overflow(readings, calls, &readings)) readings = INT64_MAX;
  }
  std::int64_t bound = 0;
  return __builtin_mul_overflow(readings, candidate.context_tokens, &bound) ? INT64_MAX : bound;
}

}  // namespace turnpike
