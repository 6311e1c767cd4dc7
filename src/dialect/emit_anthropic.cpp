#include "dialect/emit_anthropic.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "dialect/argument_text.hpp"
#include "dialect/effort.hpp"
#include "dialect/opaque_restore.hpp"
#include "dialect/sha256.hpp"
#include "dialect/structural_repair.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonWriter;
using Mode = ir::ToolChoice::Mode;

constexpr std::size_t cache_marks_max = 4;
constexpr std::size_t user_id_bytes_max = 256;
/// For a model whose catalog entry names no limit: below that of every model since 2025.
constexpr std::int64_t output_tokens_fallback = 32000;

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

bool has_audio(const ir::Request& request) {
  const auto is_audio = [](const auto& block) {
    const auto* media = std::get_if<ir::Media>(&block);
    return media != nullptr && media->kind == ir::Media::Kind::audio;
  };
  for (const auto& message : request.messages) {
    for (const auto& block : message.blocks) {
      if (is_audio(block)) return true;
      const auto* result = std::get_if<ir::ToolResult>(&block);
      if (result != nullptr && std::ranges::any_of(result->parts, is_audio)) return true;
    }
  }
  return false;
}

bool* cache_flag(ir::Block& block) {
  return std::visit(Overloaded{[](ir::Text& text) { return &text.cache; },
                               [](ir::Media& media) { return &media.cache; },
                               [](ir::ToolResult& result) { return &result.cache; },
                               [](auto&) -> bool* { return nullptr; }},
                    block);
}

class Emitter {
 public:
  Emitter(ir::Request request, const Candidate& candidate, const TranslateOptions& options)
      : request_(std::move(request)),
        candidate_(candidate),
        options_(options),
        writer_(out_.body) {}

  Result<Outgoing> run() {
    if (request_.choices > 1) return unsupported("Claude gives one answer per request.", "n");
    if (has_audio(request_)) return unsupported("Claude takes no audio.", "messages");
    plan();
    conversation_ = repair(std::move(request_.messages),
                           {candidate_.quirks.mid_system_accepted,
                            candidate_.quirks.prefill_rejected || thinking_.on()});
    add_instructions();
    place_cache_marks();
    write();
    out_.path = options_.count_only ? "/v1/messages/count_tokens" : "/v1/messages";
    out_.losses = request_.losses.names();
    return std::move(out_);
  }

 private:
  // ---- decisions

  void plan() {
    const auto model_max =
        candidate_.output_tokens_max > 0 ? candidate_.output_tokens_max : output_tokens_fallback;
    max_tokens_ = std::min(request_.output_tokens_max.value_or(model_max), model_max);
    if (options_.output_tokens_cap)
      max_tokens_ = std::min(max_tokens_, *options_.output_tokens_cap);
    if (request_.tools.empty()) request_.tool_choice = {};
    const auto mode = request_.tool_choice.mode;
    forced_ = mode == Mode::required || mode == Mode::named;
    const bool forced_natively = forced_ && !candidate_.quirks.forced_tool_rejected;
    const bool lost = restore_claude_thinking(request_, candidate_, options_);
    thinking_ = plan_claude_thinking(request_, candidate_, max_tokens_, lost || forced_natively,
                                     request_.losses);
    auto& losses = request_.losses;
    const auto& sampling = request_.sampling;
    const auto set = [](const std::optional<ir::Number>& number) {
      return number && number->value != 0;
    };
    losses.add_if(set(sampling.presence_penalty) || set(sampling.frequency_penalty),
                  Loss::penalties);
    losses.add_if(sampling.seed.has_value(), Loss::seed);
    losses.add_if(request_.logprobs || request_.top_logprobs, Loss::logprobs);
  }

  /// What the API cannot be told in a field is said at the end of the system prompt: it stays the
  /// same over the turns of a loop, so that the cached prefix does too.
  void add_instructions() {
    auto& system = conversation_.system;
    using Kind = ir::ResponseFormat::Kind;
    if (request_.format.kind == Kind::json_object) {
      system.push_back({"Answer with one JSON object and nothing else: no prose, no code fence."});
      request_.losses.add(Loss::response_format);
    } else if (request_.format.kind == Kind::json_schema && !candidate_.quirks.json_schema_native) {
      system.push_back(
          {"Answer with one JSON value that is valid under this JSON Schema and nothing else: no "
           "prose, "
           "no code fence.\n" +
           std::string{request_.format.schema}});
      request_.losses.add(Loss::response_format);
    }
    if (!forced_ || !candidate_.quirks.forced_tool_rejected) return;
    request_.losses.add(Loss::tool_choice);
    system.push_back({request_.tool_choice.mode == Mode::named
                          ? "You must answer with a call of the tool \"" +
                                request_.tool_choice.names.front() + "\"."
                          : std::string{"You must answer with a call of one of the tools."}});
  }

