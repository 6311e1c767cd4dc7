// DeepSeek's chat completions: keep-alive comments, both delta keys in each chunk, usage on the
// finish chunk, error bodies as octet-stream, and reasoning_content demanded back for every turn
// that called tools.
#include <algorithm>

#include "deepseek_service.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

std::unexpected<Refusal> bad(const std::string& message) {
  return std::unexpected{deepseek_refusal(400, message)};
}

std::unexpected<Refusal> undecodable(const std::string& what) {
  return std::unexpected{
      deepseek_refusal(422, "Failed to deserialize the JSON body into the target type: " + what)};
}

bool is_known_model(std::string_view model) { return model.starts_with("deepseek-"); }

// V4 wants the reasoning of every past tool-calling turn; its forerunners only inside the running
// loop.
bool wants_all_reasoning(std::string_view model) {
  return !model.starts_with("deepseek-reasoner") && !model.starts_with("deepseek-chat") &&
         !model.starts_with("deepseek-v3");
}

std::string at_message(std::size_t index) { return "messages[" + std::to_string(index) + "]"; }

/// Reads one request; each step either refuses or adds to `ask`.
class Reader {
 public:
  Reader(const Settings& settings, const HttpRequest& request)
      : settings_(settings), request_(request) {}

  Checked<Ask> read() {
    ask_.endpoint = Endpoint::deepseek_chat;
    if (auto fine = authenticate(); !fine) return std::unexpected{fine.error()};
    body_ = Json::parse(request_.body, nullptr, false);
    if (body_.is_discarded())
      return bad("Failed to parse the request body as JSON: expected value at line 1 column 1");
    for (auto step : {&Reader::read_model, &Reader::read_thinking, &Reader::read_sampling,
                      &Reader::read_tools, &Reader::read_tool_choice, &Reader::read_messages,
                      &Reader::check_pairing, &Reader::check_reasoning, &Reader::read_format}) {
      if (auto fine = (this->*step)(); !fine) return std::unexpected{fine.error()};
    }
    read_directives(ask_);
    return std::move(ask_);
  }

 private:
  Checked<void> authenticate() {
    auto key = deepseek_key(settings_, request_);
    if (!key) return std::unexpected{key.error()};
    ask_.cache_scope = *key;
    return {};
  }

  Checked<void> read_model() {
    if (!body_.is_object())
      return undecodable("invalid type, expected struct ChatCompletionRequest");
    if (!member(body_, "model").is_string()) return undecodable("missing field `model`");
    ask_.model = string_member(body_, "model");
    if (!is_known_model(ask_.model) && !settings_.any_model) return bad("Model Not Exist");
    const auto& stream = member(body_, "stream");
    if (!stream.is_null() && !stream.is_boolean())
      return undecodable("stream: invalid type, expected a boolean");
    ask_.stream = stream.is_boolean() && stream.get<bool>();
    if (!ask_.stream && !member(body_, "stream_options").is_null()) {
      return bad("stream_options should be set along with stream = true");
    }
    const auto user = string_member(body_, "user_id");
    if (user.size() > 512) return bad("Invalid user_id: at most 512 bytes");
    ask_.cache_scope += '/' + ask_.model + '/' + user;
    return {};
  }

  Checked<void> read_thinking() {
    const auto type = string_member(member(body_, "thinking"), "type", "enabled");
    if (type != "enabled" && type != "disabled") {
      return undecodable("thinking.type: unknown variant `" + type +
                         "`, expected `enabled` or `disabled`");
    }
    ask_.thinking = type == "enabled" && !ask_.model.starts_with("deepseek-chat") &&
                    !ask_.model.starts_with("deepseek-v3.2-exp");
    const auto asked = string_member(body_, "reasoning_effort", "high");
    const auto effort = deepseek_effort(asked);
    if (!effort) return undecodable("reasoning_effort: unknown variant `" + asked + "`");
    ask_.effort = *effort;
    return {};
  }

  Checked<void> number_in(const char* name, double least, double most) {
    const auto& value = member(body_, name);
    if (value.is_null()) return {};
    if (!value.is_number())
      return undecodable(std::string{name} + ": invalid type, expected a number");
    if (value.get<double>() >= least && value.get<double>() <= most) return {};
    return bad("Invalid " + std::string{name} + " value, the valid range of " + name + " is [" +
               std::to_string(static_cast<std::int64_t>(least)) + ", " +
               std::to_string(static_cast<std::int64_t>(most)) + "]");
  }

