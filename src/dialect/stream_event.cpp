#include "dialect/stream_event.hpp"

#include <algorithm>

#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

void restore_tool_names(StreamEvents& events, const ToolAliases& tools) {
  if (tools.empty()) return;
  for (StreamEvent& event : events) {
    auto* start = std::get_if<BlockStart>(&event);
    if (start == nullptr || start->kind != BlockKind::tool_call) continue;
    const auto alias = std::ranges::find(tools, start->name, &ToolAlias::upstream);
    if (alias == tools.end()) continue;
    start->name = alias->client;
    start->name_space = alias->name_space;
    start->free_text = alias->takes_text;
  }
}

std::string free_text_of(std::string_view arguments) {
  if (wire::check_json(arguments, wire::json_depth_max).fault) return std::string{arguments};
  const wire::JsonFields fields{wire::JsonView{arguments}};
  const auto input = fields["input"];
  return input.is_string() ? input.text() : std::string{arguments};
}

}  // namespace turnpike::dialect
