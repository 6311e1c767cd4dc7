#include "dialect/chat_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/known_fields.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

std::unexpected<Error> refuse(std::string code, std::string message, std::string param) {
  return std::unexpected{client_error(std::move(code), std::move(message), std::move(param))};
}

/// What the target could not do either, but another one might.
std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

// ---- media

std::string normal_mime(std::string_view mime) {
  std::string lower;
  for (const char c : mime) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower == "image/jpg" ? "image/jpeg" : lower;
}

/// "data:image/png;base64,AAAA"
Result<ir::Media> from_data_url(std::string_view url, const std::string& param) {
  const auto comma = url.find(',');
  const auto head = url.substr(5, comma == std::string_view::npos ? 0 : comma - 5);
  if (comma == std::string_view::npos || !head.ends_with(";base64")) {
    return refuse("invalid_value", "A data: URL must be base64.", param);
  }
  ir::Media media;
  media.mime = normal_mime(head.substr(0, head.find(';')));
  media.data = url.substr(comma + 1);
  if (media.mime.empty() || media.data.empty()) {
    return refuse("invalid_value", "A data: URL needs a media type and data.", param);
  }
  return media;
}

Result<ir::Media> read_image(JsonView image, const std::string& param, Losses& losses) {
  const JsonFields fields{image};
  const auto url = image.is_string() ? image.text() : fields["url"].text();
  const auto detail = fields["detail"];
  losses.add_if(!detail.none() && !detail.text_is("auto"), Loss::detail);
  if (url.starts_with("data:")) return from_data_url(url, param + ".url");
  if (url.starts_with("https://") || url.starts_with("http://")) {
    ir::Media media;
    media.url = url;
    return media;
  }
  return refuse("invalid_value", "An image must be a data: or http(s) URL.", param + ".url");
}

Result<ir::Media> read_audio(JsonView audio, const std::string& param) {
  const JsonFields fields{audio};
  ir::Media media;
  media.kind = ir::Media::Kind::audio;
  media.data = fields["data"].text();
  media.mime = "audio/" + fields["format"].text();
  if (media.data.empty()) return refuse("invalid_value", "Audio needs data.", param + ".data");
  return media;
}

Result<ir::Media> read_file(JsonView file, const std::string& param) {
  const JsonFields fields{file};
  const auto data = fields["file_data"].text();
  if (data.empty()) {
    return unsupported("Stored files belong to one provider; send the content as file_data.",
                       param + ".file_id");
  }
  auto media = data.starts_with("data:")
                   ? from_data_url(data, param + ".file_data")
                   : from_data_url("data:application/pdf;base64," + data, param);
  if (!media) return media;
  media->kind =
      media->mime.starts_with("image/") ? ir::Media::Kind::image : ir::Media::Kind::document;
  media->filename = fields["filename"].text();
  return media;
}

// ---- one message

class MessageReader {
 public:
  MessageReader(std::size_t index, Losses& losses)
      : index_(index), param_(fmt::format("messages[{}]", index)), losses_(losses) {}

  Result<ir::Message> read(JsonView raw) {
    const JsonFields fields{raw};
    ir::Message message;
    const auto role = fields["role"].text();
    if (role == "assistant") {
      message.role = ir::Role::assistant;
      read_reasoning(fields, message);
    } else if (role == "tool" || role == "function") {
      return read_result(fields, role == "function");
    } else if (role == "system" || role == "developer") {
      message.role = ir::Role::system;
    } else if (role != "user") {
      return refuse("invalid_value",
                    fmt::format("Nobody knows the role {}.", quoted_for_message(role)),
                    param_ + ".role");
    }
    if (auto done = read_content(fields["content"], message.blocks); !done)
      return std::unexpected{done.error()};
    if (message.role == ir::Role::assistant) {
      if (const auto refusal = fields["refusal"].text(); !refusal.empty()) {
        message.blocks.emplace_back(ir::Text{refusal});
      }
      read_calls(fields, message);
    }
    return message;
  }

 private:
  Result<void> read_content(JsonView content, std::vector<ir::Block>& blocks) {
    if (content.is_string()) {
      blocks.emplace_back(ir::Text{content.text()});
      return {};
    }
    std::size_t position = 0;
    for (const auto& part : content.elements()) {
      auto block = read_part(part, fmt::format("{}.content[{}]", param_, position++));
      if (!block) return std::unexpected{block.error()};
      blocks.push_back(std::move(*block));
    }
    return {};
  }