  Checked<void> read_sampling() {
    struct Range {
      const char* name;
      double least;
      double most;
    };
    const auto limit = static_cast<double>(deepseek_output_tokens_max);
    for (const auto& range :
         {Range{"max_tokens", 1, limit}, Range{"temperature", 0, 2}, Range{"top_p", 0, 1},
          Range{"presence_penalty", -2, 2}, Range{"frequency_penalty", -2, 2}, Range{"n", 1, 1}}) {
      if (auto fine = number_in(range.name, range.least, range.most); !fine) return fine;
    }
    const auto& most = member(body_, "max_tokens");
    if (most.is_number() && !most.is_number_integer())
      return undecodable("max_tokens: invalid type: floating point, expected u32");
    ask_.output_tokens_max = most.is_number() ? most.get<std::int64_t>() : 32'768;
    const auto& stop = member(body_, "stop");
    if (stop.is_string()) ask_.stop_sequences.push_back(stop.get<std::string>());
    if (stop.is_array()) {
      if (stop.size() > 16) return bad("Invalid stop: at most 16 sequences");
      for (const auto& one : stop) {
        if (!one.is_string()) return undecodable("stop: invalid type, expected a string");
        ask_.stop_sequences.push_back(one.get<std::string>());
      }
    }
    return {};
  }

  Checked<void> read_tool(const Json& tool, std::size_t index) {
    const auto place = "tools[" + std::to_string(index) + "]";
    if (string_member(tool, "type") != "function") {
      return undecodable(place + ".type: unknown variant `" + string_member(tool, "type") +
                         "`, expected `function`");
    }
    const auto& function = member(tool, "function");
    const auto name = string_member(function, "name");
    if (name.empty() || name.size() > 64 ||
        name.find_first_not_of(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") !=
            std::string::npos) {
      return bad("Invalid '" + place +
                 ".function.name': string does not match pattern. Expected a string that matches "
                 "the pattern '^[a-zA-Z0-9_-]+$'.");
    }
    const auto& schema = member(function, "parameters");
    if (!schema.is_null() && string_member(schema, "type") != "object") {
      return bad("Invalid schema for function '" + name +
                 "': schema must be a JSON Schema of 'type: \"object\"', got 'type: " +
                 (schema.is_object() ? member(schema, "type").dump() : std::string{"null"}) + "'.");
    }
    ask_.tools.push_back({name, schema.is_null() ? Json::object() : schema});
    ask_.prompt.add(tool.dump());
    return {};
  }

  Checked<void> read_tools() {
    const auto& tools = member(body_, "tools");
    if (tools.is_array() && tools.empty()) return bad("[] is too short - 'tools'");
    if (tools.is_array() && tools.size() > 128)
      return bad("Invalid 'tools': at most 128 functions are supported");
    if (!tools.is_null() && !tools.is_array())
      return undecodable("tools: invalid type, expected a sequence");
    if (tools.is_array() && ask_.model.find("speciale") != std::string::npos) {
      return bad("This model does not support Function Calling");
    }
    for (std::size_t i = 0; i < tools.size(); ++i) {
      if (auto fine = read_tool(tools[i], i); !fine) return fine;
    }
    const auto& parallel = member(body_, "parallel_tool_calls");
    ask_.parallel_calls = !parallel.is_boolean() || parallel.get<bool>();
    return {};
  }

  Checked<void> read_tool_choice() {
    const auto& choice = member(body_, "tool_choice");
    if (!choice.is_null() && ask_.tools.empty() && choice != "none")
      return bad("When using `tool_choice`, `tools` must be set.");
    if (choice == "none") ask_.tool_mode = ToolMode::none;
    if (choice == "required") ask_.tool_mode = ToolMode::required;
    if (!choice.is_object()) return {};
    ask_.tool_mode = ToolMode::required;
    const auto name = string_member(member(choice, "function"), "name");
    ask_.allowed_tools.push_back(name);
    const bool known = std::any_of(ask_.tools.begin(), ask_.tools.end(),
                                   [&](const Tool& tool) { return tool.name == name; });
    if (!known) return bad("Tool '" + name + "' in tool_choice is not in tools");
    return {};
  }

  // Strings and text parts; pictures only where the model sees.
  Checked<std::string> text_of(const Json& content, std::size_t index) {
    if (content.is_null()) return "";
    if (content.is_string()) return content.get<std::string>();
    if (!content.is_array())
      return undecodable(at_message(index) +
                         ".content: invalid type, expected a string or a sequence");
    std::string text;
    for (const auto& part : content) {
      const auto type = string_member(part, "type");
      if (type == "text" && member(part, "text").is_string()) {
        text += string_member(part, "text");
      } else if (type == "image_url" && deepseek_sees(ask_.model)) {
        ask_.prompt.add_media(string_member(member(part, "image_url"), "url"), 765);
      } else {
        return undecodable(at_message(index) + ".content: unknown variant `" + type +
                           "`, expected `text`");
      }
    }
    return text;
  }

  Checked<void> read_message(const Json& message, std::size_t index) {
    const auto role = string_member(message, "role");
    if (role != "system" && role != "user" && role != "assistant" && role != "tool") {
      return undecodable(at_message(index) + ".role: unknown variant `" + role +
                         "`, expected one of `system`, `user`, `assistant`, `tool`");
    }
    auto text = text_of(member(message, "content"), index);
    if (!text) return std::unexpected{text.error()};
    if (role != "assistant" && member(message, "content").is_null()) {
      return undecodable(at_message(index) + ": missing field `content`");
    }
    const bool calls =
        member(message, "tool_calls").is_array() && !member(message, "tool_calls").empty();
    ask_.prompt.add("<" + role + ">" + *text + string_member(message, "reasoning_content") +
                    (calls ? member(message, "tool_calls").dump() : "") +
                    string_member(message, "tool_call_id"));
    if (role == "system") ask_.system_text += *text + '\n';
    if (role == "user") {
      ask_.last_user_text = *text;
      if (ask_.first_user_text.empty()) ask_.first_user_text = *text;
      ask_.step = 0;
    }
    if (role == "assistant" && calls) ++ask_.step;
    if (role != "tool") ask_.tool_results.clear();
    if (role == "tool") ask_.tool_results.push_back(*text);
    return {};
  }

  Checked<void> read_messages() {
    const auto& messages = member(body_, "messages");
    if (!messages.is_array()) return undecodable("missing field `messages`");
    if (messages.empty()) return bad("Empty input messages");
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (auto fine = read_message(messages[i], i); !fine) return fine;
    }
    const auto& last = messages.back();
    if (string_member(last, "role") == "assistant" && member(last, "prefix") != true) {
      return bad(
          "The last message of the request must be a user message or a tool message, or an "
          "assistant message with prefix mode on");
    }
    for (const auto& result : ask_.tool_results)
      ask_.tool_failed = ask_.tool_failed || looks_failed(result);
    return deepseek_check_size(ask_);
  }