  /// Inbound marks win, the last four of them; else the end of the system prompt (which covers the
  /// tools before it) and the last user block.
  void place_cache_marks() {
    std::vector<bool*> marked;
    const auto note = [&marked](bool* flag) {
      if (flag != nullptr && *flag) marked.push_back(flag);
    };
    for (auto& tool : request_.tools) note(&tool.cache);
    for (auto& text : conversation_.system) note(&text.cache);
    for (auto& turn : conversation_.turns) {
      for (auto& block : turn.blocks) note(cache_flag(block));
    }
    if (!marked.empty()) {
      for (std::size_t i = 0; i + cache_marks_max < marked.size(); ++i) *marked[i] = false;
      return;
    }
    if (!options_.cache_hints) return;
    if (!conversation_.system.empty()) {
      conversation_.system.back().cache = true;
    } else if (!request_.tools.empty()) {
      request_.tools.back().cache = true;
    }
    for (auto turn = conversation_.turns.rbegin(); turn != conversation_.turns.rend(); ++turn) {
      if (turn->who != ir::Turn::Who::user) continue;
      if (bool* flag = cache_flag(turn->blocks.back())) *flag = true;
      return;
    }
  }

  // ---- writing

  void write() {
    writer_.begin_object();
    writer_.member("model", std::string_view{candidate_.model});
    if (!options_.count_only) writer_.member("max_tokens", max_tokens_);
    write_system();
    writer_.key("messages").begin_array();
    for (const auto& turn : conversation_.turns) write_turn(turn);
    writer_.end_array();
    if (!request_.tools.empty()) {
      write_tools();
      write_tool_choice();
    }
    write_thinking();
    if (!options_.count_only) write_answer_wishes();
    writer_.end_object();
  }

  /// What shapes the answer and no token of the prompt.
  void write_answer_wishes() {
    write_sampling();
    write_stop();
    if (!request_.user.empty()) {
      const auto id =
          request_.user.size() <= user_id_bytes_max ? request_.user : sha256_hex(request_.user);
      writer_.key("metadata").begin_object().member("user_id", std::string_view{id}).end_object();
    }
    if (request_.stream) writer_.member("stream", true);
  }

  void mark(bool cache) {
    if (cache) writer_.key("cache_control").begin_object().member("type", "ephemeral").end_object();
  }

  void write_text(const ir::Text& text) {
    writer_.begin_object().member("type", "text").member("text", std::string_view{text.text});
    mark(text.cache);
    writer_.end_object();
  }

  void write_system() {
    if (conversation_.system.empty()) return;
    writer_.key("system").begin_array();
    for (const auto& text : conversation_.system) write_text(text);
    writer_.end_array();
  }

  void write_turn(const ir::Turn& turn) {
    const auto* role = turn.who == ir::Turn::Who::user        ? "user"
                       : turn.who == ir::Turn::Who::assistant ? "assistant"
                                                          : "system";
    writer_.begin_object().member("role", role).key("content").begin_array();
    for (const auto& block : turn.blocks) {
      std::visit(Overloaded{[this](const ir::Text& text) { write_text(text); },
                            [&](const ir::Media& media) { write_turn_media(turn, media); },
                            [this](const ir::Reasoning& reasoning) { write_reasoning(reasoning); },
                            [this](const ir::ToolCall& call) { write_call(call); },
                            [this](const ir::ToolResult& result) { write_result(result); }},
                 block);
    }
    writer_.end_array().end_object();
  }

  /// The API takes no media in the model's own turns; other vendors' models make pictures.
  void write_turn_media(const ir::Turn& turn, const ir::Media& media) {
    if (turn.who == ir::Turn::Who::user) return write_media(media);
    request_.losses.add(Loss::response_modalities);
    write_text({std::string{file_of_assistant}});
  }

