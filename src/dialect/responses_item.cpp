#include "dialect/responses_item.hpp"

#include <algorithm>
#include <array>

namespace turnpike::dialect {

namespace {

struct Named {
  std::string_view type;
  ResponsesItem item;
};

constexpr auto named_items = std::to_array<Named>({
    {"message", ResponsesItem::message},
    {"reasoning", ResponsesItem::reasoning},
    {"function_call", ResponsesItem::call},
    {"function_call_output", ResponsesItem::output},
    {"custom_tool_call", ResponsesItem::custom_call},
    {"custom_tool_call_output", ResponsesItem::custom_output},
    {"additional_tools", ResponsesItem::tools},
    {"compaction", ResponsesItem::compaction},
    {"compaction_summary", ResponsesItem::compaction},
    {"compaction_trigger", ResponsesItem::trigger},
    {"item_reference", ResponsesItem::reference},
    {"agent_message", ResponsesItem::agent_message},
    {"mcp_list_tools", ResponsesItem::hosted_call},
    {"mcp_approval_request", ResponsesItem::hosted_call},
    {"mcp_approval_response", ResponsesItem::hosted_output},
    {"tool_search_output", ResponsesItem::hosted_output},
    {"program", ResponsesItem::hosted_call},
    {"program_output", ResponsesItem::hosted_output},
});

}  // namespace

ResponsesItem responses_item(std::string_view type, bool has_role) {
  if (type.empty()) return has_role ? ResponsesItem::message : ResponsesItem::reference;
  const auto* const known = std::ranges::find(named_items, type, &Named::type);
  if (known != named_items.end()) return known->item;
  if (type.ends_with("_call_output")) return ResponsesItem::hosted_output;
  return type.ends_with("_call") ? ResponsesItem::hosted_call : ResponsesItem::unknown;
}

}  // namespace turnpike::dialect
