#include "dialect/encode_responses_items.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/issuer_tag.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

constexpr std::size_t call_id_bytes_max = 64;

/// What an answer says of itself and never takes from the request.
constexpr std::array<std::string_view, 9> own_members = {
    "id",     "object", "created_at", "model", "status", "error", "incomplete_details",
    "output", "usage"};

struct Default {
  std::string_view key;
  std::string_view json;
};

/// Members that the vendor's SDKs declare as always present.
constexpr std::array<Default, 7> echo_defaults = {{{"instructions", "null"},
                                                   {"metadata", "{}"},
                                                   {"parallel_tool_calls", "true"},
                                                   {"temperature", "null"},
                                                   {"tool_choice", "\"auto\""},
                                                   {"tools", "[]"},
                                                   {"top_p", "null"}}};

std::string_view id_prefix(const OutputItem& item) {
  switch (item.kind) {
    case BlockKind::reasoning:
      return "rs_";
    case BlockKind::tool_call:
      return item.free_text ? "ctc_" : "fc_";
    case BlockKind::text:
    case BlockKind::refusal:
      break;
  }
  return "msg_";
}

std::string item_id(const OutputItem& item, std::size_t index, std::string_view response_id) {
  if (response_id.starts_with("resp_")) response_id.remove_prefix(5);
  std::string id{id_prefix(item)};
  return id.append(response_id).append("_").append(std::to_string(index));
}

/// The block's own id within the dialect's limit; one made up from the place of a call that has
/// none.
std::string call_id_of(std::string_view id, std::string_view item_id) {
  if (id.empty()) return made_tool_id(item_id);
  return id.size() > call_id_bytes_max ? wire_tool_id(id) : std::string{id};
}

bool is_takes_text_alias(const ToolAliases& tools, const BlockStart& start) {
  return std::ranges::any_of(tools, [&](const ToolAlias& tool) {
    return tool.takes_text && tool.client == start.name && tool.name_space == start.name_space;
  });
}

void write_head(JsonWriter& json, const OutputItem& item, std::string_view type,
                std::string_view status) {
  json.begin_object().member("id", std::string_view{item.id}).member("type", type);
  if (!status.empty()) json.member("status", status);
}

void write_call(JsonWriter& json, const OutputItem& item, std::string_view status,
                std::string_view text) {
  write_head(json, item, item.free_text ? "custom_tool_call" : "function_call", status);
  json.member("call_id", std::string_view{item.call_id})
      .member("name", std::string_view{item.name});
  if (!item.name_space.empty()) json.member("namespace", std::string_view{item.name_space});
  json.member(item.free_text ? "input" : "arguments", text).end_object();
}

void write_usage(JsonWriter& json, const Usage& usage) {
  json.begin_object()
      .member("input_tokens", usage.input())
      .key("input_tokens_details")
      .begin_object();
  json.member("cached_tokens", usage.input_cache_read);
  json.member("cache_write_tokens", usage.input_cache_write_5m + usage.input_cache_write_1h)
      .end_object();
  json.member("output_tokens", usage.output()).key("output_tokens_details").begin_object();
  json.member("reasoning_tokens", usage.output_reasoning).end_object();
  json.member("total_tokens", usage.input() + usage.output()).end_object();
}

/// `key` is as it stands between the quotes of the request.
void append_member(std::string& echo, std::string_view key, std::string_view json) {
  echo.append(",\"").append(key).append("\":").append(json);
}

}  // namespace

OutputItem item_of(const BlockStart& start, std::size_t index, const StreamOptions& options,
                   const Candidate& candidate) {
  OutputItem item;
  item.kind = start.kind;
  item.free_text = start.free_text;
  item.wrapped = start.free_text && is_takes_text_alias(options.tools, start);
  item.id = item_id(item, index, options.id);
  if (start.kind == BlockKind::tool_call) {
    item.call_id = call_id_of(start.id, item.id);
    item.name = start.name;
    item.name_space = start.name_space;
  }
  if (start.kind == BlockKind::reasoning) item.encrypted = write_issuer_tag(candidate);
  return item;
}

