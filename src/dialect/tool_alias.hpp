// Tools that go by another name, or in another shape, upstream than at the client.
#pragma once

#include <string>
#include <vector>

namespace turnpike::dialect {

namespace ir {
struct Tool;
}

/// Made by the request's translation, used by the answer's. One per tool that differs; lives as long as the attempt.
struct ToolAlias {
  std::string upstream;    // the name the provider sees
  std::string client;      // the name the client knows
  std::string name_space;  // Responses: the namespace the client's tool lives in; empty: none
  /// The client's tool takes free text; upstream it is a function with one string named "input".
  bool takes_text = false;
  bool operator==(const ToolAlias&) const = default;
};

using ToolAliases = std::vector<ToolAlias>;

/// Notes the tool if it differs upstream, where it is called `upstream`.
void add_alias(ToolAliases& aliases, const ir::Tool& tool, std::string upstream);

}  // namespace turnpike::dialect
