#include "dialect/server_tool_usage.hpp"

#include <algorithm>

namespace turnpike::dialect {

bool read_server_tool_use(const JsonObject& usage, CountReader& reader, PerServerTool& calls) {
  const auto told = object_member(usage, "server_tool_use");
  if (!told) return false;
  const auto count = [&calls](ServerTool tool) -> std::int64_t& {
    return calls[static_cast<std::size_t>(tool)];
  };
  reader.read(*told, "web_search_requests", count(ServerTool::web_search));
  reader.read(*told, "web_fetch_requests", count(ServerTool::web_fetch));
  reader.read(*told, "code_execution_requests", count(ServerTool::code_execution));
  return true;
}

std::optional<ServerTool> called_by_item(const JsonObject& item) {
  const auto type = text_member(item, "type");
  if (text_member(item, "status") == "failed") return std::nullopt;
  if (type == "file_search_call") return ServerTool::file_search;
  if (type == "code_interpreter_call") return ServerTool::code_execution;
  if (type != "web_search_call") return std::nullopt;
  const auto action = object_member(item, "action");
  const auto what = action ? text_member(*action, "type") : std::string_view{};
  if (what == "find_in_page" || what == "find") return std::nullopt;
  return what == "open_page" ? ServerTool::web_fetch : ServerTool::web_search;
}

void count_call(PerServerTool& calls, ServerTool tool) {
  auto& count = calls[static_cast<std::size_t>(tool)];
  if (count < INT32_MAX) ++count;
}

PerServerTool billed_calls(PerServerTool calls, const Candidate& candidate) {
  for (std::size_t tool = 0; tool < server_tools; ++tool) {
    if ((candidate.server_tools_once >> tool & 1U) != 0)
      calls[tool] = std::min<std::int64_t>(calls[tool], 1);
  }
  return calls;
}

}  // namespace turnpike::dialect
