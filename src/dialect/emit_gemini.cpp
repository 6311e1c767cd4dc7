#include "dialect/emit_gemini.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "dialect/argument_text.hpp"
#include "dialect/effort.hpp"
#include "dialect/line_separators.hpp"
#include "dialect/opaque_restore.hpp"
#include "dialect/schema_lowering.hpp"
#include "dialect/structural_repair.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_document.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonWriter;
using Mode = ir::ToolChoice::Mode;

constexpr std::size_t stop_max = 5;

bool is_result(const ir::Block& block) { return std::holds_alternative<ir::ToolResult>(block); }

class Emitter {
 public:
  Emitter(ir::Request request, const Candidate& candidate, const TranslateOptions& options)
      : request_(std::move(request)),
        candidate_(candidate),
        options_(options),
        writer_(out_.body) {}

  Outgoing run() {
    if (request_.tools.empty()) request_.tool_choice = {};
    request_.losses.add_if(!request_.parallel_calls && !request_.tools.empty(),
                           Loss::parallel_tool_calls);
    request_.losses.add_if(!request_.user.empty(), Loss::user);
    restore_gemini_signatures(request_, candidate_, options_);
    conversation_ = repair(std::move(request_.messages), {false, true});
    add_instructions();
    writer_.begin_object();
    if (options_.count_only) {
      writer_.key("generateContentRequest").begin_object();
      writer_.member("model", std::string_view{"models/" + candidate_.model});
    }
    write_system();
    writer_.key("contents").begin_array();
    for (const auto& turn : conversation_.turns) write_turn(turn);
    writer_.end_array();
    if (!request_.tools.empty()) {
      write_tools();
      write_tool_choice();
    }
    write_generation_config();
    if (options_.count_only) writer_.end_object();
    writer_.end_object();
    escape_line_separators(out_.body);
    out_.path = "/v1beta/models/" + candidate_.model + verb();
    out_.losses = request_.losses.names();
    return std::move(out_);
  }

 private:
  [[nodiscard]] const char* verb() const {
    if (options_.count_only) return ":countTokens";
    return request_.stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
  }

  /// Before Gemini 3 a JSON answer and functions exclude each other.
  [[nodiscard]] bool json_by_instruction() const {
    const bool schema = request_.format.kind == ir::ResponseFormat::Kind::json_schema;
    return (schema && !candidate_.quirks.json_schema_native) ||
           (!request_.tools.empty() && !candidate_.quirks.signatures_required);
  }

  void add_instructions() {
    using Kind = ir::ResponseFormat::Kind;
    if (request_.format.kind == Kind::text || !json_by_instruction()) return;
    request_.losses.add(Loss::response_format);
    std::string text = "Answer with one JSON value and nothing else: no prose, no code fence.";
    if (request_.format.kind == Kind::json_schema) {
      text += " It is valid under this JSON Schema:\n" + std::string{request_.format.schema};
    }
    conversation_.system.push_back({std::move(text)});
  }

  void write_system() {
    if (conversation_.system.empty()) return;
    writer_.key("systemInstruction").begin_object().key("parts").begin_array();
    for (const auto& text : conversation_.system) {
      writer_.begin_object().member("text", std::string_view{text.text}).end_object();
    }
    writer_.end_array().end_object();
  }

  /// Function responses stand alone in an entry; what the user adds follows in the next.
  void write_turn(const ir::Turn& turn) {
    if (turn.who == ir::Turn::Who::assistant)
      return write_entry("model", turn.blocks, [](const auto&) { return true; });
    if (std::ranges::any_of(turn.blocks, is_result)) write_entry("user", turn.blocks, is_result);
    const auto is_other = [](const ir::Block& block) { return !is_result(block); };
    if (std::ranges::any_of(turn.blocks, is_other)) write_entry("user", turn.blocks, is_other);
  }

  template <typename Wanted>
  void write_entry(const char* role, const std::vector<ir::Block>& blocks, Wanted wanted) {
    writer_.begin_object().member("role", role).key("parts").begin_array();
    for (const auto& block : blocks) {
      if (wanted(block)) write_part(block);
    }
    writer_.end_array().end_object();
  }

