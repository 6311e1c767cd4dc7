#include "dialect/write_chat.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dialect/argument_text.hpp"
#include "dialect/chat_settings.hpp"
#include "dialect/issuer_tag.hpp"
#include "dialect/structural_repair.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonWriter;
using Mode = ir::ToolChoice::Mode;

constexpr std::string_view one_text =
    R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})";

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

/// Calls visit(media) for all media of the conversation, those inside results included.
template <typename Visit>
void for_each_media(const std::vector<ir::Message>& messages, Visit visit) {
  for (const auto& message : messages) {
    for (const auto& block : message.blocks) {
      if (const auto* media = std::get_if<ir::Media>(&block)) visit(*media);
      const auto* result = std::get_if<ir::ToolResult>(&block);
      if (result == nullptr) continue;
      for (const auto& part : result->parts) {
        if (const auto* media = std::get_if<ir::Media>(&part)) visit(*media);
      }
    }
  }
}

/// "wav" or "mp3"; empty: Chat has no word for it.
std::string_view audio_format(std::string_view mime) {
  if (mime == "audio/wav" || mime == "audio/x-wav" || mime == "audio/wave") return "wav";
  if (mime == "audio/mp3" || mime == "audio/mpeg") return "mp3";
  return {};
}

std::string data_url(const ir::Media& media) {
  return "data:" + media.mime + ";base64," + media.data;
}

template <typename Block>
bool holds_media(const Block& block) {
  return std::holds_alternative<ir::Media>(block);
}

class ChatWriter {
 public:
  ChatWriter(ir::Request request, const Candidate& candidate, const TranslateOptions& options)
      : request_(std::move(request)),
        candidate_(candidate),
        options_(options),
        deepseek_(candidate.thinking == ThinkingStyle::deepseek_effort),
        writer_(out_.body) {}

  Result<Outgoing> run() {
    if (auto possible = check_media(); !possible)
      return std::unexpected{std::move(possible.error())};
    if (request_.tools.empty()) request_.tool_choice = {};
    conversation_ =
        repair(std::move(request_.messages), {true, candidate_.quirks.prefill_rejected});
    add_instructions();
    writer_.begin_object().member("model", std::string_view{candidate_.model});
    writer_.key("messages").begin_array();
    write_system();
    for (const auto& turn : conversation_.turns) write_turn(turn);
    writer_.end_array();
    if (!request_.tools.empty()) write_tools();
    write_chat_settings(request_, candidate_, options_.output_tokens_cap, writer_);
    if (request_.stream) {
      writer_.member("stream", true).key("stream_options").raw(R"({"include_usage":true})");
    }
    writer_.end_object();
    out_.path = "/chat/completions";
    out_.losses = request_.losses.names();
    return std::move(out_);
  }

 private:
  [[nodiscard]] Result<void> check_media() const {
    const char* missing = nullptr;
    for_each_media(request_.messages, [&](const ir::Media& media) {
      if (media.kind == ir::Media::Kind::document && (deepseek_ || media.data.empty())) {
        missing = "The target takes no such documents.";
      } else if (media.kind == ir::Media::Kind::audio &&
                 (deepseek_ || media.data.empty() || audio_format(media.mime).empty())) {
        missing = "The target takes no such audio.";
      }
    });
    if (missing != nullptr) return unsupported(missing, "messages");
    return {};
  }

  // ---- messages

  /// The mode json_object is refused unless the word JSON has been said.
  void add_instructions() {
    using Kind = ir::ResponseFormat::Kind;
    if (request_.format.kind == Kind::json_object) {
      conversation_.system.push_back({"Answer with one JSON object and nothing else."});
    } else if (request_.format.kind == Kind::json_schema && !candidate_.quirks.json_schema_native) {
      request_.losses.add(Loss::response_format);
      conversation_.system.push_back(
          {"Answer with one JSON value that is valid under this JSON Schema and nothing else:\n" +
           std::string{request_.format.schema}});
    }
  }

  /// One message, because chat templates of local servers refuse a second one.
  void write_system() {
    std::string text;
    for (const auto& block : conversation_.system) append_paragraph(text, block.text);
    if (!text.empty()) write_message("system", text);
  }

  void write_message(const char* role, std::string_view content) {
    writer_.begin_object().member("role", role).member("content", content).end_object();
  }

  static void append_paragraph(std::string& text, std::string_view paragraph) {
    if (!text.empty()) text += "\n\n";
    text += paragraph;
  }

  void write_turn(const ir::Turn& turn) {
    switch (turn.who) {
      case ir::Turn::Who::assistant:
        return write_assistant(turn.blocks);
      case ir::Turn::Who::system:
        return write_message("system", joined_text(turn.blocks));
      case ir::Turn::Who::user:
        break;
    }
    std::size_t at = 0;
    while (at < turn.blocks.size() && std::holds_alternative<ir::ToolResult>(turn.blocks[at])) ++at;
    for (std::size_t i = 0; i < at; ++i) write_result(std::get<ir::ToolResult>(turn.blocks[i]));
    write_result_media(turn.blocks);
    if (at < turn.blocks.size()) write_user_message(turn.blocks, at);
  }