  void write_media(const ir::Media& media) {
    const bool document = media.kind == ir::Media::Kind::document;
    writer_.begin_object()
        .member("type", document ? "document" : "image")
        .key("source")
        .begin_object();
    if (media.url.empty()) {
      writer_.member("type", "base64")
          .member("media_type", std::string_view{media.mime})
          .member("data", std::string_view{media.data});
    } else {
      writer_.member("type", "url").member("url", std::string_view{media.url});
    }
    writer_.end_object();
    if (document && !media.filename.empty())
      writer_.member("title", std::string_view{media.filename});
    mark(media.cache);
    writer_.end_object();
  }

  void write_reasoning(const ir::Reasoning& reasoning) {
    writer_.begin_object();
    if (reasoning.redacted) {
      writer_.member("type", "redacted_thinking")
          .member("data", std::string_view{reasoning.signature});
    } else {
      writer_.member("type", "thinking")
          .member("thinking", std::string_view{reasoning.text})
          .member("signature", std::string_view{reasoning.signature});
    }
    writer_.end_object();
  }

  void write_call(const ir::ToolCall& call) {
    writer_.begin_object()
        .member("type", "tool_use")
        .member("id", std::string_view{call.wire_id})
        .member("name", std::string_view{wire_name(call.name)})
        .key("input")
        .raw(argument_object(call.arguments))
        .end_object();
  }

  void write_result(const ir::ToolResult& result) {
    writer_.begin_object()
        .member("type", "tool_result")
        .member("tool_use_id", std::string_view{result.wire_id});
    if (!result.parts.empty()) {
      writer_.key("content").begin_array();
      for (const auto& part : result.parts) {
        std::visit(Overloaded{[this](const ir::Text& text) { write_text({text.text}); },
                              [this](const ir::Media& media) { write_media(media); }},
                   part);
      }
      writer_.end_array();
    }
    if (result.is_error) writer_.member("is_error", true);
    mark(result.cache);
    writer_.end_object();
  }

  static std::string wire_name(std::string_view name) { return wire_tool_name(name, false); }

  void write_tools() {
    writer_.key("tools").begin_array();
    for (const auto& tool : request_.tools) {
      const auto name = wire_name(tool.name);
      add_alias(out_.tools, tool, name);
      writer_.begin_object().member("name", std::string_view{name});
      if (!tool.description.empty())
        writer_.member("description", std::string_view{tool.description});
      writer_.key("input_schema").raw(input_schema(tool));
      mark(tool.cache);
      writer_.end_object();
    }
    writer_.end_array();
  }

