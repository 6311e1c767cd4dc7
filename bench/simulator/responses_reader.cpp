#include "responses_reader.hpp"

#include <algorithm>

#include "deepseek_service.hpp"
#include "openai_service.hpp"
#include "responses_items.hpp"
#include "signature.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr char reasoning_kind = 'E';
constexpr std::string_view reasoning_prefix = "gAAAAAB";  // as every recorded token begins
constexpr std::int64_t openai_context_tokens = 400'000;

class Reader {
 public:
  Reader(Endpoint endpoint, const Settings& settings, const ResponseStore& store,
         const HttpRequest& request)
      : settings_(settings),
        store_(store),
        request_(request),
        deepseek_(endpoint == Endpoint::deepseek_responses) {
    ask_.endpoint = endpoint;
  }

  Checked<Ask> read() {
    auto key = deepseek_ ? deepseek_key(settings_, request_) : openai_key(settings_, request_);
    if (!key) return std::unexpected{key.error()};
    key_ = *key;
    ask_.cache_scope = key_;
    body_ = Json::parse(request_.body, nullptr, false);
    if (!body_.is_object()) return bad("We could not parse the JSON body of your request.");
    for (auto step : {&Reader::check_members, &Reader::read_model, &Reader::read_limits,
                      &Reader::read_sampling, &Reader::read_reasoning, &Reader::read_format,
                      &Reader::read_tools, &Reader::read_tool_choice, &Reader::read_state,
                      &Reader::read_input, &Reader::check_size}) {
      if (auto fine = (this->*step)(); !fine) return std::unexpected{fine.error()};
    }
    note_echo();
    read_directives(ask_);
    return std::move(ask_);
  }

 private:
  std::unexpected<Refusal> bad(const std::string& message, std::string_view param = "",
                               std::string_view code = "") const {
    return std::unexpected{deepseek_ ? deepseek_refusal(400, message)
                                     : openai_refusal(400, message, param, code)};
  }

  // DeepSeek ignores what it does not know.
  Checked<void> check_members() {
    if (deepseek_) return {};
    const auto unknown = unknown_member(body_, {"model",
                                                "input",
                                                "instructions",
                                                "tools",
                                                "tool_choice",
                                                "parallel_tool_calls",
                                                "max_tool_calls",
                                                "max_output_tokens",
                                                "reasoning",
                                                "text",
                                                "include",
                                                "store",
                                                "stream",
                                                "stream_options",
                                                "truncation",
                                                "metadata",
                                                "temperature",
                                                "top_p",
                                                "top_logprobs",
                                                "previous_response_id",
                                                "conversation",
                                                "background",
                                                "service_tier",
                                                "prompt_cache_key",
                                                "user",
                                                "safety_identifier",
                                                "client_metadata",
                                                "prompt_cache_retention",
                                                "prompt",
                                                "context_management",
                                                "moderation",
                                                "prompt_cache_options"});
    if (!unknown) return {};
    return bad("Unknown parameter: '" + *unknown + "'.", *unknown, "unknown_parameter");
  }

  Checked<void> read_model() {
    ask_.model = string_member(body_, "model");
    const bool known =
        deepseek_ ? ask_.model.starts_with("deepseek-") : is_openai_model(ask_.model);
    if (!known && !settings_.any_model) {
      if (deepseek_) return bad("Model Not Exist");
      return bad("The requested model '" + ask_.model + "' does not exist.", "model",
                 "model_not_found");
    }
    const auto& stream = member(body_, "stream");
    if (!stream.is_null() && !stream.is_boolean())
      return bad("Invalid type for 'stream': expected a boolean.", "stream", "invalid_type");
    ask_.stream = stream.is_boolean() && stream.get<bool>();
    ask_.cache_scope += '/' + ask_.model;
    return {};
  }

  Checked<void> read_limits() {
    const auto& most = member(body_, "max_output_tokens");
    ask_.output_tokens_max = deepseek_ ? 32'768 : 128'000;
    if (most.is_null()) return {};
    if (!most.is_number_integer())
      return bad("Invalid type for 'max_output_tokens': expected an integer.", "max_output_tokens",
                 "invalid_type");
    const std::int64_t least = deepseek_ ? 1 : 16;
    ask_.output_tokens_max = most.get<std::int64_t>();
    if (ask_.output_tokens_max < least) {
      return bad("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= " +
                     std::to_string(least) + ", but got " + std::to_string(ask_.output_tokens_max) +
                     " instead.",
                 "max_output_tokens", "integer_below_min_value");
    }
    if (!deepseek_ || ask_.output_tokens_max <= deepseek_output_tokens_max) return {};
    return bad("Invalid max_output_tokens value, the valid range of max_output_tokens is [1, " +
               std::to_string(deepseek_output_tokens_max) + "]");
  }

  Checked<void> read_sampling() {
    auto fine = read_sampling_value("temperature", 2);
    return fine ? read_sampling_value("top_p", 1) : fine;
  }