  void write_part(const ir::Block& block) {
    writer_.begin_object();
    if (const auto* text = std::get_if<ir::Text>(&block)) {
      writer_.member("text", std::string_view{text->text});
      sign(text->signature);
    } else if (const auto* media = std::get_if<ir::Media>(&block)) {
      write_media(*media);
    } else if (const auto* call = std::get_if<ir::ToolCall>(&block)) {
      write_call(*call);
    } else if (const auto* result = std::get_if<ir::ToolResult>(&block)) {
      write_result(*result);
    }
    writer_.end_object();
  }

  void sign(std::string_view signature) {
    if (!signature.empty()) writer_.member("thoughtSignature", signature);
  }

  void write_media(const ir::Media& media) {
    const auto mime = media.mime == "audio/mpeg" ? std::string{"audio/mp3"} : media.mime;
    if (media.url.empty()) {
      writer_.key("inlineData").begin_object().member("mimeType", std::string_view{mime});
      writer_.member("data", std::string_view{media.data}).end_object();
    } else {
      writer_.key("fileData").begin_object();
      if (!mime.empty()) writer_.member("mimeType", std::string_view{mime});
      writer_.member("fileUri", std::string_view{media.url}).end_object();
    }
    request_.losses.add_if(!media.filename.empty(), Loss::filename);
  }

  void write_id(const std::string& id) {
    if (!candidate_.quirks.strips_call_ids) writer_.member("id", std::string_view{id});
  }

  void write_call(const ir::ToolCall& call) {
    writer_.key("functionCall").begin_object();
    write_id(call.wire_id);
    writer_.member("name", std::string_view{wire_name(call.name)});
    writer_.key("args").raw(argument_object(call.arguments)).end_object();
    sign(call.signature);
  }

  void write_result(const ir::ToolResult& result) {
    std::string text;
    std::vector<const ir::Media*> media;
    for (const auto& part : result.parts) {
      if (const auto* piece = std::get_if<ir::Text>(&part)) {
        if (!text.empty()) text += '\n';
        text += piece->text;
      } else {
        media.push_back(&std::get<ir::Media>(part));
      }
    }
    writer_.key("functionResponse").begin_object();
    write_id(result.wire_id);
    writer_.member("name", std::string_view{wire_name(result.name)});
    writer_.key("response").raw(output_object(std::move(text), result.is_error));
    if (!media.empty()) {
      writer_.key("parts").begin_array();
      for (const auto* one : media) {
        writer_.begin_object();
        write_media(*one);
        writer_.end_object();
      }
      writer_.end_array();
    }
    writer_.end_object();
  }

  static std::string wire_name(std::string_view name) { return wire_tool_name(name, true); }

  void write_schema(std::string_view key, std::string_view schema, Loss loss) {
    const auto lowered = lower_schema(schema);
    request_.losses.add_if(lowered.lossy, loss);
    writer_.key(key).raw(lowered.json);
  }