void write_begun_item(JsonWriter& json, const OutputItem& item) {
  if (is_call(item)) return write_call(json, item, "in_progress", {});
  if (item.kind == BlockKind::reasoning) {
    write_head(json, item, "reasoning", {});
    json.key("summary").begin_array().end_array().end_object();
    return;
  }
  write_head(json, item, "message", "in_progress");
  json.member("role", "assistant").key("content").begin_array().end_array().end_object();
}

void write_item(JsonWriter& json, const OutputItem& item) {
  if (is_call(item)) return write_call(json, item, "completed", item.text);
  if (item.kind == BlockKind::reasoning) {
    write_head(json, item, "reasoning", {});
    json.key("summary").begin_array();
    write_part(json, item, item.text);
    json.end_array().member("encrypted_content", std::string_view{item.encrypted}).end_object();
    return;
  }
  write_head(json, item, "message", "completed");
  json.member("role", "assistant").key("content").begin_array();
  write_part(json, item, item.text);
  json.end_array().end_object();
}

void write_part(JsonWriter& json, const OutputItem& item, std::string_view text) {
  json.begin_object();
  if (item.kind == BlockKind::refusal) {
    json.member("type", "refusal").member("refusal", text);
  } else if (item.kind == BlockKind::reasoning) {
    json.member("type", "summary_text").member("text", text);
  } else {
    json.member("type", "output_text")
        .member("text", text)
        .key("annotations")
        .begin_array()
        .end_array();
    json.key("logprobs").begin_array().end_array();
  }
  json.end_object();
}

// Under a limit the last call may be cut even where its text does not show it: one without
// arguments, and free text.
CallText judge_call(const OutputItem& item, StopReason reason, bool last) {
  const bool json = !item.free_text || item.wrapped;
  const bool blank = is_blank(item.text) || item.text == "{}";
  const bool cut_short = reason == StopReason::length || reason == StopReason::content_filter;
  if (cut_short && last && (blank || !json)) return CallText::cut;
  if (item.name.empty()) return CallText::broken;
  if (!json || blank || is_json_object(item.text)) return CallText::whole;
  return cut_short ? CallText::cut : CallText::broken;
}

void finish_call(OutputItem& item) {
  if (!item.free_text) {
    if (is_blank(item.text)) item.text = "{}";
  } else if (is_json_object(item.text)) {
    item.text = free_text_of(item.text);
  }
}

Error broken_call(const Candidate& candidate) {
  return upstream_error(
      502, Retry::next_candidate, "bad_upstream_output",
      candidate.provider +
          " called a tool without a name or with arguments that are not a JSON object.");
}

bool is_call(const OutputItem& item) { return item.kind == BlockKind::tool_call; }

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool is_json_object(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && text[begin] == '{' &&
         !wire::check_json(text, wire::json_depth_max).fault;
}

ResponseWriter::ResponseWriter(const StreamOptions& options) : options_(options) {
  const std::string object = "{" + options.echo + "}";
  std::vector<wire::JsonView::Member> members;
  if (is_json_object(object)) members = wire::JsonView{object}.members();
  std::erase_if(members, [](const auto& member) {
    return std::ranges::find(own_members, member.key) != own_members.end();
  });
  for (const auto& [key, value] : members) append_member(echo_, key, value.raw());
  for (const auto& [key, json] : echo_defaults) {
    if (std::ranges::find(members, key, &wire::JsonView::Member::key) != members.end()) continue;
    append_member(echo_, key, json);
  }
}

void ResponseWriter::write(JsonWriter& json, const ResponseState& state) const {
  std::string response;
  JsonWriter head{response};
  head.begin_object().member("id", std::string_view{options_.id}).member("object", "response");
  head.member("created_at", options_.created).member("model", std::string_view{options_.model});
  head.member("status", state.status).key("error");
  if (state.error == nullptr) {
    head.null();
  } else {
    head.begin_object().member("code", state.error->code);
    head.member("message", std::string_view{state.error->message}).end_object();
  }
  head.key("incomplete_details");
  if (state.incomplete_reason.empty()) {
    head.null();
  } else {
    head.begin_object().member("reason", state.incomplete_reason).end_object();
  }
  response.append(",\"output\":[").append(state.output).append("],\"usage\":");
  if (state.usage == nullptr) {
    response += "null";
  } else {
    JsonWriter usage{response};
    write_usage(usage, *state.usage);
  }
  response.append(echo_).append("}");
  json.raw(response);
}

}  // namespace turnpike::dialect