  Checked<void> read_sampling_value(const std::string& name, int most) {
    const auto& value = member(body_, name.c_str());
    if (value.is_null()) return {};
    if (!value.is_number())
      return bad("Invalid type for '" + name + "': expected a decimal.", name, "invalid_type");
    const auto number = value.get<double>();
    const auto got = ", but got " + value.dump() + " instead.";
    if (number < 0)
      return bad("Invalid '" + name + "': decimal below minimum value. Expected a value >= 0" + got,
                 name, "decimal_below_min_value");
    if (number > most)
      return bad("Invalid '" + name + "': decimal above maximum value. Expected a value <= " +
                     std::to_string(most) + got,
                 name, "decimal_above_max_value");
    if (deepseek_ || number == 1 || !is_openai_reasoner(ask_.model)) return {};
    return bad("Unsupported parameter: '" + name + "' is not supported with this model.", name);
  }

  Checked<void> read_reasoning() {
    const auto& reasoning = member(body_, "reasoning");
    const auto asked = string_member(reasoning, "effort", deepseek_ ? "high" : "medium");
    ask_.thinking = asked != "none" && (deepseek_ || is_openai_reasoner(ask_.model));
    ask_.effort = asked;
    if (asked != "none" && deepseek_) {
      const auto effort = deepseek_effort(asked);
      if (!effort)
        return bad("reasoning.effort: unknown variant `" + asked +
                   "`, expected one of `none`, `low`, `high`, `max`");
      ask_.effort = *effort;
    } else if (!is_one_of(asked, {"none", "minimal", "low", "medium", "high", "xhigh", "max"})) {
      return bad(
          "Invalid value: '" + asked +
              "'. Supported values are: 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', "
              "and 'max'.",
          "reasoning.effort", "invalid_value");
    }
    if (!deepseek_ && !reasoning.is_null() && !is_openai_reasoner(ask_.model) && asked != "none")
      return bad("Unsupported parameter: 'reasoning.effort' is not supported with this model.",
                 "reasoning.effort", "unsupported_parameter");
    ask_.responses.summary = !string_member(reasoning, "summary").empty();
    const auto& include = member(body_, "include");
    ask_.responses.encrypted =
        std::find(include.begin(), include.end(), "reasoning.encrypted_content") != include.end();
    ask_.responses.obfuscation =
        member(member(body_, "stream_options"), "include_obfuscation") != false;
    ask_.thinking_shown = deepseek_ || ask_.responses.summary;
    return {};
  }

  Checked<void> read_format() {
    const auto& format = member(member(body_, "text"), "format");
    const auto type = string_member(format, "type", "text");
    ask_.json_object = type == "json_object";
    if (type == "text" || type == "json_object") return {};
    if (type != "json_schema")
      return bad("Invalid value: '" + type +
                     "'. Supported values are: 'json_object', 'json_schema', and 'text'.",
                 "text.format.type", "invalid_value");
    const auto name = string_member(format, "name");
    if (name.empty())
      return bad("Missing required parameter: 'text.format.name'.", "text.format.name",
                 "missing_required_parameter");
    if (!member(format, "schema").is_object())
      return bad("Missing required parameter: 'text.format.schema'.", "text.format.schema",
                 "missing_required_parameter");
    ask_.output_schema = member(format, "schema");
    if (member(format, "strict") != true) return {};
    const auto fault = strict_schema_fault(*ask_.output_schema);
    if (!fault) return {};
    return bad("Invalid schema for response_format '" + name + "': " + *fault, "text.format.schema",
               "invalid_json_schema");
  }

  Checked<void> read_tools() {
    const auto& tools = member(body_, "tools");
    if (!tools.is_null() && !tools.is_array())
      return bad("Invalid type for 'tools': expected an array of tools.", "tools", "invalid_type");
    for (std::size_t i = 0; i < tools.size(); ++i) {
      const auto type = string_member(tools[i], "type");
      if (type != "function" && type != "custom") {
        if (type.empty())
          return bad("Missing required parameter: 'tools[" + std::to_string(i) + "].type'.",
                     "tools", "missing_required_parameter");
        if (type.starts_with("web_search")) {
          ask_.searches_max = searches_unbounded;
          continue;
        }
        ask_.notes.push_back("tool of type " + type + " ignored");
        continue;
      }
      if (auto fine = read_tool(tools[i], "tools[" + std::to_string(i) + "]"); !fine) return fine;
    }
    const auto& parallel = member(body_, "parallel_tool_calls");
    ask_.parallel_calls = !parallel.is_boolean() || parallel.get<bool>();
    return {};
  }

