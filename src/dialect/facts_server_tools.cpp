#include "dialect/facts_server_tools.hpp"

#include <array>
#include <string>
#include <utility>

#include "dialect/gemini_fields.hpp"

namespace turnpike::dialect {

DeclaredServerTool anthropic_server_tool(std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, ServerTool>, 3> priced{
      {{"web_search_", ServerTool::web_search},
       {"web_fetch_", ServerTool::web_fetch},
       {"code_execution_", ServerTool::code_execution}}};
  for (const auto& [prefix, tool] : priced) {
    if (type.starts_with(prefix)) return {tool, {}};
  }
  // Asks another model, at that model's prices.
  if (type.starts_with("advisor_")) return {std::nullopt, "advisor"};
  return {};
}

DeclaredServerTool responses_server_tool(std::string_view type) {
  if (type.starts_with("web_search")) return {ServerTool::web_search, {}};
  if (type == "file_search") return {ServerTool::file_search, {}};
  if (type == "code_interpreter") return {ServerTool::code_execution, {}};
  if (type == "image_generation") return {std::nullopt, "image_generation"};
  return {};
}

DeclaredServerTool gemini_server_tool(std::string_view member) {
  static constexpr std::array<std::pair<std::string_view, ServerTool>, 5> priced{
      {{"googleSearch", ServerTool::web_search},
       {"googleSearchRetrieval", ServerTool::web_search},
       {"urlContext", ServerTool::web_fetch},
       {"codeExecution", ServerTool::code_execution},
       {"fileSearch", ServerTool::file_search}}};
  for (const auto& [name, tool] : priced) {
    if (is_gemini_key(member, name)) return {tool, {}};
  }
  for (const std::string_view name : {"googleMaps", "enterpriseWebSearch"}) {
    if (is_gemini_key(member, name)) return {std::nullopt, name};
  }
  return {};
}

void note_server_tool(RequestFacts& facts, const DeclaredServerTool& declared,
                      std::optional<std::int64_t> calls_max) {
  if (!declared.unpriced.empty()) facts.unpriced_tool = declared.unpriced;
  if (!declared.tool) return;
  auto& calls = facts.server_calls[static_cast<std::size_t>(*declared.tool)];
  const bool bounded = calls_max && *calls_max > 0;
  if (!bounded || __builtin_add_overflow(calls, *calls_max, &calls))
    calls = RequestFacts::server_calls_unbounded;
}

}  // namespace turnpike::dialect