  static std::string joined_text(const std::vector<ir::Block>& blocks, std::size_t from = 0) {
    std::string text;
    for (std::size_t i = from; i < blocks.size(); ++i) {
      if (const auto* piece = std::get_if<ir::Text>(&blocks[i]))
        append_paragraph(text, piece->text);
    }
    return text;
  }

  /// Text alone goes as a string, which every server takes.
  void write_user_message(const std::vector<ir::Block>& blocks, std::size_t from) {
    const auto begin = blocks.begin() + static_cast<std::ptrdiff_t>(from);
    if (!std::any_of(begin, blocks.end(), [](const auto& block) { return holds_media(block); })) {
      return write_message("user", joined_text(blocks, from));
    }
    writer_.begin_object().member("role", "user").key("content").begin_array();
    for (auto block = begin; block != blocks.end(); ++block) {
      if (const auto* text = std::get_if<ir::Text>(&*block)) write_text_part(text->text);
      if (const auto* media = std::get_if<ir::Media>(&*block)) write_media_part(*media);
    }
    writer_.end_array().end_object();
  }

  void write_text_part(std::string_view text) {
    writer_.begin_object().member("type", "text").member("text", text).end_object();
  }

  void write_media_part(const ir::Media& media) {
    writer_.begin_object();
    switch (media.kind) {
      case ir::Media::Kind::image:
        writer_.member("type", "image_url").key("image_url").begin_object();
        writer_.member("url", std::string_view{media.url.empty() ? data_url(media) : media.url});
        break;
      case ir::Media::Kind::audio:
        writer_.member("type", "input_audio").key("input_audio").begin_object();
        writer_.member("data", std::string_view{media.data});
        writer_.member("format", audio_format(media.mime));
        break;
      case ir::Media::Kind::document:
        writer_.member("type", "file").key("file").begin_object();
        writer_.member("filename", media.filename.empty() ? std::string_view{"document"}
                                                          : std::string_view{media.filename});
        writer_.member("file_data", std::string_view{data_url(media)});
        break;
    }
    writer_.end_object().end_object();
  }

  void write_result(const ir::ToolResult& result) {
    std::string text = result.is_error ? "Error: " : "";
    bool first = true;
    for (const auto& part : result.parts) {
      const auto* piece = std::get_if<ir::Text>(&part);
      if (piece == nullptr) continue;
      if (!std::exchange(first, false)) text += '\n';
      text += piece->text;
    }
    if (first && std::ranges::any_of(result.parts, holds_media<ir::ResultPart>)) {
      text += "The result follows in the next user message.";
    }
    writer_.begin_object()
        .member("role", "tool")
        .member("tool_call_id", std::string_view{result.wire_id});
    writer_.member("content", std::string_view{text}).end_object();
  }

  /// Tool messages hold text only: images and files of all results of the turn follow in a message
  /// of their own, which what the user adds later cannot change.
  void write_result_media(const std::vector<ir::Block>& blocks) {
    bool open = false;
    for (const auto& block : blocks) {
      const auto* result = std::get_if<ir::ToolResult>(&block);
      if (result == nullptr || !std::ranges::any_of(result->parts, holds_media<ir::ResultPart>))
        continue;
      if (!std::exchange(open, true)) {
        writer_.begin_object().member("role", "user").key("content").begin_array();
      }
      write_text_part("Attached to the result of " + result->name + " (" + result->wire_id + "):");
      for (const auto& part : result->parts) {
        if (const auto* media = std::get_if<ir::Media>(&part)) write_media_part(*media);
      }
    }
    if (open) writer_.end_array().end_object();
  }

  void write_assistant(const std::vector<ir::Block>& blocks) {
    const bool calls = std::ranges::any_of(
        blocks, [](const ir::Block& block) { return std::holds_alternative<ir::ToolCall>(block); });
    const auto text = said(blocks);
    writer_.begin_object().member("role", "assistant").key("content");
    if (text.empty() && calls) {
      writer_.null();
    } else {
      writer_.value(std::string_view{text});
    }
    write_reasoning(blocks, calls);
    if (calls) {
      writer_.key("tool_calls").begin_array();
      for (const auto& block : blocks) {
        if (const auto* call = std::get_if<ir::ToolCall>(&block)) write_call(*call);
      }
      writer_.end_array();
    }
    writer_.end_object();
  }

  /// Neighbouring texts are pieces of one; what stood around a call or a thought becomes
  /// paragraphs.
  std::string said(const std::vector<ir::Block>& blocks) {
    std::string text;
    bool adjacent = false;
    for (const auto& block : blocks) {
      const auto* piece = std::get_if<ir::Text>(&block);
      if (piece == nullptr) {
        adjacent = false;
        if (!holds_media(block)) continue;
        request_.losses.add(Loss::response_modalities);
        append_paragraph(text, file_of_assistant);
        continue;
      }
      if (adjacent) {
        text += piece->text;
      } else {
        append_paragraph(text, piece->text);
      }
      adjacent = true;
    }
    return text;
  }