  Checked<void> check_pairing() {
    const auto& messages = member(body_, "messages");
    std::vector<std::string> open;  // calls that wait for their result
    const auto unanswered =
        bad("An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each "
            "'tool_call_id'. (insufficient tool messages following tool_calls message)");
    for (const auto& message : messages) {
      if (string_member(message, "role") == "tool") {
        const auto at = std::find(open.begin(), open.end(), string_member(message, "tool_call_id"));
        if (at == open.end())
          return bad(
              "Messages with role 'tool' must be a response to a preceding message with "
              "'tool_calls'");
        open.erase(at);
        continue;
      }
      if (!open.empty()) return unanswered;
      for (const auto& call : member(message, "tool_calls")) {
        if (string_member(call, "id").empty()) return undecodable("tool_calls: missing field `id`");
        if (!member(member(call, "function"), "arguments").is_string())
          return undecodable("tool_calls: arguments: expected a string");
        open.push_back(string_member(call, "id"));
      }
    }
    if (!open.empty()) return unanswered;
    return {};
  }

  Checked<void> check_reasoning() {
    if (!ask_.thinking) return {};
    const auto& messages = member(body_, "messages");
    std::size_t first = 0;
    for (std::size_t i = 0; i < messages.size() && !wants_all_reasoning(ask_.model); ++i) {
      if (string_member(messages[i], "role") == "user") first = i;
    }
    for (std::size_t i = first; i < messages.size(); ++i) {
      const auto& calls = member(messages[i], "tool_calls");
      if (!calls.is_array() || calls.empty() ||
          member(messages[i], "reasoning_content").is_string())
        continue;
      return bad("Missing `reasoning_content` field in the assistant message at message index " +
                 std::to_string(i) +
                 ". For more information, please refer to "
                 "https://api-docs.deepseek.com/guides/thinking_mode#tool-calls");
    }
    return {};
  }

