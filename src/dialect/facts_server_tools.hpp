// Tools that a request asks the provider to run, by the words of each dialect. Source: the vendors'
// pages on tools, as of 2026-11.
#pragma once

#include <optional>
#include <string_view>

#include "turnpike/facts.hpp"

namespace turnpike::dialect {

/// A tool that the provider runs: one with a price class, or the name of one that costs and has
/// none.
struct DeclaredServerTool {
  std::optional<ServerTool> tool;
  std::string_view unpriced;  // "googleMaps"; empty: no fee, or run by the client
};

/// By the `type` of a Messages tool: "web_search_20250305". Tools of the client's (bash_…,
/// text_editor_…) and those without a fee of their own (tool_search_…, mcp_toolset) are neither.
DeclaredServerTool anthropic_server_tool(std::string_view type);
/// By the `type` of a Responses tool.
DeclaredServerTool responses_server_tool(std::string_view type);
/// By the member of a Gemini tool: "googleSearch", "google_search".
DeclaredServerTool gemini_server_tool(std::string_view member);

/// Notes the declaration; `calls_max` is the client's own bound. Bounds of several declarations add
/// up.
void note_server_tool(RequestFacts& facts, const DeclaredServerTool& declared,
                      std::optional<std::int64_t> calls_max = std::nullopt);

}  // namespace turnpike::dialect