  void write_call(const ir::ToolCall& call) {
    writer_.begin_object().member("id", std::string_view{call.wire_id}).member("type", "function");
    writer_.key("function").begin_object().member("name", std::string_view{wire_name(call.name)});
    writer_.member("arguments", std::string_view{argument_object(call.arguments)});
    writer_.end_object().end_object();
  }

  // ---- reasoning of earlier turns

  /// Reasoning goes back to its maker only, and the maker of what nobody has signed is unknown.
  void write_reasoning(const std::vector<ir::Block>& blocks, bool calls) {
    const bool client_had_some = std::ranges::any_of(blocks, [](const ir::Block& block) {
      return std::holds_alternative<ir::Reasoning>(block);
    });
    if (!candidate_.quirks.reasoning_history) {
      request_.losses.add_if(client_had_some, Loss::reasoning_history);
      return;
    }
    if (!calls) return;  // ignored there
    const auto text = own_reasoning(blocks);
    request_.losses.add_if(client_had_some && text.empty(), Loss::reasoning_history);
    writer_.member("reasoning_content", std::string_view{text});
  }

  [[nodiscard]] std::string own_reasoning(const std::vector<ir::Block>& blocks) const {
    std::string text;
    if (const auto state = find_state(blocks)) {
      if (state->kind != OpaqueKind::deepseek_reasoning || state->vendor != candidate_.provider)
        return text;
      options_.note_put_back(*state);
      for (const auto& piece : state->blocks) text += piece.text;
      return text;
    }
    for (const auto& block : blocks) {
      const auto* reasoning = std::get_if<ir::Reasoning>(&block);
      if (reasoning == nullptr) continue;
      const auto tag = read_issuer_tag(reasoning->signature);
      if (tag && tag->provider == candidate_.provider) text += reasoning->text;
    }
    return text;
  }

  [[nodiscard]] std::optional<OpaqueState> find_state(const std::vector<ir::Block>& blocks) const {
    if (options_.opaque == nullptr) return std::nullopt;
    for (const auto& block : blocks) {
      const auto* call = std::get_if<ir::ToolCall>(&block);
      if (call == nullptr || call->id.empty()) continue;
      if (auto state = options_.opaque->find(options_.owner, call->id)) return state;
    }
    return std::nullopt;
  }

  // ---- tools

  static std::string wire_name(std::string_view name) { return wire_tool_name(name, false); }

  void write_tools() {
    writer_.key("tools").begin_array();
    for (const auto& tool : request_.tools) {
      const auto name = wire_name(tool.name);
      add_alias(out_.tools, tool, name);
      writer_.begin_object().member("type", "function").key("function").begin_object();
      writer_.member("name", std::string_view{name});
      if (!tool.description.empty())
        writer_.member("description", std::string_view{tool.description});
      writer_.key("parameters").raw(parameters_of(tool));
      writer_.end_object().end_object();
    }
    writer_.end_array();
    write_tool_choice();
    if (request_.parallel_calls) return;
    if (deepseek_) {
      request_.losses.add(Loss::parallel_tool_calls);
    } else {
      writer_.member("parallel_tool_calls", false);
    }
  }

  /// Servers want an object schema with its type said.
  static std::string parameters_of(const ir::Tool& tool) {
    if (tool.takes_text) return std::string{one_text};
    const wire::JsonFields fields{wire::JsonView{tool.parameters}};
    if (fields.empty()) return R"({"type":"object","properties":{}})";
    if (!fields["type"].none()) return std::string{tool.parameters};
    return R"({"type":"object",)" + std::string{wire::JsonView{tool.parameters}.raw().substr(1)};
  }

  void write_tool_choice() {
    const auto& choice = request_.tool_choice;
    const bool forced = choice.mode == Mode::required || choice.mode == Mode::named;
    if (forced && candidate_.quirks.forced_tool_rejected) {
      request_.losses.add(Loss::tool_choice);
      return;
    }
    if (forced && choice.names.size() == 1) {
      writer_.key("tool_choice").begin_object().member("type", "function").key("function");
      writer_.begin_object().member("name", std::string_view{wire_name(choice.names.front())});
      writer_.end_object().end_object();
      return;
    }
    // A list of allowed tools is known to OpenAI's own models only.
    request_.losses.add_if(!choice.names.empty(), Loss::tool_choice);
    if (forced) {
      writer_.member("tool_choice", "required");
    } else if (choice.mode != Mode::unset) {
      writer_.member("tool_choice", choice.mode == Mode::none ? "none" : "auto");
    }
  }

  ir::Request request_;
  const Candidate& candidate_;
  const TranslateOptions& options_;
  const bool deepseek_;
  Outgoing out_;
  JsonWriter writer_;
  ir::Conversation conversation_;
};

}  // namespace

Result<Outgoing> write_chat(ir::Request request, const Candidate& candidate,
                            const TranslateOptions& options) {
  return ChatWriter{std::move(request), candidate, options}.run();
}

}  // namespace turnpike::dialect