  Checked<void> read_tool(const Json& tool, const std::string& where) {
    const auto name = string_member(tool, "name");
    if (!is_function_name(name)) {
      return bad("Invalid '" + where +
                     ".name': string does not match pattern. Expected a string that matches the "
                     "pattern '^[a-zA-Z0-9_-]+$'.",
                 where + ".name", "invalid_value");
    }
    const bool custom = string_member(tool, "type") == "custom";
    const auto& schema = member(tool, "parameters");
    if (!custom && !schema.is_null() && string_member(schema, "type") != "object") {
      return bad("Invalid schema for function '" + name +
                     "': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"" +
                     string_member(schema, "type", "None") + "\"'.",
                 where + ".parameters", "invalid_function_parameters");
    }
    if (!custom && member(tool, "strict") == true) {
      if (const auto fault = strict_schema_fault(schema)) {
        return bad("Invalid schema for function '" + name + "': " + *fault, where + ".parameters",
                   "invalid_function_parameters");
      }
    }
    ask_.tools.push_back({name, schema.is_object() ? schema : Json::object(), custom});
    ask_.prompt.add(tool.dump());
    return {};
  }

  Checked<void> read_tool_choice() {
    const auto& choice = member(body_, "tool_choice");
    if (choice == "none") ask_.tool_mode = ToolMode::none;
    if (choice == "required") ask_.tool_mode = ToolMode::required;
    if (!choice.is_object()) return {};
    ask_.tool_mode = ToolMode::required;
    const bool several = string_member(choice, "type") == "allowed_tools";
    if (several && string_member(choice, "mode") != "required")
      ask_.tool_mode = ToolMode::automatic;
    const Json named = several ? member(choice, "tools") : Json::array({choice});
    for (const auto& one : named) {
      const auto name = string_member(one, "name");
      ask_.allowed_tools.push_back(name);
      const bool known = std::any_of(ask_.tools.begin(), ask_.tools.end(),
                                     [&](const Tool& tool) { return tool.name == name; });
      if (!known)
        return bad("Tool choice '" + name + "' not found in 'tools' parameter.", "tool_choice");
    }
    return {};
  }

  // DeepSeek keeps nothing: it says store:false whatever was asked, and begins anew each time.
  Checked<void> read_state() {
    const auto previous = string_member(body_, "previous_response_id");
    if (deepseek_) {
      if (!previous.empty()) ask_.notes.emplace_back("previous_response_id ignored");
      return {};
    }
    ask_.responses.store = member(body_, "store") != false;
    if (previous.empty()) return {};
    const auto* before = store_.conversation(key_, previous);
    if (before == nullptr) {
      return bad("Previous response with id '" + previous + "' not found.", "previous_response_id",
                 "previous_response_not_found");
    }
    ask_.responses.items = *before;
    return {};
  }

  Checked<void> read_input() {
    const auto instructions = string_member(body_, "instructions");
    const auto& input = member(body_, "input");
    if (input.is_null() && instructions.empty())
      return bad("Missing required parameter: 'input'.", "input", "missing_required_parameter");
    if (!input.is_null() && !input.is_string() && !input.is_array())
      return bad("Invalid type for 'input': expected one of an array of objects or string.",
                 "input", "invalid_type");
    if (!instructions.empty()) {
      ask_.prompt.add("<system>" + instructions);
      ask_.system_text = instructions + '\n';
    }
    auto& items = ask_.responses.items;
    if (input.is_string())
      items.push_back(Json{{"type", "message"}, {"role", "user"}, {"content", input}});
    for (const auto& item : input.is_array() ? input : Json::array()) items.push_back(item);
    return ResponsesItems{ask_, store_, key_}.read();
  }

  Checked<void> check_size() {
    if (deepseek_) return deepseek_check_size(ask_);
    if (ask_.prompt.tokens() <= openai_context_tokens) return {};
    return bad(
        "Your input exceeds the context window of this model. Please adjust your input and try "
        "again.",
        "input", "context_length_exceeded");
  }

  void note_echo() {
    for (const auto* name : {"instructions", "max_output_tokens", "max_tool_calls",
                             "parallel_tool_calls", "previous_response_id", "prompt_cache_key",
                             "reasoning", "safety_identifier", "temperature", "text", "tool_choice",
                             "tools", "top_p", "truncation", "user", "metadata"}) {
      if (body_.contains(name) && !body_[name].is_null())
        ask_.responses.echo[name] = std::move(body_[name]);
    }
    if (deepseek_) ask_.responses.echo.erase("previous_response_id");
  }

  const Settings& settings_;
  const ResponseStore& store_;
  const HttpRequest& request_;
  bool deepseek_;
  std::string key_;
  Json body_;
  Ask ask_;
};

}  // namespace

Checked<Ask> read_responses(Endpoint endpoint, const Settings& settings, const ResponseStore& store,
                            const HttpRequest& request) {
  return Reader{endpoint, settings, store, request}.read();
}

std::string seal_reasoning(std::string_view text, std::uint64_t seed) {
  return std::string{reasoning_prefix} +
         seal(reasoning_kind, {to_hex(hash_bytes(text))}, 420 + text.size() / 4, seed);
}

bool is_sealed_reasoning(std::string_view encrypted) {
  return encrypted.starts_with(reasoning_prefix) &&
         unseal(reasoning_kind, encrypted.substr(reasoning_prefix.size())).has_value();
}

}  // namespace turnpike::simulator