  Result<ir::Block> read_part(JsonView part, const std::string& param) {
    const JsonFields fields{part};
    const auto type = fields["type"].text();
    const auto boxed = [](Result<ir::Media> media) -> Result<ir::Block> {
      if (!media) return std::unexpected{media.error()};
      return ir::Block{std::move(*media)};
    };
    if (type == "text") return ir::Text{fields["text"].text(), fields["cache_control"].is_object()};
    if (type == "refusal") return ir::Text{fields["refusal"].text()};
    if (type == "image_url")
      return boxed(read_image(fields["image_url"], param + ".image_url", losses_));
    if (type == "input_audio")
      return boxed(read_audio(fields["input_audio"], param + ".input_audio"));
    if (type == "file") return boxed(read_file(fields["file"], param + ".file"));
    return unsupported(
        fmt::format("Parts of type {} cannot be translated.", quoted_for_message(type)),
        param + ".type");
  }

  /// Under whichever name a client returns it. Signatures that are not in our store are not
  /// trusted: a foreign one is refused by the provider.
  static void read_reasoning(const JsonFields& fields, ir::Message& message) {
    ir::Reasoning reasoning;
    for (const std::string_view name : {"reasoning_content", "reasoning"}) {
      if (reasoning.text.empty()) reasoning.text = fields[name].text();
    }
    for (const std::string_view name : {"reasoning_details", "thinking_blocks", "content_blocks"}) {
      if (!reasoning.text.empty()) break;
      for (const auto& item : fields[name].elements()) {
        const JsonFields detail{item};
        for (const std::string_view key : {"text", "thinking", "summary"})
          reasoning.text += detail[key].text();
      }
    }
    if (!reasoning.text.empty()) message.blocks.emplace_back(std::move(reasoning));
  }

  void read_calls(const JsonFields& fields, ir::Message& message) {
    for (const auto& raw : fields["tool_calls"].elements()) {
      const JsonFields call{raw};
      const auto full_id = call["id"].text();
      const auto [id, hidden] = split_embedded_signature(full_id);
      ir::ToolCall block;
      block.id = id;
      block.signature = hidden;
      if (block.signature.empty()) {
        const JsonFields google{JsonFields{call["extra_content"]}["google"]};
        block.signature = google["thought_signature"].text();
      }
      fill_called(call, block);
      message.blocks.emplace_back(std::move(block));
    }
    const JsonFields legacy{fields["function_call"]};
    if (legacy.empty()) return;
    ir::ToolCall block;
    block.id = legacy_id(index_);
    block.name = legacy["name"].text();
    block.arguments = legacy["arguments"].text();
    losses_.add(Loss::functions);
    message.blocks.emplace_back(std::move(block));
  }

  void fill_called(const JsonFields& call, ir::ToolCall& block) {
    const JsonFields function{call["function"]};
    const JsonFields custom{call["custom"]};
    if (custom.empty()) {
      block.name = function["name"].text();
      block.arguments = function["arguments"].text();
      return;
    }
    block.name = custom["name"].text();
    wire::JsonWriter{block.arguments}
        .begin_object()
        .member("input", std::string_view{custom["input"].text()})
        .end_object();
    losses_.add(Loss::custom_tools);
  }

  Result<ir::Message> read_result(const JsonFields& fields, bool legacy) {
    ir::ToolResult result;
    const auto full_id = fields["tool_call_id"].text();
    result.id = split_embedded_signature(full_id).id;
    result.name = fields["name"].text();
    // A function's result has no id: it answers the message before it.
    if (legacy && index_ > 0) result.id = legacy_id(index_ - 1);
    std::vector<ir::Block> blocks;
    if (auto done = read_content(fields["content"], blocks); !done)
      return std::unexpected{done.error()};
    for (auto& block : blocks) {
      if (auto* text = std::get_if<ir::Text>(&block)) result.parts.emplace_back(std::move(*text));
      if (auto* media = std::get_if<ir::Media>(&block))
        result.parts.emplace_back(std::move(*media));
    }
    ir::Message message;
    message.role = ir::Role::tool;
    message.blocks.emplace_back(std::move(result));
    return message;
  }

  static std::string legacy_id(std::size_t index) {
    return made_tool_id(fmt::format("function_call:{}", index));
  }

  std::size_t index_;
  std::string param_;
  Losses& losses_;
};

// ---- the request

