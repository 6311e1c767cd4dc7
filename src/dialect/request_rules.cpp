#include "dialect/request_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "dialect/message_rules.hpp"
#include "dialect/rule_checks.hpp"
#include "dialect/rules_anthropic.hpp"
#include "dialect/rules_gemini.hpp"
#include "dialect/rules_responses.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::int64_t choices_max = 128;  // wire-formats "Chat Completions request"

constexpr std::array top_rules = std::to_array<TopRule>({
    {"model", JsonKinds::string, true},
    {"messages", JsonKinds::array, true},
    {"stream", JsonKinds::boolean, true},
    {"stream_options", JsonKinds::object, true},
    {"max_tokens", JsonKinds::integer, true},
    {"max_completion_tokens", JsonKinds::integer, true},
    {"n", JsonKinds::integer, true},
    {"service_tier", JsonKinds::string, true},
    {"tools", JsonKinds::array, true},
    {"functions", JsonKinds::array, true},
    {"tool_choice", JsonKinds::text_or_object, true},
    {"function_call", JsonKinds::text_or_object},
    {"response_format", JsonKinds::object, true},
    {"reasoning_effort", JsonKinds::string, true},
    {"reasoning", JsonKinds::object, true},
    {"thinking", JsonKinds::object, true},
    {"parallel_tool_calls", JsonKinds::boolean},
    {"prompt_cache_key", JsonKinds::string},
    {"stop", JsonKinds::text_or_array},
    {"temperature", JsonKinds::number},
    {"top_p", JsonKinds::number},
    {"top_k", JsonKinds::number},
    {"presence_penalty", JsonKinds::number},
    {"frequency_penalty", JsonKinds::number},
    {"seed", JsonKinds::number},
    {"logprobs", JsonKinds::boolean},
    {"top_logprobs", JsonKinds::number},
    {"logit_bias", JsonKinds::object},
    {"user", JsonKinds::string},
    {"safety_identifier", JsonKinds::string},
    {"verbosity", JsonKinds::string},
});

Fault read_stream_options(const element& value, RequestView& view) {
  object options;
  if (value.get(options) != simdjson::SUCCESS) return std::nullopt;
  if (auto fault = check_unique(options, "stream_options")) return fault;
  static constexpr std::array rules = std::to_array<TopRule>({{"include_usage", JsonKinds::boolean, true}});
  for (const auto field : options) {
    if (auto fault = check_key(field.key, rules)) return inside(std::move(fault), "stream_options");
  }
  element include_usage;
  if (options.at_key("include_usage").get(include_usage) != simdjson::SUCCESS) return std::nullopt;
  if (auto fault = check_kind(include_usage, JsonKinds::boolean, "stream_options.include_usage"))
    return fault;
  bool wanted = false;
  if (include_usage.get(wanted) == simdjson::SUCCESS) view.include_usage = wanted;
  return std::nullopt;
}

Fault check_nested(std::string_view key, const element& value) {
  if (key == "messages") return check_messages(value);
  if (key == "tools") return check_tools(value);
  simdjson::dom::array list;
  object fields;
  if (value.get(list) == simdjson::SUCCESS) {
    if (key == "stop") {
      std::size_t index = 0;
      for (const auto word : list) {
        if (auto fault = check_kind(word, JsonKinds::string, fmt::format("stop[{}]", index)))
          return fault;
        ++index;
      }
    }
  } else if (value.get(fields) == simdjson::SUCCESS &&
             (key == "response_format" || key == "reasoning" || key == "thinking" ||
              key == "tool_choice")) {
    return check_unique(fields, key);
  }
  return std::nullopt;
}