  /// The API wants an object schema with its type said.
  static std::string input_schema(const ir::Tool& tool) {
    if (tool.takes_text) {
      return R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})";
    }
    const wire::JsonView schema{tool.parameters};
    const wire::JsonFields fields{schema};
    if (fields.empty()) return R"({"type":"object","properties":{}})";
    if (!fields["type"].none()) return std::string{tool.parameters};
    return R"({"type":"object",)" + std::string{schema.raw().substr(1)};
  }

  void write_tool_choice() {
    const auto& choice = request_.tool_choice;
    auto mode = choice.mode;
    const bool restricted = mode != Mode::named && !choice.names.empty();
    if (mode == Mode::required && choice.names.size() == 1) {
      mode = Mode::named;
    } else if (restricted) {
      request_.losses.add(Loss::tool_choice);
    }
    if (forced_ && candidate_.quirks.forced_tool_rejected) mode = Mode::automatic;
    const bool one_at_a_time = !request_.parallel_calls && mode != Mode::none;
    if (mode == Mode::unset && !one_at_a_time) return;
    writer_.key("tool_choice").begin_object();
    switch (mode) {
      case Mode::none:
        writer_.member("type", "none");
        break;
      case Mode::required:
        writer_.member("type", "any");
        break;
      case Mode::named:
        writer_.member("type", "tool")
            .member("name", std::string_view{wire_name(choice.names.front())});
        break;
      default:
        writer_.member("type", "auto");
        break;
    }
    if (one_at_a_time) writer_.member("disable_parallel_tool_use", true);
    writer_.end_object();
  }

  /// The newest families bind a thinking block to everything before it. The client, who never saw
  /// the block, may have changed that (a date in the system text, a compacted turn): the block must
  /// then be dropped, not the request refused. Source: wire-formats specification §4.3.
  [[nodiscard]] bool replays_bound_thinking() const {
    if (!candidate_.quirks.thinking_bound || thinking_.mode == ClaudeThinking::Mode::disabled)
      return false;
    return std::ranges::any_of(conversation_.turns, [](const auto& turn) {
      return std::ranges::any_of(turn.blocks, [](const ir::Block& block) {
        return std::holds_alternative<ir::Reasoning>(block);
      });
    });
  }

  void write_thinking() {
    using ThinkingMode = ClaudeThinking::Mode;
    const bool bound = replays_bound_thinking();
    if (thinking_.mode != ThinkingMode::unset || thinking_.shown || bound) {
      writer_.key("thinking").begin_object();
      if (thinking_.mode == ThinkingMode::unset) writer_.member("type", "adaptive");
      if (thinking_.mode == ThinkingMode::disabled) writer_.member("type", "disabled");
      if (thinking_.mode == ThinkingMode::adaptive) writer_.member("type", "adaptive");
      if (thinking_.shown) writer_.member("display", "summarized");
      if (thinking_.mode == ThinkingMode::enabled) {
        writer_.member("type", "enabled").member("budget_tokens", thinking_.budget);
      }
      if (bound) {
        writer_.key("block_binding").begin_object();
        writer_.member("prefix_mismatch_behavior", "drop_block").end_object();
        out_.headers.emplace_back("anthropic-beta", "thinking-binding-controls-2026-08-01");
      }
      writer_.end_object();
    }
    const bool schema = request_.format.kind == ir::ResponseFormat::Kind::json_schema &&
                        candidate_.quirks.json_schema_native;
    if (thinking_.effort.empty() && !schema) return;
    writer_.key("output_config").begin_object();
    if (!thinking_.effort.empty()) writer_.member("effort", std::string_view{thinking_.effort});
    if (schema) {
      writer_.key("format").begin_object().member("type", "json_schema");
      writer_.key("schema").raw(request_.format.schema).end_object();
    }
    writer_.end_object();
  }

  /// Newer families refuse sampling, thinking restricts it, and some take one of temperature and
  /// top_p only.
  void write_sampling() {
    const auto& sampling = request_.sampling;
    auto temperature = sampling.temperature;
    auto top_p = sampling.top_p;
    auto top_k = sampling.top_k;
    if (candidate_.quirks.sampling_rejected) {
      temperature.reset();
      top_p.reset();
      top_k.reset();
    }
    if (thinking_.on()) {
      if (temperature && temperature->value != 1) temperature.reset();
      if (top_p && top_p->value < 0.95) top_p.reset();
      top_k.reset();
    }
    if (temperature && top_p && candidate_.quirks.one_sampling_param) top_p.reset();
    if (top_k && (top_k->value < 1 || !wire::JsonView{top_k->raw}.integer())) top_k.reset();
    request_.losses.add_if(temperature.has_value() != sampling.temperature.has_value() ||
                               top_p.has_value() != sampling.top_p.has_value() ||
                               top_k.has_value() != sampling.top_k.has_value(),
                           Loss::sampling);
    if (temperature)
      writer_.key("temperature").raw(temperature->value > 1 ? "1" : temperature->raw);
    if (top_p) writer_.key("top_p").raw(top_p->raw);
    if (top_k) writer_.key("top_k").raw(top_k->raw);
  }

  void write_stop() {
    const auto dropped =
        std::erase_if(request_.stop, [](const std::string& word) { return blank(word); });
    request_.losses.add_if(dropped > 0, Loss::stop);
    if (request_.stop.empty()) return;
    writer_.key("stop_sequences").begin_array();
    for (const auto& word : request_.stop) writer_.value(std::string_view{word});
    writer_.end_array();
  }

  ir::Request request_;
  const Candidate& candidate_;
  const TranslateOptions& options_;
  Outgoing out_;
  JsonWriter writer_;
  ir::Conversation conversation_;
  ClaudeThinking thinking_;
  std::int64_t max_tokens_ = 0;
  bool forced_ = false;  // the client insists on a call
};

}  // namespace

Result<Outgoing> emit_anthropic(ir::Request request, const Candidate& candidate,
                                const TranslateOptions& options) {
  return Emitter{std::move(request), candidate, options}.run();
}

}  // namespace turnpike::dialect