void read_tools(const JsonFields& top, ir::Request& request) {
  for (const auto& raw : top["tools"].elements()) {
    const JsonFields entry{raw};
    const JsonFields function{entry["function"]};
    const JsonFields custom{entry["custom"]};
    const auto& source = custom.empty() ? function : custom;
    if (source.empty()) {
      request.losses.add(Loss::unknown_field);  // a hosted tool of some vendor
      continue;
    }
    ir::Tool tool;
    tool.name = source["name"].text();
    tool.description = source["description"].text();
    tool.takes_text = !custom.empty();
    tool.cache = entry["cache_control"].is_object();
    if (source["parameters"].is_object()) tool.parameters = source["parameters"].raw();
    request.losses.add_if(source["strict"].boolean().value_or(false), Loss::strict);
    request.losses.add_if(tool.takes_text, Loss::custom_tools);
    request.tools.push_back(std::move(tool));
  }
  for (const auto& raw : top["functions"].elements()) {
    const JsonFields function{raw};
    ir::Tool tool;
    tool.name = function["name"].text();
    tool.description = function["description"].text();
    if (function["parameters"].is_object()) tool.parameters = function["parameters"].raw();
    request.losses.add(Loss::functions);
    request.tools.push_back(std::move(tool));
  }
}

ir::ToolChoice::Mode mode_of(std::string_view word) {
  using Mode = ir::ToolChoice::Mode;
  if (word == "none") return Mode::none;
  if (word == "required" || word == "any") return Mode::required;
  return word == "auto" ? Mode::automatic : Mode::unset;
}

/// The name inside {"type":"function","function":{"name":…}} and its kin.
std::string chosen_name(const JsonFields& choice) {
  for (const std::string_view kind : {"function", "custom"}) {
    const auto name = JsonFields{choice[kind]}["name"].text();
    if (!name.empty()) return name;
  }
  return choice["name"].text();
}

ir::ToolChoice read_tool_choice(JsonView choice) {
  if (choice.is_string()) return {mode_of(choice.text()), {}};
  const JsonFields fields{choice};
  if (fields.empty()) return {};
  if (fields["type"].text_is("allowed_tools")) {
    const auto nested = fields["allowed_tools"];
    const JsonFields allowed{nested.is_object() ? nested : choice};
    ir::ToolChoice result{mode_of(allowed["mode"].text()), {}};
    for (const auto& tool : allowed["tools"].elements()) {
      if (auto name = chosen_name(JsonFields{tool}); !name.empty())
        result.names.push_back(std::move(name));
    }
    return result;
  }
  auto name = chosen_name(fields);
  if (name.empty()) return {mode_of(fields["type"].text()), {}};
  return {ir::ToolChoice::Mode::named, {std::move(name)}};
}

ir::ResponseFormat read_format(JsonView format) {
  const JsonFields fields{format};
  if (fields["type"].text_is("json_object")) return {ir::ResponseFormat::Kind::json_object, {}};
  if (!fields["type"].text_is("json_schema")) return {};
  const auto schema = JsonFields{fields["json_schema"]}["schema"];
  if (!schema.is_object()) return {ir::ResponseFormat::Kind::json_object, {}};
  return {ir::ResponseFormat::Kind::json_schema, schema.raw()};
}

Result<Effort> effort_of(std::string_view word, std::string param) {
  if (word.empty() || word == "auto" || word == "default") return Effort::unset;
  if (word == "ultra") return Effort::max;
  if (const auto effort = parse_effort(word)) return *effort;
  return refuse("invalid_value",
                fmt::format("Nobody knows the effort {}.", quoted_for_message(word)),
                std::move(param));
}

/// reasoning_effort, or the spellings of other vendors; an explicit "disabled" wins.
Result<void> read_effort(const JsonFields& top, ir::Request& request) {
  const JsonFields reasoning{top["reasoning"]};
  const JsonFields thinking{top["thinking"]};
  auto effort = effort_of(top["reasoning_effort"].text(), "reasoning_effort");
  if (effort && *effort == Effort::unset)
    effort = effort_of(reasoning["effort"].text(), "reasoning.effort");
  if (!effort) return std::unexpected{effort.error()};
  request.effort = *effort;
  request.thinking_budget = reasoning["max_tokens"].integer();
  if (thinking["type"].text_is("enabled"))
    request.thinking_budget = thinking["budget_tokens"].integer();
  const bool disabled =
      thinking["type"].text_is("disabled") || reasoning["enabled"].boolean() == false;
  if (disabled) request.effort = Effort::none;
  if (request.thinking_budget.value_or(0) <= 0) request.thinking_budget.reset();
  return {};
}