  Checked<void> read_format() {
    const auto type = string_member(member(body_, "response_format"), "type", "text");
    if (type == "text") return {};
    if (type != "json_object") return bad("This response_format type is unavailable now");
    ask_.json_object = true;
    // The word must be in the prompt itself; the format's own mention does not count.
    const auto text = to_lower(request_.body);
    std::size_t mentions = 0;
    for (auto at = text.find("json"); at != std::string::npos; at = text.find("json", at + 4))
      ++mentions;
    if (mentions > 1) return {};
    return bad(
        "Prompt must contain the word 'json' in some form to use 'response_format' of type "
        "'json_object'.");
  }

  const Settings& settings_;
  const HttpRequest& request_;
  Json body_;
  Ask ask_;
};

class DeepSeek final : public Wire {
 public:
  explicit DeepSeek(Settings settings) : settings_(std::move(settings)) {}

  Checked<Ask> read(const HttpRequest& request) const override {
    return Reader{settings_, request}.read();
  }

  void complete(Exchange& exchange) const override {
    exchange.response_id = random_uuid(exchange.seed);
    exchange.trace_id = random_name(exchange.seed, 32, lower_hex);
    std::size_t nth = 0;
    for (auto& block : exchange.answer.blocks) {
      if (block.kind != BlockKind::call) continue;
      block.id =
          "call_0" + std::to_string(nth) + "_" + random_name(exchange.seed + 1 + nth, 24, base62);
      ++nth;
    }
  }