/// What one top-level member contributes to the view; the document has the values, `span` the
/// places.
Fault read_member(const wire::MemberSpan& span, std::string_view key, const element& value,
                  RequestView& view) {
  const ByteRange place{span.value_begin, span.value_end};
  if (key == "model") {
    view.model_value = place;
    return read_model(value, view);
  }
  if (key == "messages") {
    view.messages = place;
  } else if (key == "thinking") {
    view.thinking = place;
  } else if (key == "response_format") {
    view.response_format = place;
  } else if (key == "reasoning_effort") {
    if (value.is_string()) view.reasoning_effort = place;
  } else if (key == "stream") {
    if (value.is_bool()) view.stream = value.get_bool().value_unsafe();
  } else if (key == "stream_options") {
    view.stream_options = place;
    return read_stream_options(value, view);
  } else if (key == "n") {
    return read_bounded(value, key, choices_max, view.choices);
  } else if (key == "service_tier") {
    return check_service_tier(value);
  } else if ((key == "max_tokens" || key == "max_completion_tokens") && !value.is_null()) {
    std::int64_t tokens = 0;
    if (auto fault = read_bounded(value, key, tokens_max, tokens)) return fault;
    view.output_tokens_max = std::max(view.output_tokens_max.value_or(0), tokens);
    (key == "max_tokens" ? view.max_tokens : view.max_completion_tokens) = place;
  }
  return std::nullopt;
}

/// What a chat provider may need repaired: most bodies have neither, and their messages need no
/// second walk.
void note_repairs(const object& root, const std::vector<wire::ElementSpan>& places, RequestView& view) {
  std::size_t index = 0;
  for (const auto message : root["messages"].get_array().value()) {
    const auto [begin, end] = places[index++];
    for (const auto& [key, value] : object{message}) {
      const bool developer = key == "role" && std::string_view{value} == "developer";
      const bool calls = key == "tool_calls" && value.is_array();
      if (!developer && !calls) continue;
      view.developer_role = view.developer_role || developer;
      view.calls_in_history = view.calls_in_history || calls;
      view.messages_to_repair.push_back({begin, end});
      break;
    }
  }
}

Result<RequestView> read_chat(const object& root, const std::string& body, const wire::JsonDocument& document) {
  if (auto fault = check_unique(root, "")) return std::unexpected{*fault};
  RequestView view;
  view.repaired_surrogates = document.repaired();
  const auto spans = document.places().members();
  std::size_t index = 0;
  for (const auto& [key, value] : root) {
    const auto& span = spans[index++];
    if (auto fault = check_key(key, top_rules)) return std::unexpected{*fault};
    if (auto fault = check_type(key, value, top_rules)) return std::unexpected{*fault};
    if (auto fault = read_member(span, key, value, view)) return std::unexpected{*fault};
    if (auto fault = check_nested(key, value)) return std::unexpected{*fault};
  }
  if (view.model.empty())
    return std::unexpected{client_error("missing_field", "'model' is missing.", "model")};
  if (view.messages.end == 0 || body[view.messages.begin] != '[') {
    return std::unexpected{client_error("missing_field", "'messages' is missing.", "messages")};
  }
  view.object_end = body.rfind('}');
  note_repairs(root, document.places().elements(view.messages.begin), view);
  return view;
}

}  // namespace

Result<RequestView> read_view(Dialect client, std::string& body) {
  const auto document = wire::JsonDocument::parse(body);
  if (!document) return std::unexpected{document.error()};
  return read_view(client, body, *document);
}

Result<RequestView> read_view(Dialect client, const std::string& body,
                              const wire::JsonDocument& document, Purpose purpose) {
  object root;
  if (document.root().get(root) != simdjson::SUCCESS) {
    return std::unexpected{client_error("wrong_type", "The request body must be a JSON object.")};
  }
  switch (client) {
    case Dialect::anthropic_messages: {
      auto view = read_anthropic_view(root, body, document);
      if (view && purpose == Purpose::answer && !view->output_tokens_max) {
        return std::unexpected{
            client_error("missing_field", "'max_tokens' is missing.", "max_tokens")};
      }
      return view;
    }
    case Dialect::openai_responses:
      return read_responses_view(root, body, document);
    case Dialect::gemini_generate:
      return read_gemini_view(root, body, document);
    case Dialect::openai_chat:
      break;
  }
  return read_chat(root, body, document);
}

}  // namespace turnpike::dialect
