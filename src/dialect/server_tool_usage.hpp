// Calls of tools that the provider ran, as answers report them. Source: wire-formats specification,
// "Catalogue seeds" (per-call server tools); the vendors' pages on usage.
#pragma once

#include <optional>

#include "dialect/json_reading.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::dialect {

/// `server_tool_use` of a Messages usage, which some Chat servers copy: sets the counters that are
/// there. False: there is no such object.
bool read_server_tool_use(const JsonObject& usage, CountReader& reader, PerServerTool& calls);

/// The call that an output item of Responses stands for; nothing for other items and for calls that
/// failed. Looking for words in a page that has been opened costs nothing more.
std::optional<ServerTool> called_by_item(const JsonObject& item);

/// One more call; counters above any bound stay where they are.
void count_call(PerServerTool& calls, ServerTool tool);

/// The calls that are billed: one at most, of tools whose fee is by the answer.
PerServerTool billed_calls(PerServerTool calls, const Candidate& candidate);

}  // namespace turnpike::dialect
