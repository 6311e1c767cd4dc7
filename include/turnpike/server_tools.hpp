// Tools that run at the provider and are billed by the call: what one answer can cost at most.
#pragma once

#include "turnpike/decision.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/usage.hpp"

namespace turnpike {

/// Which tools that the provider runs reach it as the client declared them: those of its own
/// dialect; of Responses, DeepSeek takes searching the web only, and the gateway drops the others
/// on the way.
enum class ServerToolsPassed : std::uint8_t { none, web_search, all };
inline ServerToolsPassed server_tools_passed(const RequestFacts& facts, Dialect upstream,
                                             ThinkingStyle style) {
  if (facts.dialect != upstream) return ServerToolsPassed::none;
  const bool deepseek =
      upstream == Dialect::openai_responses && style == ThinkingStyle::deepseek_effort;
  return deepseek ? ServerToolsPassed::web_search : ServerToolsPassed::all;
}

/// Calls that the candidate can bill for this request, over all choices: the client's bound, else
/// the model's.
PerServerTool server_calls_bound(const RequestFacts& facts, const Candidate& candidate);

/// Tokens that one answer can be billed for at most: the window; once more for each call, because the model reads its
/// prompt again after each.
std::int64_t billed_tokens_bound(const RequestFacts& facts, const Candidate& candidate);

}  // namespace turnpike
