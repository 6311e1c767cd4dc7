#include "dialect/responses_history.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "dialect/responses_item.hpp"
#include "dialect/responses_parts.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

std::optional<ir::Role> role_of(std::string_view word) {
  if (word == "user") return ir::Role::user;
  if (word == "assistant") return ir::Role::assistant;
  if (word == "system" || word == "developer") return ir::Role::system;
  return std::nullopt;
}

class HistoryReader {
 public:
  HistoryReader(const ResponsesTools& tools, Losses& losses) : tools_(tools), losses_(losses) {}

  Result<std::vector<ir::Message>> read(JsonView input) {
    if (input.is_string()) {
      messages_.push_back({ir::Role::user, {ir::Text{input.text()}}});
      return std::move(messages_);
    }
    std::size_t index = 0;
    for (const auto& raw : input.elements()) {
      param_ = fmt::format("input[{}]", index++);
      const JsonFields item{raw};
      if (auto done = read_item(item); !done) return std::unexpected{std::move(done.error())};
    }
    return std::move(messages_);
  }

 private:
  Result<void> read_item(const JsonFields& item) {
    const auto type = item["type"].text();
    switch (responses_item(type, !item["role"].none())) {
      case ResponsesItem::message:
        return read_message(item);
      case ResponsesItem::reasoning:
        read_reasoning(item);
        return {};
      case ResponsesItem::call:
      case ResponsesItem::custom_call:
        read_call(item, type == "custom_tool_call");
        return {};
      case ResponsesItem::output:
      case ResponsesItem::custom_output:
        return read_output(item);
      case ResponsesItem::tools:
        return {};  // ResponsesTools has them
      case ResponsesItem::compaction:
        losses_.add(Loss::context_management);
        return {};
      case ResponsesItem::trigger:
        return unsupported("Only the vendor's own service compacts a history.", param_);
      case ResponsesItem::reference:
        return unsupported("Stored items belong to one provider; send the items themselves.",
                           param_);
      case ResponsesItem::agent_message:
        read_agent_message(item);
        return {};
      case ResponsesItem::hosted_call:
      case ResponsesItem::hosted_output:
        drop(item, Loss::server_tools);
        return {};
      case ResponsesItem::unknown:
        drop(item, Loss::unknown_field);
        return {};
    }
    return {};
  }

  /// The message that the assistant's side of the turn goes into.
  ir::Message& assistant() {
    if (messages_.empty() || messages_.back().role != ir::Role::assistant)
      messages_.push_back({ir::Role::assistant, {}});
    return messages_.back();
  }

  Result<void> read_message(const JsonFields& item) {
    const auto word = item["role"].text();
    const auto role = role_of(word);
    if (!role) {
      return std::unexpected{client_error(
          "invalid_value", fmt::format("Nobody knows the role {}.", quoted_for_message(word)),
          param_ + ".role")};
    }
    auto parts = read_responses_parts(item["content"], param_ + ".content", losses_);
    if (!parts) return std::unexpected{std::move(parts.error())};
    losses_.add_if(!item["phase"].none(), Loss::phase);
    if (*role != ir::Role::assistant) messages_.push_back({*role, {}});
    auto& blocks = *role == ir::Role::assistant ? assistant().blocks : messages_.back().blocks;
    for (auto& part : *parts) {
      std::visit([&blocks](auto& piece) { blocks.emplace_back(std::move(piece)); }, part);
    }
    return {};
  }

  void read_reasoning(const JsonFields& item) {
    ir::Reasoning reasoning;
    reasoning.text = responses_reasoning_text(item);
    reasoning.signature = item["encrypted_content"].text();
    if (reasoning.text.empty() && reasoning.signature.empty()) return;
    assistant().blocks.emplace_back(std::move(reasoning));
  }

  void read_call(const JsonFields& item, bool custom) {
    ir::ToolCall call;
    const auto full_id = item["call_id"].text();
    const auto [id, hidden] = split_embedded_signature(full_id);
    call.id = id;
    call.signature = hidden;
    call.name = tools_.flat_name(item["namespace"].text(), item["name"].text());
    call.arguments = custom ? wrapped_input(item["input"].text()) : item["arguments"].text();
    losses_.add_if(custom, Loss::custom_tools);
    assistant().blocks.emplace_back(std::move(call));
  }

  Result<void> read_output(const JsonFields& item) {
    const auto full_id = item["call_id"].text();
    if (dropped_calls_.contains(full_id)) return {};
    auto parts = read_responses_parts(item["output"], param_ + ".output", losses_);
    if (!parts) return std::unexpected{std::move(parts.error())};
    ir::ToolResult result;
    result.id = split_embedded_signature(full_id).id;
    result.parts = std::move(*parts);
    messages_.push_back({ir::Role::tool, {}});
    messages_.back().blocks.emplace_back(std::move(result));
    return {};
  }

  /// What another agent has said is told like a user's words; what is encrypted for the vendor is
  /// lost.
  void read_agent_message(const JsonFields& item) {
    std::string said;
    for (const auto& raw : item["content"].elements()) {
      const JsonFields part{raw};
      losses_.add_if(!part["encrypted_content"].none(), Loss::unknown_field);
      said += part["text"].text();
    }
    if (said.empty()) return;
    const auto author = item["author"].text();
    if (!author.empty()) said.insert(0, fmt::format("Message from {}:\n", author));
    messages_.push_back({ir::Role::user, {ir::Text{std::move(said)}}});
  }

  /// Some calls of the vendor's tools are answered by a function_call_output: it goes with its
  /// call.
  void drop(const JsonFields& item, Loss loss) {
    losses_.add(loss);
    for (const std::string_view name : {"call_id", "id"}) {
      if (auto id = item[name].text(); !id.empty()) dropped_calls_.insert(std::move(id));
    }
  }

  const ResponsesTools& tools_;
  Losses& losses_;
  std::vector<ir::Message> messages_;
  std::unordered_set<std::string> dropped_calls_;
  std::string param_;
};

}  // namespace

Result<std::vector<ir::Message>> read_responses_history(JsonView input, const ResponsesTools& tools,
                                                        Losses& losses) {
  return HistoryReader{tools, losses}.read(input);
}

std::string wrapped_input(std::string_view text) {
  std::string json;
  wire::JsonWriter{json}.begin_object().member("input", text).end_object();
  return json;
}

}  // namespace turnpike::dialect
