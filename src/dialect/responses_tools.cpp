#include "dialect/responses_tools.hpp"

#include <fmt/format.h>

#include "dialect/responses_item.hpp"
#include "dialect/sha256.hpp"
#include "dialect/tool_ids.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

std::string joined_name(const std::string& name_space, const std::string& name) {
  if (name_space.empty()) return name;
  return wire_tool_name(name_space + "__" + name, false);
}

/// What the tool takes cannot be enforced elsewhere; the model must be told.
std::string described_format(const JsonFields& custom) {
  const JsonFields format{custom["format"]};
  const auto definition = format["definition"].text();
  if (definition.empty()) return {};
  return fmt::format("The input is free text in this {} grammar:\n{}", format["syntax"].text(),
                     definition);
}

std::string paragraphs(std::string first, const std::string& second) {
  if (!first.empty() && !second.empty()) first += "\n\n";
  return std::move(first) + second;
}

ir::Tool read_tool(const JsonFields& entry, Losses& losses) {
  ir::Tool tool;
  tool.name = entry["name"].text();
  tool.description = entry["description"].text();
  losses.add_if(entry["defer_loading"].boolean().value_or(false), Loss::defer_loading);
  if (entry["type"].text_is("custom")) {
    tool.takes_text = true;
    tool.description = paragraphs(std::move(tool.description), described_format(entry));
    losses.add(Loss::custom_tools);
    return tool;
  }
  if (entry["parameters"].is_object()) tool.parameters = entry["parameters"].raw();
  losses.add_if(entry["strict"].boolean().value_or(false), Loss::strict);
  return tool;
}

Loss loss_of_hosted(std::string_view type) {
  return type == "mcp" ? Loss::mcp_servers : Loss::server_tools;
}

}  // namespace

Result<ResponsesTools> ResponsesTools::read(const JsonFields& body, Losses& losses) {
  ResponsesTools tools;
  if (auto done = tools.add_entries(body["tools"], "tools", losses); !done)
    return std::unexpected{std::move(done.error())};
  std::size_t index = 0;
  for (const auto& raw : body["input"].elements()) {
    const auto param = fmt::format("input[{}].tools", index++);
    const JsonFields item{raw};
    if (!item["type"].text_is("additional_tools")) continue;
    if (auto done = tools.add_entries(item["tools"], param, losses); !done)
      return std::unexpected{std::move(done.error())};
  }
  tools.name_all();
  return tools;
}

Result<void> ResponsesTools::add_entries(JsonView entries, const std::string& param,
                                         Losses& losses) {
  std::size_t index = 0;
  for (const auto& raw : entries.elements()) {
    const JsonFields entry{raw};
    const auto place = fmt::format("{}[{}]", param, index++);
    const auto type = entry["type"].text();
    if (!is_client_tool(type)) {
      losses.add(loss_of_hosted(type));
      continue;
    }
    auto done = type == "namespace" ? add_namespace(entry, place, losses)
                                    : add(read_tool(entry, losses), place);
    if (!done) return done;
  }
  return {};
}

/// The namespace's own description is told with its first tool: there is no other place for it.
Result<void> ResponsesTools::add_namespace(const JsonFields& entry, const std::string& param,
                                           Losses& losses) {
  auto description = entry["description"].text();
  std::size_t index = 0;
  for (const auto& raw : entry["tools"].elements()) {
    const JsonFields nested{raw};
    const auto place = fmt::format("{}.tools[{}]", param, index++);
    const auto type = nested["type"].text();
    if (!is_client_tool(type) || type == "namespace") {
      losses.add(loss_of_hosted(type));
      continue;
    }
    auto tool = read_tool(nested, losses);
    tool.name_space = entry["name"].text();
    tool.client_name = tool.name;
    tool.description = paragraphs(std::move(tool.description), description);
    description.clear();
    if (auto done = add(std::move(tool), place); !done) return done;
  }
  return {};
}

/// Declared twice (a harness repeats itself): the first counts, because what stands in front must
/// not change.
Result<void> ResponsesTools::add(ir::Tool tool, const std::string& param) {
  if (tool.name.empty())
    return std::unexpected{client_error("missing_field", "'name' is missing.", param + ".name")};
  const auto [place, fresh] = flat_.try_emplace({tool.name_space, tool.name}, std::string{});
  if (fresh) tools_.push_back(std::move(tool));
  return {};
}

void ResponsesTools::name_all() {
  for (auto& tool : tools_) {
    const std::string name = tool.name;
    tool.name = joined_name(tool.name_space, name);
    if (tool.name_space.empty()) {
      flat_[{tool.name_space, name}] = name;
      continue;
    }
    if (flat_.contains({std::string{}, tool.name})) {
      const auto digits = sha256_hex(tool.name_space + "\n" + name).substr(0, 8);
      tool.name = wire_tool_name(tool.name + "_" + digits, false);
    }
    flat_[{tool.name_space, name}] = tool.name;
    const auto [bare, first] = bare_.try_emplace(name, tool.name);
    if (!first) bare->second.clear();
  }
}

std::string ResponsesTools::flat_name(const std::string& name_space,
                                      const std::string& name) const {
  if (const auto declared = flat_.find({name_space, name}); declared != flat_.end())
    return declared->second;
  if (const auto bare = bare_.find(name); name_space.empty() && bare != bare_.end()) {
    if (!bare->second.empty()) return bare->second;
  }
  return joined_name(name_space, name);
}

}  // namespace turnpike::dialect
