#include "compatible_chat_reader.hpp"

#include <algorithm>

#include "local_service.hpp"
#include "openai_service.hpp"
#include "responses_items.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::int64_t local_context_tokens = 131'072;
constexpr std::int64_t openai_context_tokens = 400'000;

bool thinks_by_name(const std::string& model) {
  const auto name = to_lower(model);
  for (const auto* part : {"thinking", "gpt-oss", "qwq", "-r1"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

// OpenAI refuses reasoning effort beside function tools from this generation on.
bool wants_responses(std::string_view model) {
  return model.starts_with("gpt-5.") && model.size() > 6 && model[6] >= '4';
}

class Reader {
 public:
  Reader(Endpoint endpoint, const Settings& settings, const HttpRequest& request)
      : settings_(settings),
        request_(request),
        openai_(endpoint == Endpoint::openai_chat),
        plain_(wants_plain_errors(request)) {
    ask_.endpoint = endpoint;
  }

  Checked<Ask> read() {
    if (openai_) {
      auto key = openai_key(settings_, request_);
      if (!key) return std::unexpected{key.error()};
      ask_.cache_scope = *key;
    }
    body_ = Json::parse(request_.body, nullptr, false);
    if (!body_.is_object()) return bad("We could not parse the JSON body of your request.");
    for (auto step : {&Reader::check_members, &Reader::read_model, &Reader::read_stream,
                      &Reader::read_limits, &Reader::read_thinking, &Reader::read_tools,
                      &Reader::read_tool_choice, &Reader::read_format, &Reader::read_messages,
                      &Reader::check_pairing, &Reader::check_size}) {
      if (auto fine = (this->*step)(); !fine) return std::unexpected{fine.error()};
    }
    read_directives(ask_);
    if (!openai_ && ask_.directives.has("reasoning_key")) ask_.thinking = true;
    return std::move(ask_);
  }

 private:
  std::unexpected<Refusal> bad(const std::string& message, std::string_view param = "",
                               std::string_view code = "") const {
    return std::unexpected{openai_ ? openai_refusal(400, message, param, code)
                                   : local_refusal(400, message, plain_)};
  }

  Checked<void> check_members() {
    if (!openai_) return {};
    const auto unknown = unknown_member(body_, {"model",
                                                "messages",
                                                "stream",
                                                "stream_options",
                                                "max_tokens",
                                                "max_completion_tokens",
                                                "temperature",
                                                "top_p",
                                                "n",
                                                "stop",
                                                "presence_penalty",
                                                "frequency_penalty",
                                                "logit_bias",
                                                "logprobs",
                                                "top_logprobs",
                                                "seed",
                                                "tools",
                                                "tool_choice",
                                                "parallel_tool_calls",
                                                "response_format",
                                                "reasoning_effort",
                                                "verbosity",
                                                "modalities",
                                                "audio",
                                                "prediction",
                                                "metadata",
                                                "store",
                                                "user",
                                                "safety_identifier",
                                                "prompt_cache_key",
                                                "prompt_cache_retention",
                                                "prompt_cache_options",
                                                "service_tier",
                                                "web_search_options",
                                                "moderation",
                                                "functions",
                                                "function_call"});
    if (!unknown) return {};
    return bad("Unrecognized request argument supplied: " + *unknown);
  }

  Checked<void> read_model() {
    ask_.model = string_member(body_, "model");
    if (ask_.model.empty()) return bad("you must provide a model parameter");
    ask_.cache_scope += '/' + ask_.model;
    if (!openai_ || is_openai_model(ask_.model) || settings_.any_model) return {};
    return std::unexpected{openai_refusal(
        404, "The model `" + ask_.model + "` does not exist or you do not have access to it.", "",
        "model_not_found")};
  }

  Checked<void> read_stream() {
    const auto& stream = member(body_, "stream");
    if (!stream.is_null() && !stream.is_boolean())
      return bad("Invalid type for 'stream': expected a boolean.", "stream", "invalid_type");
    ask_.stream = stream.is_boolean() && stream.get<bool>();
    const auto& options = member(body_, "stream_options");
    if (!options.is_null() && !ask_.stream)
      return bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                 "stream_options");
    ask_.usage_asked = !ask_.stream || member(options, "include_usage") == true;
    ask_.responses.obfuscation = openai_ && member(options, "include_obfuscation") != false;
    return {};
  }

  Checked<void> read_limits() {
    const bool reasons = openai_ && is_openai_reasoner(ask_.model);
    if (reasons && !member(body_, "max_tokens").is_null()) {
      return bad(
          "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
          "'max_completion_tokens' instead.",
          "max_tokens", "unsupported_parameter");
    }
    const auto& newer = member(body_, "max_completion_tokens");
    if (!openai_ && !newer.is_null()) ask_.notes.emplace_back("max_completion_tokens ignored");
    const auto& most = openai_ && !newer.is_null() ? newer : member(body_, "max_tokens");
    ask_.output_tokens_max = openai_ ? 128'000 : 32'768;
    if (!most.is_null()) {
      if (!most.is_number_integer() || most.get<std::int64_t>() < 1)
        return bad("max_tokens must be at least 1, got " + most.dump() + ".", "max_tokens",
                   "integer_below_min_value");
      ask_.output_tokens_max = most.get<std::int64_t>();
    }
    const auto& temperature = member(body_, "temperature");
    if (temperature.is_number() && (temperature < 0 || temperature > 2))
      return bad("Invalid 'temperature': expected a value between 0 and 2.", "temperature");
    if (reasons && temperature.is_number() && temperature != 1) {
      return bad("Unsupported value: 'temperature' does not support " + temperature.dump() +
                     " with this model. Only the default (1) value is supported.",
                 "temperature", "unsupported_value");
    }
    return read_stop(reasons);
  }

  Checked<void> read_stop(bool reasons) {
    const auto& stop = member(body_, "stop");
    if (stop.is_null()) return {};
    if (reasons)
      return bad("Unsupported parameter: 'stop' is not supported with this model.", "stop",
                 "unsupported_parameter");
    const Json stops = stop.is_string() ? Json::array({stop}) : stop;
    if (openai_ && stops.size() > 4)
      return bad("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop",
                 "array_above_max_length");
    for (const auto& one : stops) {
      if (!one.is_string()) return bad("Invalid type for 'stop': expected a string.", "stop");
      ask_.stop_sequences.push_back(one.get<std::string>());
    }
    return {};
  }

  // OpenAI thinks unseen. A local model thinks by its name, or when it is told to.
  Checked<void> read_thinking() {
    const auto effort = string_member(body_, "reasoning_effort");
    ask_.effort = effort.empty() ? "medium" : effort;
    if (openai_) {
      ask_.thinking = is_openai_reasoner(ask_.model) && effort != "none";
      ask_.thinking_shown = false;
      const auto& tools = member(body_, "tools");
      if (!effort.empty() && effort != "none" && tools.is_array() && !tools.empty() &&
          wants_responses(ask_.model)) {
        return bad("Function tools with reasoning_effort are not supported for " + ask_.model +
                       " in /v1/chat/completions. Please use /v1/responses instead.",
                   "reasoning_effort");
      }
      return {};
    }
    const auto& told = member(member(body_, "chat_template_kwargs"), "enable_thinking");
    const auto& think = member(body_, "think");
    ask_.thinking = thinks_by_name(ask_.model) || (!effort.empty() && effort != "none");
    if (told.is_boolean()) ask_.thinking = told.get<bool>();
    if (think.is_boolean()) ask_.thinking = think.get<bool>();
    return {};
  }

  Checked<void> read_tools() {
    const auto& tools = member(body_, "tools");
    if (tools.is_null()) return {};
    if (!tools.is_array()) return bad("Invalid type for 'tools': expected an array.", "tools");
    if (openai_ && tools.empty())
      return bad(
          "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty "
          "array instead.",
          "tools", "empty_array");
    for (std::size_t i = 0; i < tools.size(); ++i) {
      if (auto fine = read_tool(tools[i], "tools[" + std::to_string(i) + "]"); !fine) return fine;
    }
    const auto& parallel = member(body_, "parallel_tool_calls");
    ask_.parallel_calls = !parallel.is_boolean() || parallel.get<bool>();
    return {};
  }

  Checked<void> read_tool(const Json& tool, const std::string& where) {
    const auto& function = member(tool, "function");
    const auto name = string_member(function, "name");
    if (string_member(tool, "type") != "function" || name.empty())
      return bad("Missing required parameter: '" + where + ".function'.", where,
                 "missing_required_parameter");
    if (openai_ && !is_function_name(name)) {
      return bad("Invalid '" + where +
                     ".function.name': string does not match pattern. Expected a string that "
                     "matches the pattern '^[a-zA-Z0-9_-]+$'.",
                 where + ".function.name", "invalid_value");
    }
    const auto& schema = member(function, "parameters");
    if (openai_ && member(function, "strict") == true) {
      if (const auto fault = strict_schema_fault(schema)) {
        return bad("Invalid schema for function '" + name + "': " + *fault,
                   where + ".function.parameters", "invalid_function_parameters");
      }
    }
    ask_.tools.push_back({name, schema.is_object() ? schema : Json::object()});
    ask_.prompt.add(tool.dump());
    return {};
  }

  Checked<void> read_tool_choice() {
    const auto& choice = member(body_, "tool_choice");
    if (choice.is_null()) return {};
    if (ask_.tools.empty() && choice != "none") {
      return bad(
          "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
          "specified.",
          "tool_choice");
    }
    if (choice == "none") ask_.tool_mode = ToolMode::none;
    if (choice == "required") ask_.tool_mode = ToolMode::required;
    if (!choice.is_object()) return {};
    ask_.tool_mode = ToolMode::required;
    const auto name = string_member(member(choice, "function"), "name");
    ask_.allowed_tools.push_back(name);
    const bool known = std::any_of(ask_.tools.begin(), ask_.tools.end(),
                                   [&](const Tool& tool) { return tool.name == name; });
    if (!known)
      return bad("Tool choice '" + name + "' not found in 'tools' parameter.", "tool_choice");
    return {};
  }

  Checked<void> read_format() {
    const auto& format = member(body_, "response_format");
    const auto type = string_member(format, "type", "text");
    ask_.json_object = type == "json_object";
    if (type == "text" || type == "json_object") return {};
    const auto& schema = member(member(format, "json_schema"), "schema");
    if (type != "json_schema" || !schema.is_object())
      return bad("Invalid value: '" + type +
                     "'. Supported values are: 'text', 'json_object', and "
                     "'json_schema'.",
                 "response_format.type", "invalid_value");
    ask_.output_schema = schema;
    if (!openai_ || member(member(format, "json_schema"), "strict") != true) return {};
    const auto fault = strict_schema_fault(schema);
    if (!fault) return {};
    return bad("Invalid schema for response_format '" +
                   string_member(member(format, "json_schema"), "name") + "': " + *fault,
               "response_format", "invalid_json_schema");
  }

  Checked<void> read_messages() {
    const auto& messages = member(body_, "messages");
    if (!messages.is_array() || messages.empty())
      return bad("Invalid 'messages': expected an array with minimum length 1.", "messages");
    for (std::size_t i = 0; i < messages.size(); ++i) {
      auto fine = read_message(messages[i], "messages[" + std::to_string(i) + "]");
      if (!fine) return fine;
    }
    for (const auto& result : ask_.tool_results)
      ask_.tool_failed = ask_.tool_failed || looks_failed(result);
    return {};
  }

  Checked<void> read_message(const Json& message, const std::string& where) {
    const auto role = string_member(message, "role");
    const bool known = is_one_of(role, {"system", "user", "assistant", "tool"}) ||
                       (openai_ && is_one_of(role, {"developer", "function"}));
    if (!known) {
      if (!openai_) return bad("Unexpected message role.");
      return bad("Invalid value: '" + role +
                     "'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', "
                     "and 'developer'.",
                 where + ".role", "invalid_value");
    }
    const auto& content = member(message, "content");
    if (content.is_null() && role != "assistant")
      return bad("Invalid value for 'content': expected a string, got null.", where + ".content");
    auto text = text_of(content, where + ".content");
    if (!text) return std::unexpected{text.error()};
    const auto& calls = member(message, "tool_calls");
    const bool has_calls = calls.is_array() && !calls.empty();
    ask_.prompt.add("<" + role + ">" + *text + (has_calls ? calls.dump() : "") +
                    string_member(message, "tool_call_id"));
    note_turn(role, std::move(*text), has_calls);
    return {};
  }

  void note_turn(const std::string& role, std::string text, bool has_calls) {
    if (role == "system" || role == "developer") ask_.system_text += text + '\n';
    if (role != "tool") ask_.tool_results.clear();
    if (role == "assistant" && has_calls) ++ask_.step;
    if (role == "user") {
      ask_.step = 0;
      if (ask_.first_user_text.empty()) ask_.first_user_text = text;
      ask_.last_user_text = std::move(text);
    } else if (role == "tool") {
      ask_.tool_results.push_back(std::move(text));
    }
  }

  Checked<std::string> text_of(const Json& content, const std::string& where) {
    if (content.is_null()) return "";
    if (content.is_string()) return content.get<std::string>();
    if (!content.is_array())
      return bad("Invalid type for '" + where + "': expected a string or an array.", where,
                 "invalid_type");
    std::string text;
    for (const auto& part : content) {
      const auto type = string_member(part, "type");
      if (type == "text" || type == "refusal") {
        text += string_member(part, type.c_str());
      } else if (is_one_of(type, {"image_url", "input_audio", "file"})) {
        ask_.prompt.add_media(part.dump(), 765);
      } else {
        return bad("Invalid value: '" + type +
                       "'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', "
                       "'audio', and 'file'.",
                   where, "invalid_value");
      }
    }
    return text;
  }

  // A local server renders what it is given.
  Checked<void> check_pairing() {
    if (!openai_) return {};
    std::vector<std::string> open;
    for (const auto& message : member(body_, "messages")) {
      if (string_member(message, "role") == "tool") {
        const auto at = std::find(open.begin(), open.end(), string_member(message, "tool_call_id"));
        if (at == open.end())
          return bad(
              "Invalid parameter: messages with role 'tool' must be a response to a preceeding "
              "message with 'tool_calls'.",
              "messages");
        open.erase(at);
        continue;
      }
      if (!open.empty()) return unanswered(open);
      for (const auto& call : member(message, "tool_calls"))
        open.push_back(string_member(call, "id"));
    }
    return open.empty() ? Checked<void>{} : unanswered(open);
  }

  std::unexpected<Refusal> unanswered(const std::vector<std::string>& open) const {
    std::string ids;
    for (const auto& id : open) ids += (ids.empty() ? "" : ", ") + id;
    return bad(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: " +
            ids,
        "messages");
  }

  Checked<void> check_size() {
    const auto most = openai_ ? openai_context_tokens : local_context_tokens;
    const auto tokens = ask_.prompt.tokens();
    if (tokens <= most) return {};
    return bad("This model's maximum context length is " + std::to_string(most) +
                   " tokens. However, your messages resulted in " + std::to_string(tokens) +
                   " tokens. Please reduce the length of the messages.",
               "messages", "context_length_exceeded");
  }

  const Settings& settings_;
  const HttpRequest& request_;
  bool openai_;
  bool plain_;
  Json body_;
  Ask ask_;
};

}  // namespace

Checked<Ask> read_compatible_chat(Endpoint endpoint, const Settings& settings,
                                  const HttpRequest& request) {
  return Reader{endpoint, settings, request}.read();
}

}  // namespace turnpike::simulator
