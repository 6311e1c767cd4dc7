// The kinds of items in a Responses input, by what becomes of them. One list for the rules, the
// facts, the reader and the splicer. Source: wire-formats specification §1.3; Codex's own items as
// recorded (clients.md §4, §5).
#pragma once

#include <cstdint>
#include <string_view>

namespace turnpike::dialect {

enum class ResponsesItem : std::uint8_t {
  message,  // with a role; the type may be left out
  reasoning,
  call,         // function_call
  custom_call,  // custom_tool_call: the input is free text
  output,       // of a function_call, or of a hosted call that the client carried out
  custom_output,
  tools,          // additional_tools: declarations that travel among the items
  compaction,     // history in a form that only its maker reads
  trigger,        // asks for a compaction instead of an answer
  reference,      // to an item that a provider keeps
  agent_message,  // text from another agent of the same harness
  hosted_call,  // a tool of the vendor's own making: run there, or by the client under the vendor's
                // contract
  hosted_output,
  unknown,
};

/// `type` may be empty: an item with a role is a message then, one without refers to a stored item.
ResponsesItem responses_item(std::string_view type, bool has_role);

/// The assistant's side of a turn; the others end it. Items that are dropped do neither.
constexpr bool said_by_assistant(ResponsesItem item) {
  return item == ResponsesItem::reasoning || item == ResponsesItem::call ||
         item == ResponsesItem::custom_call;
}

/// A tool that the client has declared and runs itself; the others are the vendor's ("web_search",
/// "mcp", …).
constexpr bool is_client_tool(std::string_view type) {
  return type.empty() || type == "function" || type == "custom" || type == "namespace";
}

}  // namespace turnpike::dialect
