#include "dialect/anthropic_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "dialect/anthropic_blocks.hpp"
#include "dialect/anthropic_user_id.hpp"
#include "dialect/known_fields.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

/// The first system block of Claude Code; read by its own vendor's gateway, noise to others.
constexpr std::string_view billing_mark = "x-anthropic-billing-header:";

void read_system(JsonView system, ir::Request& request) {
  ir::Message message;
  message.role = ir::Role::system;
  if (system.is_string()) message.blocks.emplace_back(ir::Text{system.text()});
  for (const auto& raw : system.elements()) {
    const JsonFields fields{raw};
    auto text = fields["text"].text();
    if (message.blocks.empty() && text.starts_with(billing_mark)) continue;
    message.blocks.emplace_back(ir::Text{std::move(text), fields["cache_control"].is_object()});
  }
  if (!message.blocks.empty()) request.messages.push_back(std::move(message));
}

/// Results stand in messages of their own, before whatever else the user's turn holds.
void add_user_turn(std::vector<ir::Block> blocks, ir::Request& request) {
  ir::Message rest;
  bool results = false;
  for (auto& block : blocks) {
    if (!std::holds_alternative<ir::ToolResult>(block)) {
      rest.blocks.push_back(std::move(block));
      continue;
    }
    results = true;
    ir::Message result;
    result.role = ir::Role::tool;
    result.blocks.push_back(std::move(block));
    request.messages.push_back(std::move(result));
  }
  if (!results || !rest.blocks.empty()) request.messages.push_back(std::move(rest));
}

Result<void> read_messages(JsonView messages, ir::Request& request) {
  AnthropicBlockReader reader{request.losses};
  std::size_t index = 0;
  for (const auto& raw : messages.elements()) {
    const JsonFields fields{raw};
    auto blocks = reader.read(fields["content"], fmt::format("messages[{}].content", index++));
    if (!blocks) return std::unexpected{std::move(blocks.error())};
    if (fields["role"].text_is("user")) {
      add_user_turn(std::move(*blocks), request);
      continue;
    }
    ir::Message message;
    message.role = fields["role"].text_is("system") ? ir::Role::system : ir::Role::assistant;
    message.blocks = std::move(*blocks);
    request.messages.push_back(std::move(message));
  }
  return {};
}

/// Tools with a type of their own run at the client's vendor, or are known to its models only.
bool runs_elsewhere(const JsonFields& tool) {
  const auto type = tool["type"];
  return !type.none() && !type.text_is("custom") && !tool["input_schema"].is_object();
}

void read_tools(JsonView tools, ir::Request& request) {
  auto& losses = request.losses;
  for (const auto& raw : tools.elements()) {
    const JsonFields fields{raw};
    if (runs_elsewhere(fields)) {
      losses.add(Loss::server_tools);
      continue;
    }
    ir::Tool tool;
    tool.name = fields["name"].text();
    tool.description = fields["description"].text();
    tool.cache = fields["cache_control"].is_object();
    if (fields["input_schema"].is_object()) tool.parameters = fields["input_schema"].raw();
    losses.add_if(fields["strict"].boolean().value_or(false), Loss::strict);
    losses.add_if(fields["defer_loading"].boolean().value_or(false), Loss::defer_loading);
    losses.add_if(!fields["input_examples"].elements().empty(), Loss::unknown_field);
    request.tools.push_back(std::move(tool));
  }
}

void read_tool_choice(JsonView choice, ir::Request& request) {
  using Mode = ir::ToolChoice::Mode;
  const JsonFields fields{choice};
  request.parallel_calls = !fields["disable_parallel_tool_use"].boolean().value_or(false);
  const auto type = fields["type"];
  if (type.text_is("auto")) request.tool_choice.mode = Mode::automatic;
  if (type.text_is("any")) request.tool_choice.mode = Mode::required;
  if (type.text_is("none")) request.tool_choice.mode = Mode::none;
  if (!type.text_is("tool")) return;
  auto name = fields["name"].text();
  if (std::ranges::find(request.tools, name, &ir::Tool::name) == request.tools.end()) {
    request.losses.add(Loss::tool_choice);  // a server tool, not sent
    return;
  }
  request.tool_choice = {Mode::named, {std::move(name)}};
}

