#include "dialect/tool_alias.hpp"

#include <utility>

#include "dialect/ir.hpp"

namespace turnpike::dialect {

void add_alias(ToolAliases& aliases, const ir::Tool& tool, std::string upstream) {
  const std::string& client = tool.client_name.empty() ? tool.name : tool.client_name;
  if (upstream == client && tool.name_space.empty() && !tool.takes_text) return;
  aliases.push_back({std::move(upstream), client, tool.name_space, tool.takes_text});
}

}  // namespace turnpike::dialect