std::optional<ir::Number> read_number(JsonView value) {
  const auto number = value.number();
  if (!number) return std::nullopt;
  return ir::Number{value.raw(), *number};
}

void read_sampling(const JsonFields& top, ir::Request& request) {
  auto& sampling = request.sampling;
  sampling.temperature = read_number(top["temperature"]);
  sampling.top_p = read_number(top["top_p"]);
  sampling.top_k = read_number(top["top_k"]);
  sampling.presence_penalty = read_number(top["presence_penalty"]);
  sampling.frequency_penalty = read_number(top["frequency_penalty"]);
  sampling.seed = read_number(top["seed"]);
  request.logprobs = top["logprobs"].boolean().value_or(false);
  request.top_logprobs = top["top_logprobs"].integer();
}

void read_stop(JsonView stop, ir::Request& request) {
  if (stop.is_string()) request.stop.push_back(stop.text());
  for (const auto& word : stop.elements()) request.stop.push_back(word.text());
  std::erase_if(request.stop, [](const std::string& word) { return word.empty(); });
}

constexpr auto known_fields = std::to_array<KnownField>({
    {"model", {}},
    {"messages", {}},
    {"stream", {}},
    {"stream_options", {}},
    {"max_tokens", {}},
    {"max_completion_tokens", {}},
    {"n", {}},
    {"service_tier", {}},
    {"tools", {}},
    {"functions", {}},
    {"tool_choice", {}},
    {"function_call", {}},
    {"response_format", {}},
    {"reasoning_effort", {}},
    {"reasoning", {}},
    {"thinking", {}},
    {"parallel_tool_calls", {}},
    {"stop", {}},
    {"temperature", {}},
    {"top_p", {}},
    {"top_k", {}},
    {"presence_penalty", {}},
    {"frequency_penalty", {}},
    {"seed", {}},
    {"logprobs", {}},
    {"top_logprobs", {}},
    {"user", {}},
    {"safety_identifier", {}},
    {"user_id", {}},
    {"logit_bias", Loss::logit_bias},
    {"metadata", Loss::metadata},
    {"prediction", Loss::prediction},
    {"prompt_cache_key", Loss::prompt_cache},
    {"prompt_cache_retention", Loss::prompt_cache},
    {"prompt_cache_options", Loss::prompt_cache},
    {"store", Loss::store},
    {"verbosity", Loss::verbosity},
    {"modalities", {}},
    {"audio", Loss::audio_output},
    {"web_search_options", Loss::web_search_options},
});

void count_losses(const JsonFields& top, Losses& losses) {
  count_losses(top, known_fields, losses);
}

Result<void> read_messages(JsonView messages, ir::Request& request) {
  std::size_t index = 0;
  for (const auto& raw : messages.elements()) {
    auto message = MessageReader{index++, request.losses}.read(raw);
    if (!message) return std::unexpected{message.error()};
    request.messages.push_back(std::move(*message));
  }
  return {};
}

}  // namespace

Result<ir::Request> read_chat_request(const std::string& body, const RequestView& view) {
  const JsonFields top{JsonView{body}};
  ir::Request request;
  for (const auto& modality : top["modalities"].elements()) {
    if (modality.text_is("audio"))
      return unsupported("Audio answers cannot be translated.", "modalities");
  }
  if (auto done = read_messages(top["messages"], request); !done)
    return std::unexpected{done.error()};
  if (auto done = read_effort(top, request); !done) return std::unexpected{done.error()};
  read_tools(top, request);
  request.tool_choice =
      read_tool_choice(top["tool_choice"].none() ? top["function_call"] : top["tool_choice"]);
  request.parallel_calls = top["parallel_tool_calls"].boolean().value_or(true);
  request.format = read_format(top["response_format"]);
  read_stop(top["stop"], request);
  read_sampling(top, request);
  count_losses(top, request.losses);
  // The newer name wins where a client sends both (wire-formats "Translation table", max output).
  request.output_tokens_max = top["max_completion_tokens"].integer();
  if (!request.output_tokens_max) request.output_tokens_max = top["max_tokens"].integer();
  for (const std::string_view name : {"user", "safety_identifier", "user_id"}) {
    if (request.user.empty()) request.user = top[name].text();
  }
  request.choices = view.choices;
  request.stream = view.stream;
  return request;
}

}  // namespace turnpike::dialect
