#include "dialect/responses_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/known_fields.hpp"
#include "dialect/responses_echo.hpp"
#include "dialect/responses_history.hpp"
#include "dialect/responses_item.hpp"
#include "dialect/responses_tools.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

/// State that only the provider which keeps it can read.
Result<void> check_state(const JsonFields& top) {
  if (!top["previous_response_id"].none()) {
    return unsupported("The earlier answer is kept by another provider; send the whole input.",
                       "previous_response_id");
  }
  if (!top["prompt"].none())
    return unsupported("Prompt templates belong to one provider; send the text.", "prompt");
  return {};
}

// ---- tool choice

class ChoiceReader {
 public:
  ChoiceReader(const ResponsesTools& tools, Losses& losses) : tools_(tools), losses_(losses) {}

  ir::ToolChoice read(JsonView choice) {
    if (choice.is_string()) return {mode_of(choice.text()), {}};
    const JsonFields fields{choice};
    if (fields.empty()) return {};
    if (fields["type"].text_is("allowed_tools")) return read_allowed(fields);
    if (auto name = named(fields); !name.empty())
      return {ir::ToolChoice::Mode::named, {std::move(name)}};
    losses_.add(Loss::tool_choice);  // a tool that only the vendor can run
    return {ir::ToolChoice::Mode::automatic, {}};
  }

 private:
  static ir::ToolChoice::Mode mode_of(std::string_view word) {
    using Mode = ir::ToolChoice::Mode;
    if (word == "none") return Mode::none;
    if (word == "required") return Mode::required;
    return word == "auto" ? Mode::automatic : Mode::unset;
  }

  ir::ToolChoice read_allowed(const JsonFields& fields) {
    ir::ToolChoice choice{mode_of(fields["mode"].text()), {}};
    for (const auto& raw : fields["tools"].elements()) {
      auto name = named(JsonFields{raw});
      if (name.empty()) {
        losses_.add(Loss::tool_choice);
      } else {
        choice.names.push_back(std::move(name));
      }
    }
    return choice;
  }

  /// Empty for a hosted tool.
  [[nodiscard]] std::string named(const JsonFields& fields) const {
    if (!is_client_tool(fields["type"].text())) return {};
    const auto name = fields["name"].text();
    return name.empty() ? name : tools_.flat_name(fields["namespace"].text(), name);
  }

  const ResponsesTools& tools_;
  Losses& losses_;
};

// ---- options

Result<Effort> read_effort(const JsonFields& top) {
  const auto word = JsonFields{top["reasoning"]}["effort"].text();
  if (word.empty() || word == "auto" || word == "default") return Effort::unset;
  if (word == "ultra") return Effort::max;
  if (const auto effort = parse_effort(word)) return *effort;
  return std::unexpected{client_error(
      "invalid_value", fmt::format("Nobody knows the effort {}.", quoted_for_message(word)),
      "reasoning.effort")};
}

ir::ResponseFormat read_format(JsonView raw) {
  const JsonFields format{raw};
  if (format["type"].text_is("json_object")) return {ir::ResponseFormat::Kind::json_object, {}};
  if (!format["type"].text_is("json_schema")) return {};
  const auto schema = format["schema"];
  if (!schema.is_object()) return {ir::ResponseFormat::Kind::json_object, {}};
  return {ir::ResponseFormat::Kind::json_schema, schema.raw()};
}

std::optional<ir::Number> read_number(JsonView value) {
  const auto number = value.number();
  if (!number) return std::nullopt;
  return ir::Number{value.raw(), *number};
}

/// Both spellings of the wish for log probabilities.
void read_logprobs(const JsonFields& top, ir::Request& request) {
  const auto count = top["top_logprobs"].integer();
  if (count.value_or(0) > 0) {
    request.logprobs = true;
    request.top_logprobs = count;
  }
  for (const auto& wanted : top["include"].elements()) {
    if (wanted.text_is("message.output_text.logprobs")) {
      request.logprobs = true;
    } else {
      // Encrypted reasoning comes with every answer: as the gateway's own token.
      request.losses.add_if(!wanted.text_is("reasoning.encrypted_content"), Loss::include);
    }
  }
}

constexpr auto known_fields = std::to_array<KnownField>({
    {"model", {}},
    {"input", {}},
    {"instructions", {}},
    {"stream", {}},
    {"stream_options", {}},
    {"max_output_tokens", {}},
    {"service_tier", {}},
    {"tools", {}},
    {"tool_choice", {}},
    {"parallel_tool_calls", {}},
    {"text", {}},
    {"reasoning", {}},
    {"include", {}},
    {"temperature", {}},
    {"top_p", {}},
    {"top_logprobs", {}},
    {"user", {}},
    {"safety_identifier", {}},
    {"background", {}},  // only as false
    {"context_management", Loss::context_management},
    {"metadata", Loss::metadata},
    {"client_metadata", Loss::metadata},
    {"prompt_cache_key", Loss::prompt_cache},
    {"prompt_cache_retention", Loss::prompt_cache},
    {"prompt_cache_options", Loss::prompt_cache},
    {"store", Loss::store},
    {"truncation", {}},
});

void count_losses(const JsonFields& top, Losses& losses) {
  count_losses(top, known_fields, losses);
  losses.add_if(top["truncation"].text_is("auto"), Loss::truncation);
  losses.add_if(!JsonFields{top["text"]}["verbosity"].none(), Loss::verbosity);
  losses.add_if(JsonFields{top["reasoning"]}["mode"].text_is("pro"), Loss::reasoning_effort);
}

void read_options(const JsonFields& top, const ResponsesTools& tools, ir::Request& request) {
  request.tool_choice = ChoiceReader{tools, request.losses}.read(top["tool_choice"]);
  request.parallel_calls = top["parallel_tool_calls"].boolean().value_or(true);
  request.format = read_format(JsonFields{top["text"]}["format"]);
  request.sampling.temperature = read_number(top["temperature"]);
  request.sampling.top_p = read_number(top["top_p"]);
  request.output_tokens_max = top["max_output_tokens"].integer();
  for (const std::string_view name : {"user", "safety_identifier"}) {
    if (request.user.empty()) request.user = top[name].text();
  }
  read_logprobs(top, request);
}

}  // namespace

Result<ir::Request> read_responses_request(const std::string& body, const RequestView& view) {
  const JsonFields top{JsonView{body}};
  if (auto done = check_state(top); !done) return std::unexpected{std::move(done.error())};
  ir::Request request;
  const auto effort = read_effort(top);
  if (!effort) return std::unexpected{effort.error()};
  request.effort = *effort;
  auto tools = ResponsesTools::read(top, request.losses);
  if (!tools) return std::unexpected{std::move(tools.error())};
  auto history = read_responses_history(top["input"], *tools, request.losses);
  if (!history) return std::unexpected{std::move(history.error())};
  if (auto instructions = top["instructions"].text(); !instructions.empty())
    request.messages.push_back({ir::Role::system, {ir::Text{std::move(instructions)}}});
  std::ranges::move(*history, std::back_inserter(request.messages));
  read_options(top, *tools, request);
  count_losses(top, request.losses);
  request.tools = tools->take();
  request.stream = view.stream;
  request.echo = responses_echo(top);
  return request;
}

}  // namespace turnpike::dialect
