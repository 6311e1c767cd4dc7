#include "compatible_messages_reader.hpp"

#include <algorithm>
#include <array>

#include "deepseek_service.hpp"
#include "local_service.hpp"
#include "signature.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::int64_t local_output_tokens_max = 131'072;

// DeepSeek serves Claude's names with its own models; other makers' names it refuses.
std::optional<std::string> deepseek_model(const std::string& asked, bool any_model) {
  if (asked.starts_with("claude-opus")) return "deepseek-v4-pro";
  if (asked.starts_with("claude")) return "deepseek-flash";
  if (asked.starts_with("deepseek-") || any_model) return asked;
  return std::nullopt;
}

std::string place(std::size_t message, std::size_t block) {
  return "messages[" + std::to_string(message) + "].content[" + std::to_string(block) + "]";
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class Reader {
 public:
  Reader(Endpoint endpoint, const Settings& settings, const HttpRequest& request)
      : settings_(settings),
        request_(request),
        deepseek_(endpoint == Endpoint::deepseek_messages),
        plain_(wants_plain_errors(request)) {
    ask_.endpoint = endpoint;
  }

  Checked<Ask> read() {
    if (deepseek_) {
      auto key = deepseek_key(settings_, request_);
      if (!key) return std::unexpected{key.error()};
      ask_.cache_scope = *key;
    }
    body_ = Json::parse(request_.body, nullptr, false);
    if (!body_.is_object()) return bad("Failed to parse the request body as a JSON object");
    for (auto step : {&Reader::read_model, &Reader::read_limits, &Reader::read_thinking,
                      &Reader::read_output, &Reader::read_tools, &Reader::read_tool_choice,
                      &Reader::read_system, &Reader::read_messages, &Reader::check_pairing}) {
      if (auto fine = (this->*step)(); !fine) return std::unexpected{fine.error()};
    }
    read_directives(ask_);
    return std::move(ask_);
  }

 private:
  std::unexpected<Refusal> bad(const std::string& message) const {
    return std::unexpected{compatible_messages_refusal(ask_.endpoint, 400, message, plain_)};
  }

  Checked<void> read_model() {
    const auto asked = string_member(body_, "model");
    if (asked.empty()) return bad("missing field `model`");
    const auto served =
        deepseek_ ? deepseek_model(asked, settings_.any_model) : std::optional{asked};
    if (!served) return bad("Model Not Exist");
    ask_.model = *served;
    const auto& stream = member(body_, "stream");
    if (!stream.is_null() && !stream.is_boolean())
      return bad("stream: invalid type, expected a boolean");
    ask_.stream = stream.is_boolean() && stream.get<bool>();
    const auto user = string_member(member(body_, "metadata"), "user_id");
    if (deepseek_ && user.size() > 512) return bad("Invalid metadata.user_id: at most 512 bytes");
    ask_.cache_scope += '/' + ask_.model + '/' + user;
    return {};
  }

  Checked<void> read_limits() {
    const auto limit = deepseek_ ? deepseek_output_tokens_max : local_output_tokens_max;
    const auto& most = member(body_, "max_tokens");
    if (!most.is_number_integer()) return bad("missing field `max_tokens`");
    ask_.output_tokens_max = most.get<std::int64_t>();
    if (ask_.output_tokens_max < 1 || ask_.output_tokens_max > limit)
      return bad("Invalid max_tokens value, the valid range of max_tokens is [1, " +
                 std::to_string(limit) + "]");
    const auto& temperature = member(body_, "temperature");
    if (temperature.is_number() &&
        (temperature.get<double>() < 0 || temperature.get<double>() > 2)) {
      return bad("Invalid temperature value, the valid range of temperature is [0, 2]");
    }
    for (const auto& stop : member(body_, "stop_sequences")) {
      if (!stop.is_string()) return bad("stop_sequences: invalid type, expected a string");
      ask_.stop_sequences.push_back(stop.get<std::string>());
    }
    return {};
  }

  // DeepSeek thinks unless told otherwise and ignores budgets; a local server thinks when told to.
  Checked<void> read_thinking() {
    const auto type =
        string_member(member(body_, "thinking"), "type", deepseek_ ? "enabled" : "disabled");
    if (!is_one_of(type, {"enabled", "adaptive", "disabled"})) {
      return bad("thinking.type: unknown variant `" + type +
                 "`, expected one of `enabled`, `adaptive`, `disabled`");
    }
    ask_.thinking = type != "disabled";
    return {};
  }

  Checked<void> read_output() {
    const auto& output = member(body_, "output_config");
    const auto asked = string_member(output, "effort", "high");
    const auto effort = deepseek_effort(asked);
    if (deepseek_ && !effort) return bad("output_config.effort: unknown variant `" + asked + "`");
    ask_.effort = effort.value_or("high");
    const auto& schema = member(member(output, "format"), "schema");
    if (schema.is_object()) ask_.output_schema = schema;
    return {};
  }

  Checked<void> read_tools() {
    const auto& tools = member(body_, "tools");
    if (!tools.is_null() && !tools.is_array())
      return bad("tools: invalid type, expected a sequence");
    for (const auto& tool : tools) {
      const auto type = string_member(tool, "type", "custom");
      if (type.starts_with("web_search_")) {
        ask_.searches_max = searches_unbounded;
        continue;
      }
      if (type != "custom") {
        ask_.notes.push_back("tool of type " + type + " ignored");
        continue;
      }
      const auto name = string_member(tool, "name");
      if (name.empty() || name.size() > 128)
        return bad("Invalid tool name: it must have 1 to 128 characters");
      const auto& schema = member(tool, "input_schema");
      if (string_member(schema, "type") != "object")
        return bad("Invalid schema for tool '" + name + "': expected type `object`");
      ask_.tools.push_back({name, schema});
      ask_.prompt.add(name + string_member(tool, "description") + schema.dump());
    }
    return {};
  }

  Checked<void> read_tool_choice() {
    const auto& choice = member(body_, "tool_choice");
    if (choice.is_null()) return {};
    const auto type = string_member(choice, "type");
    if (!is_one_of(type, {"auto", "any", "tool", "none"}))
      return bad("tool_choice.type: unknown variant `" + type +
                 "`, expected one of `auto`, `any`, `tool`, `none`");
    if (ask_.tools.empty() && type != "none")
      return bad("When using `tool_choice`, `tools` must be set.");
    ask_.parallel_calls = member(choice, "disable_parallel_tool_use") != true;
    if (type == "none") ask_.tool_mode = ToolMode::none;
    if (type == "any" || type == "tool") ask_.tool_mode = ToolMode::required;
    if (type != "tool") return {};
    const auto name = string_member(choice, "name");
    ask_.allowed_tools.push_back(name);
    const bool known = std::any_of(ask_.tools.begin(), ask_.tools.end(),
                                   [&](const Tool& tool) { return tool.name == name; });
    if (!known) return bad("Tool '" + name + "' in tool_choice is not in tools");
    return {};
  }

  Checked<void> read_system() {
    const auto& system = member(body_, "system");
    if (system.is_null()) return {};
    if (!system.is_string() && !system.is_array())
      return bad("system: invalid type, expected a string or a sequence");
    const Json blocks =
        system.is_string() ? Json::array({Json{{"type", "text"}, {"text", system}}}) : system;
    for (const auto& block : blocks) {
      if (string_member(block, "type") != "text") return bad("system: expected `text` blocks");
      add_system(string_member(block, "text"));
    }
    return {};
  }

  void add_system(const std::string& text) {
    ask_.prompt.add("<system>" + text);
    ask_.system_text += text + '\n';
  }

  Checked<void> read_messages() {
    const auto& messages = member(body_, "messages");
    if (!messages.is_array() || messages.empty()) return bad("Empty input messages");
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto role = string_member(messages[i], "role");
      const bool system = role == "system" && !deepseek_;
      if (role != "user" && role != "assistant" && !system) {
        return bad("messages[" + std::to_string(i) + "].role: unknown variant `" + role +
                   "`, expected `user` or `assistant`");
      }
      if (auto fine = read_message(messages[i], i, role); !fine) return fine;
    }
    for (const auto& result : ask_.tool_results)
      ask_.tool_failed = ask_.tool_failed || looks_failed(result);
    return deepseek_ ? deepseek_check_size(ask_) : Checked<void>{};
  }

  Checked<void> read_message(const Json& message, std::size_t index, const std::string& role) {
    const auto& content = member(message, "content");
    if (!content.is_string() && !content.is_array()) {
      return bad("messages[" + std::to_string(index) +
                 "].content: invalid type, expected a string or a sequence");
    }
    const Json blocks =
        content.is_string() ? Json::array({Json{{"type", "text"}, {"text", content}}}) : content;
    const auto holds = [&](std::string_view type) {
      return std::any_of(blocks.begin(), blocks.end(),
                         [&](const Json& block) { return string_member(block, "type") == type; });
    };
    const bool results = holds("tool_result");
    if (role == "user" && !results) begin_human_turn(role == last_role_);
    if (role == "assistant" || (results && role != last_role_)) ask_.tool_results.clear();
    if (role != last_role_) ask_.prompt.add("<" + role + ">");
    last_role_ = role;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (auto fine = read_block(blocks[i], place(index, i), role); !fine) return fine;
    }
    if (ask_.first_user_text.empty()) ask_.first_user_text = ask_.last_user_text;
    if (role != "assistant" || !holds("tool_use")) return {};
    ++ask_.step;
    // Text without a signature counts, and so does an empty text: only the block must be there.
    if (!deepseek_ || !ask_.thinking || holds("thinking")) return {};
    return bad("The `content[].thinking` in the thinking mode must be passed back to the API.");
  }

  void begin_human_turn(bool continues) {
    if (!continues) ask_.last_user_text.clear();
    ask_.tool_results.clear();
    ask_.step = 0;
  }

  Checked<void> read_block(const Json& block, const std::string& where, const std::string& role) {
    const auto type = string_member(block, "type");
    if (type == "text") return read_text(block, where, role);
    if (type == "thinking" && role == "assistant") return read_thought(block, where);
    if (type == "tool_use" && role == "assistant") return read_call(block, where);
    if (type == "tool_result" && role == "user") return read_result(block, where);
    if (type == "image" && role == "user" && (!deepseek_ || deepseek_sees(ask_.model))) {
      ask_.prompt.add_media(member(block, "source").dump(), 765);
      return {};
    }
    if (!deepseek_) {
      ask_.notes.push_back("block of type " + type + " ignored");
      return {};
    }
    return bad(where + ": unknown variant `" + type + "` in a message of `" + role + "`");
  }

  Checked<void> read_text(const Json& block, const std::string& where, const std::string& role) {
    if (!member(block, "text").is_string()) return bad(where + ": missing field `text`");
    const auto text = string_member(block, "text");
    if (role == "system") {
      add_system(text);
      return {};
    }
    ask_.prompt.add("<text>" + text);
    if (role == "user") ask_.last_user_text += (ask_.last_user_text.empty() ? "" : "\n") + text;
    return {};
  }

  Checked<void> read_thought(const Json& block, const std::string& where) {
    if (!member(block, "thinking").is_string()) return bad(where + ": missing field `thinking`");
    const auto signature = string_member(block, "signature");
    if (deepseek_ && !signature.empty() && !is_sealed_uuid(signature))
      return bad(where + ": Invalid `signature` in `thinking` block");
    ask_.prompt.add("<thinking>" + string_member(block, "thinking"));
    return {};
  }

  Checked<void> read_call(const Json& block, const std::string& where) {
    if (string_member(block, "id").empty()) return bad(where + ": missing field `id`");
    if (string_member(block, "name").empty()) return bad(where + ": missing field `name`");
    if (!member(block, "input").is_object())
      return bad(where + ".input: invalid type, expected a map");
    ask_.prompt.add("<call " + string_member(block, "id") + ">" + string_member(block, "name") +
                    member(block, "input").dump());
    return {};
  }

  Checked<void> read_result(const Json& block, const std::string& where) {
    const auto id = string_member(block, "tool_use_id");
    if (id.empty()) return bad(where + ": missing field `tool_use_id`");
    const auto& content = member(block, "content");
    std::string text = content.is_string() ? content.get<std::string>() : "";
    for (const auto& part : content.is_array() ? content : Json::array()) {
      const bool picture = string_member(part, "type") == "image";
      if (picture && deepseek_ && !deepseek_sees(ask_.model))
        return bad(where + ".content: unknown variant `image`, expected `text`");
      if (picture) ask_.prompt.add_media(member(part, "source").dump(), 765);
      text += string_member(part, "text");
    }
    ask_.prompt.add("<result " + id + ">" + text);
    ask_.tool_failed = ask_.tool_failed || member(block, "is_error") == true;
    ask_.tool_results.push_back(std::move(text));
    return {};
  }

  // The same rule as in chat: behind both dialects is one service.
  Checked<void> check_pairing() {
    if (!deepseek_) return {};
    std::vector<std::string> open;
    const auto unanswered =
        bad("An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. (insufficient tool messages following tool_calls message)");
    for (const auto& message : member(body_, "messages")) {
      const auto& content = member(message, "content");
      std::vector<std::string> calls;
      for (const auto& block : content.is_array() ? content : Json::array()) {
        const auto type = string_member(block, "type");
        if (type == "tool_use") calls.push_back(string_member(block, "id"));
        if (type != "tool_result") continue;
        const auto at = std::find(open.begin(), open.end(), string_member(block, "tool_use_id"));
        if (at == open.end())
          return bad(
              "Messages with role 'tool' must be a response to a preceding message with "
              "'tool_calls'");
        open.erase(at);
      }
      if (!open.empty()) return unanswered;
      open = std::move(calls);
    }
    if (!open.empty()) return unanswered;
    return {};
  }

  const Settings& settings_;
  const HttpRequest& request_;
  bool deepseek_;
  bool plain_;
  Json body_;
  Ask ask_;
  std::string last_role_;
};

}  // namespace

Refusal compatible_messages_refusal(Endpoint endpoint, int status, const std::string& message,
                                    bool plain) {
  if (endpoint == Endpoint::deepseek_messages) return deepseek_refusal(status, message);
  if (plain) return local_refusal(status, message, true);
  const std::string type = status == 404   ? "not_found_error"
                           : status == 429 ? "rate_limit_error"
                           : status >= 500 ? "api_error"
                                           : "invalid_request_error";
  return {status,
          Json{{"type", "error"}, {"error", Json{{"type", type}, {"message", message}}}}.dump(),
          {{"Content-Type", "application/json"}}};
}

Checked<Ask> read_compatible_messages(Endpoint endpoint, const Settings& settings,
                                      const HttpRequest& request) {
  return Reader{endpoint, settings, request}.read();
}

}  // namespace turnpike::simulator