  void write_tools() {
    writer_.key("tools").begin_array().begin_object().key("functionDeclarations").begin_array();
    for (const auto& tool : request_.tools) {
      const auto name = wire_name(tool.name);
      add_alias(out_.tools, tool, name);
      writer_.begin_object().member("name", std::string_view{name});
      if (!tool.description.empty())
        writer_.member("description", std::string_view{tool.description});
      if (tool.takes_text) {
        writer_.key("parametersJsonSchema")
            .raw(
                R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})");
      } else if (!wire::JsonView{tool.parameters}.members().empty()) {
        write_schema("parametersJsonSchema", tool.parameters, Loss::tool_schema);
      }
      writer_.end_object();
    }
    writer_.end_array().end_object().end_array();
  }

  void write_tool_choice() {
    const auto& choice = request_.tool_choice;
    if (choice.mode == Mode::unset) return;
    const bool forced = choice.mode == Mode::required || choice.mode == Mode::named;
    // Allowed names go with forced calls only.
    request_.losses.add_if(!forced && !choice.names.empty(), Loss::tool_choice);
    const auto* mode = forced ? "ANY" : choice.mode == Mode::none ? "NONE" : "AUTO";
    writer_.key("toolConfig")
        .begin_object()
        .key("functionCallingConfig")
        .begin_object()
        .member("mode", mode);
    if (forced && !choice.names.empty()) {
      writer_.key("allowedFunctionNames").begin_array();
      for (const auto& name : choice.names) writer_.value(std::string_view{wire_name(name)});
      writer_.end_array();
    }
    writer_.end_object().end_object();
  }

  void write_generation_config() {
    writer_.key("generationConfig").begin_object();
    write_sampling();
    write_limits();
    write_format();
    const auto thinking = plan_gemini_thinking(request_, candidate_, request_.losses);
    if (thinking.include_thoughts || thinking.budget || !thinking.level.empty()) {
      writer_.key("thinkingConfig").begin_object();
      if (thinking.include_thoughts) writer_.member("includeThoughts", true);
      if (thinking.budget) writer_.member("thinkingBudget", *thinking.budget);
      if (!thinking.level.empty())
        writer_.member("thinkingLevel", std::string_view{thinking.level});
      writer_.end_object();
    }
    writer_.end_object();
  }

  void number(const char* key, const std::optional<ir::Number>& value) {
    if (value) writer_.key(key).raw(value->raw);
  }

  void write_sampling() {
    const auto& sampling = request_.sampling;
    if (candidate_.quirks.sampling_rejected) {
      request_.losses.add_if(sampling.temperature || sampling.top_p || sampling.top_k,
                             Loss::sampling);
    } else {
      number("temperature", sampling.temperature);
      number("topP", sampling.top_p);
      number("topK", sampling.top_k);
    }
    number("presencePenalty", sampling.presence_penalty);
    number("frequencyPenalty", sampling.frequency_penalty);
    if (!sampling.seed) return;
    // The field is 32 bits wide.
    const auto seed = wire::JsonView{sampling.seed->raw}.integer();
    if (seed && *seed >= INT32_MIN && *seed <= INT32_MAX) {
      writer_.member("seed", *seed);
    } else {
      request_.losses.add(Loss::seed);
    }
  }

  void write_limits() {
    auto limit = request_.output_tokens_max;
    if (options_.output_tokens_cap)
      limit = std::min(limit.value_or(INT64_MAX), *options_.output_tokens_cap);
    if (limit && candidate_.output_tokens_max > 0)
      limit = std::min(*limit, candidate_.output_tokens_max);
    if (limit) writer_.member("maxOutputTokens", *limit);
    if (request_.choices > 1) writer_.member("candidateCount", request_.choices);
    if (request_.logprobs) {
      writer_.member("responseLogprobs", true);
      if (request_.top_logprobs) writer_.member("logprobs", *request_.top_logprobs);
    }
    if (request_.stop.empty()) return;
    request_.losses.add_if(request_.stop.size() > stop_max, Loss::stop);
    writer_.key("stopSequences").begin_array();
    for (std::size_t i = 0; i < std::min(stop_max, request_.stop.size()); ++i) {
      writer_.value(std::string_view{request_.stop[i]});
    }
    writer_.end_array();
  }

  void write_format() {
    using Kind = ir::ResponseFormat::Kind;
    if (request_.format.kind == Kind::text || json_by_instruction()) return;
    writer_.member("responseMimeType", "application/json");
    if (request_.format.kind == Kind::json_schema) {
      write_schema("responseJsonSchema", request_.format.schema, Loss::response_format);
    }
  }

  ir::Request request_;
  const Candidate& candidate_;
  const TranslateOptions& options_;
  Outgoing out_;
  JsonWriter writer_;
  ir::Conversation conversation_;
};

}  // namespace

Result<Outgoing> emit_gemini(ir::Request request, const Candidate& candidate,
                             const TranslateOptions& options) {
  return Emitter{std::move(request), candidate, options}.run();
}

}  // namespace turnpike::dialect