/// An effort in words wins over a budget in tokens; "disabled" over both.
Result<void> read_thinking(const JsonFields& top, ir::Request& request) {
  const JsonFields thinking{top["thinking"]};
  const auto word = JsonFields{top["output_config"]}["effort"].text();
  if (!word.empty()) {
    const auto effort = parse_effort(word);
    if (!effort) {
      return std::unexpected{client_error(
          "invalid_value", fmt::format("Nobody knows the effort {}.", quoted_for_message(word)),
          "output_config.effort")};
    }
    request.effort = *effort;
  }
  if (thinking["type"].text_is("enabled")) {
    request.thinking_budget = thinking["budget_tokens"].integer();
  } else if (thinking["type"].text_is("disabled")) {
    request.effort = Effort::none;
  }
  return {};
}

ir::ResponseFormat read_format(const JsonFields& top) {
  for (const auto& format : {JsonFields{top["output_config"]}["format"], top["output_format"]}) {
    const JsonFields fields{format};
    if (!fields["type"].text_is("json_schema")) continue;
    if (!fields["schema"].is_object()) return {ir::ResponseFormat::Kind::json_object, {}};
    return {ir::ResponseFormat::Kind::json_schema, fields["schema"].raw()};
  }
  return {};
}

std::optional<ir::Number> read_number(JsonView value) {
  const auto number = value.number();
  if (!number) return std::nullopt;
  return ir::Number{value.raw(), *number};
}

constexpr auto known_fields = std::to_array<KnownField>({
    {"model", {}},
    {"messages", {}},
    {"system", {}},
    {"max_tokens", {}},
    {"stream", {}},
    {"temperature", {}},
    {"top_p", {}},
    {"top_k", {}},
    {"stop_sequences", {}},
    {"tools", {}},
    {"tool_choice", {}},
    {"thinking", {}},
    {"output_config", {}},
    {"output_format", {}},
    {"metadata", {}},
    {"service_tier", {}},
    {"cache_control", Loss::prompt_cache},
    {"container", Loss::server_tools},
    {"context_management", Loss::context_management},
    {"mcp_servers", Loss::mcp_servers},
    {"inference_geo", Loss::speed},
    {"speed", {}},
    {"fallbacks", Loss::fallbacks},
});

void count_losses(const JsonFields& top, Losses& losses) {
  count_losses(top, known_fields, losses);
  const auto speed = top["speed"];
  losses.add_if(!speed.none() && !speed.text_is("standard"), Loss::speed);
  const JsonFields output{top["output_config"]};
  losses.add_if(!output["task_budget"].none(), Loss::unknown_field);
}

}  // namespace

Result<ir::Request> read_anthropic_request(const std::string& body, const RequestView& view) {
  const JsonFields top{JsonView{body}};
  ir::Request request;
  read_system(top["system"], request);
  if (auto done = read_messages(top["messages"], request); !done)
    return std::unexpected{std::move(done.error())};
  if (auto done = read_thinking(top, request); !done)
    return std::unexpected{std::move(done.error())};
  read_tools(top["tools"], request);
  read_tool_choice(top["tool_choice"], request);
  request.format = read_format(top);
  for (const auto& word : top["stop_sequences"].elements()) request.stop.push_back(word.text());
  std::erase_if(request.stop, [](const std::string& word) { return word.empty(); });
  request.sampling.temperature = read_number(top["temperature"]);
  request.sampling.top_p = read_number(top["top_p"]);
  request.sampling.top_k = read_number(top["top_k"]);
  request.output_tokens_max = view.output_tokens_max;
  request.user = read_anthropic_user_id(JsonFields{top["metadata"]}["user_id"].text()).user;
  request.stream = view.stream;
  count_losses(top, request.losses);
  return request;
}

}  // namespace turnpike::dialect