  std::vector<Step> plan(const Exchange& exchange) const override {
    std::vector<Step> steps{{StepKind::start}};
    const auto& blocks = exchange.answer.blocks;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].kind == BlockKind::call) steps.push_back({StepKind::open, i});
      add_deltas(steps, i, blocks[i].text,
                 delta_bytes(exchange.ask, blocks[i].kind == BlockKind::call ? 8 : 5));
    }
    steps.push_back({StepKind::finish});
    steps.push_back({StepKind::end});
    return steps;
  }

  void render(const Exchange& exchange, const Step& step, const Tokens&,
              std::string& out) const override {
    if (step.kind == StepKind::end) {
      out += "data: [DONE]\n\n";
      return;
    }
    if (step.kind == StepKind::ping) {
      out += ": keep-alive\n\n";
      return;
    }
    out += "data: {\"id\":\"" + exchange.response_id +
           "\",\"object\":\"chat.completion.chunk\",\"created\":" +
           std::to_string(exchange.created_s) + ",\"model\":";
    append_json_string(out, exchange.ask.model);
    out += R"(,"system_fingerprint":"fp_8b330d02d0_sim","choices":[{"index":0,"delta":)";
    render_delta(exchange, step, out);
    if (step.kind == StepKind::finish) {
      out +=
          R"(,"logprobs":null,"finish_reason":")" + std::string{finish_reason(exchange)} + "\"}]";
      if (shows_usage(exchange)) out += ",\"usage\":" + usage(exchange);
      out += "}\n\n";
    } else {
      out += R"(,"logprobs":null,"finish_reason":null}],"usage":null})"
             "\n\n";
    }
  }

  std::string body(const Exchange& exchange) const override {
    std::string text, reasoning, calls;
    std::size_t index = 0;
    for (const auto& block : exchange.answer.blocks) {
      if (block.kind == BlockKind::text) text += block.text;
      if (block.kind == BlockKind::thinking) reasoning += block.text;
      if (block.kind != BlockKind::call) continue;
      calls += calls.empty() ? "" : ",";
      calls += R"({"index":)" + std::to_string(index++) + R"(,"id":")" + block.id +
               R"(","type":"function","function":{"name":)" + json_string(block.name) +
               ",\"arguments\":" + json_string(block.text) + "}}";
    }
    std::string out =
        R"({"id":")" + exchange.response_id + R"(","object":"chat.completion","created":)" +
        std::to_string(exchange.created_s) + ",\"model\":" + json_string(exchange.ask.model) +
        R"(,"choices":[{"index":0,"message":{"role":"assistant","content":)" + json_string(text);
    if (exchange.ask.thinking) out += ",\"reasoning_content\":" + json_string(reasoning);
    if (!calls.empty()) out += ",\"tool_calls\":[" + calls + "]";
    out += R"(},"logprobs":null,"finish_reason":")" + std::string{finish_reason(exchange)} + "\"}]";
    if (shows_usage(exchange)) out += ",\"usage\":" + usage(exchange);
    return out + R"(,"system_fingerprint":"fp_8b330d02d0_sim"})";
  }

  Headers headers(const Exchange& exchange) const override {
    return {{"Content-Type",
             exchange.ask.stream ? "text/event-stream; charset=utf-8" : "application/json"},
            {"x-ds-trace-id", exchange.trace_id},
            {"x-request-id", exchange.request_id},
            {"vary", "origin, access-control-request-method, access-control-request-headers"}};
  }

  Refusal failure(int status, const Directives& wishes) const override {
    return deepseek_failure(status, wishes);
  }

  void render_error(const Exchange& exchange, int status, std::uint32_t,
                    std::string& out) const override {
    out += "data: " + failure(status, exchange.ask.directives).body + "\n\n";
  }

  Habits habits() const override {
    auto habits = deepseek_habits();
    habits.opening_comment = true;
    return habits;
  }

 private:
  static std::string_view finish_reason(const Exchange& exchange) {
    switch (exchange.answer.stop) {
      case Stop::tool:
        return "tool_calls";
      case Stop::length:
        return "length";
      case Stop::refusal:
        return "content_filter";
      default:
        return "stop";
    }
  }

  static std::string usage(const Exchange& exchange) {
    const auto& used = exchange.usage;
    const auto hit = std::to_string(used.input_cache_read);
    return "{\"prompt_tokens\":" + std::to_string(used.input()) +
           ",\"completion_tokens\":" + figure(exchange, used.output()) +
           ",\"total_tokens\":" + std::to_string(used.input() + used.output()) +
           ",\"prompt_tokens_details\":{\"cached_tokens\":" + hit +
           "},\"completion_tokens_details\":{\"reasoning_tokens\":" +
           std::to_string(used.output_reasoning) + "},\"prompt_cache_hit_tokens\":" + hit +
           ",\"prompt_cache_miss_tokens\":" + std::to_string(used.input() - used.input_cache_read) +
           "}";
  }

  // A call's place among the calls, which is not its place among the blocks.
  static std::size_t call_index(const Exchange& exchange, std::size_t block) {
    std::size_t index = 0;
    for (std::size_t i = 0; i < block; ++i)
      index += exchange.answer.blocks[i].kind == BlockKind::call ? 1 : 0;
    return index;
  }

  static void render_delta(const Exchange& exchange, const Step& step, std::string& out) {
    const bool both_keys = exchange.ask.thinking;
    if (step.kind == StepKind::start) {
      out += both_keys ? R"({"role":"assistant","content":null,"reasoning_content":""})"
                       : R"({"role":"assistant","content":""})";
      return;
    }
    if (step.kind == StepKind::finish) {
      out += both_keys ? R"({"content":"","reasoning_content":null})" : R"({"content":""})";
      return;
    }
    const auto& block = exchange.answer.blocks[step.block];
    const auto piece = std::string_view{block.text}.substr(step.from, step.to - step.from);
    if (block.kind == BlockKind::call) {
      out += R"({"tool_calls":[{"index":)" + std::to_string(call_index(exchange, step.block));
      if (step.kind == StepKind::open) {
        out += R"(,"id":")" + block.id + R"(","type":"function","function":{"name":)" +
               json_string(block.name) + R"(,"arguments":""}}]})";
      } else {
        out += R"(,"function":{"arguments":)";
        append_json_string(out, piece);
        out += "}}]}";
      }
      return;
    }
    const bool thinking = block.kind == BlockKind::thinking;
    out += thinking ? R"({"content":null,"reasoning_content":)" : R"({"content":)";
    append_json_string(out, piece);
    out += !thinking && both_keys ? ",\"reasoning_content\":null}" : "}";
  }

  Settings settings_;
};

}  // namespace

std::unique_ptr<Wire> make_deepseek(const Settings& settings) {
  return std::make_unique<DeepSeek>(settings);
}

}  // namespace turnpike::simulator
