#include "anthropic_reader.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "signature.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::string_view id_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
constexpr char thinking_kind = 'T';

std::unexpected<Refusal> bad(const std::string& message) {
  return std::unexpected{anthropic_refusal(400, message)};
}

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

std::string place(std::size_t message, std::size_t block) {
  return "messages." + std::to_string(message) + ".content." + std::to_string(block);
}

Json without_cache_control(Json value) {
  if (value.is_object()) value.erase("cache_control");
  return value;
}

Checked<void> only_known(const Json& object, const std::set<std::string_view>& known,
                         const std::string& prefix) {
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key)) return bad(prefix + key + ": Extra inputs are not permitted");
  }
  return {};
}

const std::set<std::string_view> request_fields = {"model",
                                                   "messages",
                                                   "max_tokens",
                                                   "system",
                                                   "stream",
                                                   "temperature",
                                                   "top_p",
                                                   "top_k",
                                                   "stop_sequences",
                                                   "tools",
                                                   "tool_choice",
                                                   "thinking",
                                                   "output_config",
                                                   "metadata",
                                                   "service_tier",
                                                   "cache_control",
                                                   "container",
                                                   "context_management",
                                                   "mcp_servers",
                                                   "speed",
                                                   "inference_geo",
                                                   "fallbacks",
                                                   "fallback_credit_token",
                                                   "diagnostics",
                                                   "output_format"};

/// A member that is known only under a beta; values of betas are an open set, so a part of the
/// name decides, whatever its date.
struct GatedMember {
  std::string_view member;
  std::array<std::string_view, 2> betas;  // any of these parts unlocks it
};

constexpr std::array<GatedMember, 7> gated_members = {{
    {"context_management", {"context-management-", "compact-"}},
    {"mcp_servers", {"mcp-client-", "mcp-client-"}},
    {"container", {"code-execution-", "skills-"}},
    {"speed", {"fast-mode-", "fast-mode-"}},
    {"fallbacks", {"fallback", "fallback"}},
    {"fallback_credit_token", {"fallback", "fallback"}},
    {"diagnostics", {"diagnostics", "diagnosis"}},
}};
constexpr std::array<std::string_view, 2> binding_betas = {"thinking-binding-controls-",
                                                           "thinking-binding-controls-"};
constexpr std::array<std::string_view, 2> task_budget_betas = {"task-budgets-", "task-budgets-"};
constexpr std::array<std::string_view, 2> deferring_betas = {"advanced-tool-use-", "tool-search-"};

// The header may come several times.
std::string all_betas(const HttpRequest& request) {
  std::string betas;
  for (const auto& [name, value] : request.headers) {
    if (name == "anthropic-beta") betas += value + ',';
  }
  return betas;
}

class Reader {
 public:
  Reader(const Settings& settings, const HttpRequest& request)
      : settings_(settings), request_(request), betas_(all_betas(request)) {}

  Checked<Ask> read() {
    ask_.endpoint = Endpoint::anthropic_messages;
    if (auto fine = authenticate(); !fine) return std::unexpected{fine.error()};
    if (auto fine = parse(); !fine) return std::unexpected{fine.error()};
    for (auto step :
         {&Reader::read_model, &Reader::read_limits, &Reader::read_thinking, &Reader::read_effort,
          &Reader::read_sampling, &Reader::read_tools, &Reader::read_tool_choice,
          &Reader::read_system, &Reader::read_messages, &Reader::check_pairing,
          &Reader::check_ending, &Reader::check_size, &Reader::check_loop_thinking}) {
      if (auto fine = (this->*step)(); !fine) return std::unexpected{fine.error()};
    }
    read_directives(ask_);
    return std::move(ask_);
  }

 private:
  Checked<void> authenticate() {
    auto key = request_.header("x-api-key");
    if (key.empty()) key = bearer(request_);
    if (key.empty())
      return std::unexpected{
          anthropic_refusal(401, "x-api-key header is required", "authentication_error")};
    if (!key_accepted(settings_, key))
      return std::unexpected{anthropic_refusal(401, "invalid x-api-key", "authentication_error")};
    const auto version = request_.header("anthropic-version");
    if (version.empty()) return bad("anthropic-version: header is required");
    if (version != "2023-06-01" && version != "2026-10-21") {
      return bad("anthropic-version: \"" + std::string{version} + "\" is not a valid version");
    }
    ask_.cache_scope = key;
    return {};
  }

  Checked<void> parse() {
    try {
      body_ = Json::parse(request_.body);
    } catch (const Json::exception&) {
      const bool surrogate = request_.body.find("\\ud8") != std::string::npos ||
                             request_.body.find("\\uD8") != std::string::npos;
      return bad(std::string{"The request body is not valid JSON: "} +
                 (surrogate ? "no low surrogate in string: line 1 column 1 (char 0)"
                            : "expected value: line 1 column 1 (char 0)"));
    }
    if (!body_.is_object()) return bad("The request body is not valid JSON: expected an object");
    if (auto fine = only_known(body_, request_fields, ""); !fine) return fine;
    for (const auto& gated : gated_members) {
      if (auto fine = check_gate(body_, gated.member, gated.betas, ""); !fine) return fine;
    }
    return {};
  }

  // Half of the pair of a beta and its member is refused as if the member did not exist.
  Checked<void> check_gate(const Json& object, std::string_view name,
                           const std::array<std::string_view, 2>& betas,
                           const std::string& prefix) const {
    if (!object.is_object() || !object.contains(name)) return {};
    const bool unlocked = std::any_of(betas.begin(), betas.end(), [&](std::string_view part) {
      return betas_.find(part) != std::string::npos;
    });
    if (unlocked) return {};
    return bad(prefix + std::string{name} + ": Extra inputs are not permitted");
  }

  Checked<void> read_model() {
    ask_.model = string_member(body_, "model");
    if (ask_.model.empty()) return bad("model: Field required");
    auto family = claude_family(ask_.model);
    if (!family && settings_.any_model) family = claude_family("claude-sonnet-4-5");
    if (!family)
      return std::unexpected{anthropic_refusal(404, "model: " + ask_.model, "not_found_error")};
    family_ = *family;
    ask_.family = family_.name;
    ask_.binds_prefix = family_.binds_prefix;
    ask_.cache_scope += '/' + ask_.model;
    const auto& stream = member(body_, "stream");
    if (!stream.is_null() && !stream.is_boolean())
      return bad("stream: Input should be a valid boolean");
    ask_.stream = stream.is_boolean() && stream.get<bool>();
    return {};
  }

  Checked<void> read_limits() {
    const auto& most = member(body_, "max_tokens");
    if (most.is_null()) return bad("max_tokens: Field required");
    if (!most.is_number_integer()) return bad("max_tokens: Input should be a valid integer");
    ask_.output_tokens_max = most.get<std::int64_t>();
    if (ask_.output_tokens_max < 1)
      return bad("max_tokens: Input should be greater than or equal to 1");
    if (ask_.output_tokens_max > family_.output_tokens_max) {
      return bad("max_tokens: " + std::to_string(ask_.output_tokens_max) + " > " +
                 std::to_string(family_.output_tokens_max) +
                 ", which is the maximum allowed number of output tokens for " + ask_.model);
    }
    const auto& stops = member(body_, "stop_sequences");
    if (!stops.is_null() && !stops.is_array())
      return bad("stop_sequences: Input should be a valid list");
    for (const auto& stop : stops) {
      if (!stop.is_string() || blank(stop.get<std::string>())) {
        return bad("stop_sequences: each stop sequence must contain non-whitespace");
      }
      ask_.stop_sequences.push_back(stop.get<std::string>());
    }
    return {};
  }

  Checked<void> read_thinking() {
    const auto& thinking = member(body_, "thinking");
    ask_.thinking = family_.thinks_by_default;
    ask_.thinking_shown = family_.shows_thinking;
    if (thinking.is_null()) return {};
    const auto type = string_member(thinking, "type");
    if (type != "enabled" && type != "adaptive" && type != "disabled") {
      return bad("thinking: Input tag '" + type +
                 "' found using 'type' does not match any of the expected tags: 'adaptive', "
                 "'disabled', 'enabled'");
    }
    if (type == "disabled" && !family_.may_disable)
      return bad("\"thinking.type.disabled\" is not supported for this model.");
    if (type == "adaptive" && !family_.adaptive)
      return bad("adaptive thinking is not supported on this model");
    if (type == "enabled" && !family_.budget) {
      return bad(
          "\"thinking.type.enabled\" is not supported for this model. Use "
          "\"thinking.type.adaptive\" and "
          "\"output_config.effort\" to control thinking behavior.");
    }
    budgeted_ = type == "enabled";
    ask_.thinking = type != "disabled";
    const auto display = string_member(thinking, "display");
    if (!display.empty()) ask_.thinking_shown = display != "omitted";
    if (auto fine = check_gate(thinking, "block_binding", binding_betas, "thinking." + type + ".");
        !fine)
      return fine;
    drops_mismatch_ = string_member(member(thinking, "block_binding"),
                                    "prefix_mismatch_behavior") == "drop_block";
    return budgeted_ ? check_budget(thinking) : Checked<void>{};
  }

  Checked<void> check_budget(const Json& thinking) {
    const auto& budget = member(thinking, "budget_tokens");
    if (!budget.is_number_integer()) return bad("thinking.enabled.budget_tokens: Field required");
    if (budget.get<std::int64_t>() < 1024)
      return bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
    if (budget.get<std::int64_t>() >= ask_.output_tokens_max) {
      return bad(
          "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our "
          "documentation at "
          "https://docs.claude.com/en/docs/build-with-claude/"
          "extended-thinking#max-tokens-and-context-window-size");
    }
    return {};
  }

  Checked<void> read_effort() {
    const auto& output = member(body_, "output_config");
    if (auto fine = check_gate(output, "task_budget", task_budget_betas, "output_config."); !fine)
      return fine;
    const auto effort = string_member(output, "effort");
    if (!effort.empty()) {
      if (auto fine = check_effort(effort); !fine) return fine;
    }
    ask_.effort = effort.empty() ? (family_.name == "opus-5.5" ? "medium" : "high") : effort;
    const auto& format = member(output, "format");
    if (format.is_null()) return {};
    if (string_member(format, "type") != "json_schema" || !member(format, "schema").is_object()) {
      return bad("output_config.format: Input should be of type 'json_schema' with a 'schema'");
    }
    ask_.output_schema = member(format, "schema");
    return check_closed(*ask_.output_schema, 0);
  }

  Checked<void> check_effort(const std::string& effort) const {
    const auto& known = family_.efforts;
    if (known.empty()) return bad("This model does not support the effort parameter.");
    if (std::find(known.begin(), known.end(), effort) == known.end()) {
      std::string all;
      for (const auto& one : known) all.append(all.empty() ? "" : ", ").append(one);
      return bad("This model does not support effort level '" + effort +
                 "'. Supported levels: " + all + ".");
    }
    const bool too_high = effort == "max" || effort == "xhigh";
    if (ask_.thinking || !too_high || family_.version < 50) return {};
    return bad("thinking cannot be disabled at effort level '" + effort + "' on this model.");
  }

  // Structured output wants every object closed.
  Checked<void> check_closed(const Json& schema, int depth) {
    if (!schema.is_object() || depth > 32) return {};
    if (string_member(schema, "type") == "object" &&
        member(schema, "additionalProperties") != false) {
      return bad(
          "output_config.format.schema: For 'object' type, 'additionalProperties' must be "
          "explicitly set to false");
    }
    for (const auto& [key, value] : schema.items()) {
      if (value.is_array()) {
        for (const auto& one : value) {
          if (auto fine = check_closed(one, depth + 1); !fine) return fine;
        }
      } else if (auto fine = check_closed(value, depth + 1); !fine) {
        return fine;
      }
    }
    return {};
  }

  Checked<void> read_sampling() {
    const bool new_version = request_.header("anthropic-version") == "2026-10-21";
    for (const std::string name : {"temperature", "top_p", "top_k"}) {
      const auto& value = member(body_, name.c_str());
      if (value.is_null()) continue;
      if (!value.is_number()) return bad(name + ": Input should be a valid number");
      if ((!family_.sampling && value != 1) || new_version)
        return bad("`" + name + "` is deprecated for this model.");
      const auto number = value.get<double>();
      if (name != "top_k" && (number < 0 || number > 1)) return bad(name + ": range: 0..1");
    }
    const auto& temperature = member(body_, "temperature");
    const auto& top_p = member(body_, "top_p");
    if (temperature.is_number() && top_p.is_number() && family_.version >= 41) {
      return bad(
          "`temperature` and `top_p` cannot both be specified for this model. Please use only "
          "one.");
    }
    return ask_.thinking && family_.version <= 46 ? check_thinking_sampling(temperature, top_p)
                                                  : Checked<void>{};
  }

  static Checked<void> check_thinking_sampling(const Json& temperature, const Json& top_p) {
    const std::string where =
        " Please consult our documentation at "
        "https://docs.claude.com/en/docs/build-with-claude/extended-thinking";
    if (temperature.is_number() && temperature.get<double>() != 1) {
      return bad("`temperature` may only be set to 1 when thinking is enabled." + where);
    }
    if (top_p.is_number() && top_p.get<double>() < 0.95) {
      return bad(
          "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled." +
          where);
    }
    return {};
  }

  Checked<CacheMark> read_mark(const Json& block, const std::string& where) {
    const auto& control = member(block, "cache_control");
    if (control.is_null()) return CacheMark::none;
    if (string_member(control, "type") != "ephemeral")
      return bad(where + ".cache_control.type: Input should be 'ephemeral'");
    const auto ttl = string_member(control, "ttl", "5m");
    if (ttl != "5m" && ttl != "1h")
      return bad(where + ".cache_control.ttl: Input should be '5m' or '1h'");
    if (++marks_ > 4)
      return bad("A maximum of 4 blocks with cache_control may be provided. Found " +
                 std::to_string(marks_) + ".");
    return ttl == "1h" ? CacheMark::hour_1 : CacheMark::minutes_5;
  }

  Checked<void> read_tool(const Json& tool, std::size_t index) {
    const auto where = "tools." + std::to_string(index) + ".custom";
    const auto name = string_member(tool, "name");
    if (name.empty() || name.size() > 128 ||
        name.find_first_not_of(id_characters) != std::string::npos) {
      return bad(where + ".name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'");
    }
    for (const auto& other : ask_.tools) {
      if (other.name == name) return bad("tools: Tool names must be unique.");
    }
    const auto type = string_member(tool, "type", "custom");
    if (type == "custom") {
      const auto& schema = member(tool, "input_schema");
      if (!schema.is_object()) return bad(where + ".input_schema: Field required");
      if (string_member(schema, "type") != "object")
        return bad(where + ".input_schema.type: Input should be 'object'");
      for (const auto* key : {"oneOf", "allOf", "anyOf"}) {
        if (schema.contains(key))
          return bad(where +
                     ".input_schema: input_schema does not support oneOf, allOf, or anyOf at the "
                     "top level");
      }
      auto fine = only_known(
          tool,
          {"name", "description", "input_schema", "cache_control", "strict", "type",
           "eager_input_streaming", "defer_loading", "allowed_callers", "input_examples"},
          where + ".");
      if (fine) fine = check_gate(tool, "defer_loading", deferring_betas, where + ".");
      if (!fine) return fine;
      ask_.tools.push_back({name, schema});
    }
    if (type.starts_with("web_search_")) {
      const auto& uses = member(tool, "max_uses");
      ask_.searches_max = uses.is_number_integer() ? uses.get<std::int64_t>() : searches_unbounded;
    }
    auto mark = read_mark(tool, where);
    if (!mark) return std::unexpected{mark.error()};
    ask_.prompt.add(without_cache_control(tool).dump(), *mark);
    return {};
  }

  Checked<void> read_tools() {
    const auto& tools = member(body_, "tools");
    if (!tools.is_null() && !tools.is_array()) return bad("tools: Input should be a valid list");
    for (std::size_t i = 0; i < tools.size(); ++i) {
      if (auto fine = read_tool(tools[i], i); !fine) return fine;
    }
    return {};
  }

  Checked<void> read_tool_choice() {
    const auto& choice = member(body_, "tool_choice");
    if (choice.is_null()) return {};
    const auto type = string_member(choice, "type");
    if (type != "auto" && type != "any" && type != "tool" && type != "none") {
      return bad("tool_choice: Input tag '" + type +
                 "' found using 'type' does not match any of the expected tags: 'auto', 'any', "
                 "'tool', 'none'");
    }
    if (ask_.tools.empty() && type != "none")
      return bad("tool_choice may only be specified while providing tools.");
    const auto& single = member(choice, "disable_parallel_tool_use");
    ask_.parallel_calls = !(single.is_boolean() && single.get<bool>());
    if (type == "none") ask_.tool_mode = ToolMode::none;
    if (type != "any" && type != "tool") return {};
    if (!family_.may_disable)
      return bad("tool_choice: type '" + type + "' is not supported for this model.");
    if (ask_.thinking) return bad("Thinking may not be enabled when tool_choice forces tool use.");
    ask_.tool_mode = ToolMode::required;
    if (type == "any") return {};
    const auto name = string_member(choice, "name");
    ask_.allowed_tools.push_back(name);
    for (const auto& tool : ask_.tools) {
      if (tool.name == name) return {};
    }
    return bad("tool_choice: Tool '" + name + "' not found in provided tools");
  }

  Checked<void> read_system() {
    const auto& system = member(body_, "system");
    if (system.is_null()) return {};
    if (system.is_string()) return add_system_text(Json{{"type", "text"}, {"text", system}}, 0);
    if (!system.is_array()) return bad("system: Input should be a valid string or list");
    for (std::size_t i = 0; i < system.size(); ++i) {
      if (auto fine = add_system_text(system[i], i); !fine) return fine;
    }
    return {};
  }

  Checked<void> add_system_text(const Json& block, std::size_t index) {
    const auto text = string_member(block, "text");
    if (string_member(block, "type") != "text")
      return bad("system." + std::to_string(index) + ".type: Input should be 'text'");
    if (text.empty()) return bad("system: text content blocks must be non-empty");
    auto mark = read_mark(block, "system." + std::to_string(index));
    if (!mark) return std::unexpected{mark.error()};
    ask_.prompt.add("<system>" + text, *mark);
    ask_.system_text += text + '\n';
    return {};
  }

  Checked<void> read_messages() {
    const auto& messages = member(body_, "messages");
    if (!messages.is_array()) return bad("messages: Field required");
    if (messages.empty()) return bad("messages: at least one message is required");
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto role = string_member(messages[i], "role");
      const bool system_allowed = role == "system" && family_.mid_system && i > 0;
      if (role != "user" && role != "assistant" && !system_allowed) {
        return bad("messages." + std::to_string(i) +
                   ".role: Input should be 'user' or 'assistant'");
      }
      if (i == 0 && role != "user")
        return bad("messages: first message must use the \"user\" role");
      // Claude Code changes the effort in mid-conversation, with a system message and a beta.
      const bool changes_allowed =
          role == "system" && betas_.find("mid-conversation") != std::string::npos;
      const std::string prefix = "messages." + std::to_string(i) + ".";
      auto fine = changes_allowed
                      ? only_known(messages[i], {"role", "content", "output_config"}, prefix)
                      : only_known(messages[i], {"role", "content"}, prefix);
      if (fine) fine = read_message(messages[i], i, role);
      if (!fine) return fine;
    }
    for (const auto& result : ask_.tool_results)
      ask_.tool_failed = ask_.tool_failed || looks_failed(result);
    const auto& top = member(body_, "cache_control");
    if (top.is_null()) return {};
    auto mark = read_mark(body_, "request");
    if (!mark) return std::unexpected{mark.error()};
    ask_.prompt.mark_last(*mark);
    return {};
  }

  Checked<void> read_message(const Json& message, std::size_t index, const std::string& role) {
    const bool continues = role == last_role_;  // neighbours of one role are one turn
    if (!continues) ask_.prompt.add(rendered_role(role));
    last_role_ = role;
    const auto& content = member(message, "content");
    if (!content.is_string() && !content.is_array())
      return bad("messages." + std::to_string(index) + ".content: Input should be a valid list");
    const Json blocks =
        content.is_string() ? Json::array({Json{{"type", "text"}, {"text", content}}}) : content;
    if (blocks.empty()) {
      return bad("messages." + std::to_string(index) +
                 ": all messages must have non-empty content except for the optional final "
                 "assistant message");
    }
    const bool has_result = std::any_of(blocks.begin(), blocks.end(), [](const Json& block) {
      return string_member(block, "type") == "tool_result";
    });
    if (role == "user" && has_result) ask_.tool_results.clear();
    if (role == "assistant") ask_.tool_results.clear();
    if (role == "user" && !has_result && !continues) begin_human_turn();
    bool calls = false;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto type = string_member(blocks[i], "type");
      if (auto fine = read_block(blocks[i], type, {index, i}, role); !fine) return fine;
      calls = calls || type == "tool_use";
    }
    if (calls) ++ask_.step;
    if (ask_.first_user_text.empty()) ask_.first_user_text = ask_.last_user_text;
    return {};
  }

  void begin_human_turn() {
    ask_.last_user_text.clear();
    ask_.tool_results.clear();
    ask_.step = 0;
  }

  struct Where {
    std::size_t message;
    std::size_t block;
  };

  Checked<void> read_block(const Json& block, const std::string& type, Where at,
                           const std::string& role) {
    const auto where = place(at.message, at.block);
    if (type == "text") return read_text(block, where, role);
    if (type == "image" || type == "document") return read_media(block, where);
    if (type == "tool_result" && role == "user") return read_result(block, where);
    if (type == "tool_use" && role == "assistant") return read_call(block, where);
    if ((type == "thinking" || type == "redacted_thinking") && role == "assistant")
      return read_thought(block, where);
    if (type == "tool_use" || type == "tool_result" || type == "thinking") {
      return bad("messages." + std::to_string(at.message) + ": `" + type +
                 "` blocks can only be in `" + (type == "tool_result" ? "user" : "assistant") +
                 "` messages");
    }
    if (type == "tool_reference" || type == "search_result" || type == "server_tool_use") {
      ask_.prompt.add(without_cache_control(block).dump());
      return {};
    }
    return bad(where + ": Input tag '" + type +
               "' found using 'type' does not match any of the expected tags");
  }

  Checked<void> read_text(const Json& block, const std::string& where, const std::string& role) {
    const auto text = string_member(block, "text");
    if (!member(block, "text").is_string()) return bad(where + ".text.text: Field required");
    if (text.empty()) return bad("messages: text content blocks must be non-empty");
    if (blank(text)) return bad("messages: text content blocks must contain non-whitespace text");
    if (auto fine =
            only_known(block, {"type", "text", "cache_control", "citations"}, where + ".text.");
        !fine)
      return fine;
    auto mark = read_mark(block, where + ".text");
    if (!mark) return std::unexpected{mark.error()};
    ask_.prompt.add(rendered_text(text), *mark);
    if (role == "user") ask_.last_user_text += (ask_.last_user_text.empty() ? "" : "\n") + text;
    if (role == "system") ask_.system_text += text + '\n';
    return {};
  }

  Checked<void> read_media(const Json& block, const std::string& where) {
    const auto& source = member(block, "source");
    const auto type = string_member(source, "type");
    const auto kind = string_member(block, "type");
    if (type != "base64" && type != "url" && type != "file" &&
        !(kind == "document" && (type == "text" || type == "content"))) {
      return bad(where + "." + kind + ".source: Input tag '" + type +
                 "' does not match any of the expected tags");
    }
    const auto media = string_member(source, "media_type");
    const bool picture = media == "image/jpeg" || media == "image/png" || media == "image/gif" ||
                         media == "image/webp";
    if (kind == "image" && type == "base64" && !picture) {
      return bad(where +
                 ".image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', "
                 "'image/gif' or 'image/webp'");
    }
    if (type == "base64" && !from_base64(string_member(source, "data")))
      return bad(where + "." + kind + ".source.base64: invalid base64 data");
    auto mark = read_mark(block, where);
    if (!mark) return std::unexpected{mark.error()};
    ask_.prompt.add_media(source.dump(), 765);
    ask_.prompt.mark_last(*mark);
    return {};
  }

  Checked<void> read_result(const Json& block, const std::string& where) {
    const auto id = string_member(block, "tool_use_id");
    if (id.empty() || id.find_first_not_of(id_characters) != std::string::npos) {
      return bad(where +
                 ".tool_result.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'");
    }
    auto fine = only_known(block, {"type", "tool_use_id", "content", "is_error", "cache_control"},
                           where + ".tool_result.");
    if (!fine) return fine;
    auto mark = read_mark(block, where + ".tool_result");
    if (!mark) return std::unexpected{mark.error()};
    const auto& content = member(block, "content");
    std::string text = content.is_string() ? content.get<std::string>() : "";
    if (content.is_array()) {
      for (const auto& part : content) {
        const auto type = string_member(part, "type");
        if (type == "text" && string_member(part, "text").empty())
          return bad("messages: text content blocks must be non-empty");
        if (type == "text") text += string_member(part, "text");
        if (type == "image") ask_.prompt.add_media(member(part, "source").dump(), 765);
      }
    }
    const bool failed = member(block, "is_error") == true;
    ask_.prompt.add("<result " + id + (failed ? " error>" : ">") + text, *mark);
    ask_.tool_failed = ask_.tool_failed || failed;
    ask_.tool_results.push_back(std::move(text));
    return {};
  }

  Checked<void> read_call(const Json& block, const std::string& where) {
    const auto id = string_member(block, "id");
    if (id.empty() || id.find_first_not_of(id_characters) != std::string::npos) {
      return bad(where + ".tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
    }
    if (!call_ids_.insert(id).second) return bad(where + ": `tool_use` ids must be unique");
    const auto name = string_member(block, "name");
    if (name.empty() || name.size() > 200)
      return bad(where + ".tool_use.name: String should have at least 1 character");
    if (!member(block, "input").is_object())
      return bad(where + ".tool_use.input: Input should be a valid dictionary");
    auto fine = only_known(block, {"type", "id", "name", "input", "cache_control", "caller"},
                           where + ".tool_use.");
    if (!fine) return fine;
    auto mark = read_mark(block, where + ".tool_use");
    if (!mark) return std::unexpected{mark.error()};
    ask_.prompt.add(rendered_call(id, name, member(block, "input")), *mark);
    ask_.tool_failed = false;
    return {};
  }

  Checked<void> read_thought(const Json& block, const std::string& where) {
    if (block.contains("cache_control"))
      return bad(where + ".thinking.cache_control: Extra inputs are not permitted");
    if (string_member(block, "type") == "redacted_thinking") {
      if (!unseal('R', string_member(block, "data")))
        return bad(where + ": Invalid `data` in `redacted_thinking` block");
      return {};
    }
    const auto signature = string_member(block, "signature");
    if (!member(block, "thinking").is_string())
      return bad(where + ".thinking.thinking: Field required");
    if (!member(block, "signature").is_string())
      return bad(where + ".thinking.signature: Field required");
    const auto sealed = unseal_thinking(signature);
    if (!sealed) return bad(where + ": Invalid `signature` in `thinking` block");
    if (sealed->text_hash != hash_bytes(string_member(block, "thinking"))) {
      return bad(where +
                 ": `thinking` or `redacted_thinking` blocks in the latest assistant message "
                 "cannot be modified. "
                 "These blocks must remain as they were in the original response.");
    }
    if (!reads_thinking_of(family_, sealed->family)) return {};  // dropped without a word
    const bool bound = family_.binds_prefix && sealed->family == family_.name;
    if (bound && sealed->prefix_hash != ask_.prompt.hash()) {
      if (drops_mismatch_) return {};
      return bad(
          where +
          ": Invalid `signature` in `thinking` block. The block is bound to a different "
          "conversation: "
          "the system prompt, the tools or an earlier message changed since it was produced.");
    }
    ask_.prompt.add(rendered_thinking(signature));
    return {};
  }

  Checked<void> check_pairing() {
    const auto& messages = member(body_, "messages");
    std::vector<std::string> open;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const auto& content = member(messages[i], "content");
      std::vector<std::string> calls;
      bool results_over = false;
      for (std::size_t j = 0; content.is_array() && j < content.size(); ++j) {
        const auto type = string_member(content[j], "type");
        if (type == "tool_use") calls.push_back(string_member(content[j], "id"));
        if (type != "tool_result") results_over = true;
        if (type != "tool_result") continue;
        const auto id = string_member(content[j], "tool_use_id");
        const auto at = std::find(open.begin(), open.end(), id);
        if (at == open.end() || results_over) {
          return bad(place(i, j) +
                     ": unexpected `tool_use_id` found in `tool_result` blocks: " + id +
                     ". Each `tool_result` block must have a corresponding `tool_use` block in the "
                     "previous message.");
        }
        open.erase(at);
      }
      if (!open.empty()) return unanswered(i - 1, open);
      open = std::move(calls);
    }
    if (!open.empty()) return unanswered(messages.size() - 1, open);
    return {};
  }

  static Checked<void> unanswered(std::size_t message, const std::vector<std::string>& open) {
    std::string ids;
    for (const auto& id : open) ids += (ids.empty() ? "" : ", ") + id;
    return bad(
        "messages." + std::to_string(message) +
        ": `tool_use` ids were found without `tool_result` blocks immediately after: " + ids +
        ". Each `tool_use` block must have a corresponding `tool_result` block in the next "
        "message.");
  }

  Checked<void> check_ending() {
    const auto& last = member(body_, "messages").back();
    if (string_member(last, "role") != "assistant") return {};
    if (!family_.prefill)
      return bad(
          "This model does not support assistant message prefill. The conversation must end with a "
          "user message.");
    if (ask_.thinking)
      return bad("This model does not support assistant message prefill when thinking is enabled.");
    const auto& content = member(last, "content");
    const auto text =
        content.is_string() ? content.get<std::string>() : string_member(content.back(), "text");
    if (!text.empty() && (text.back() == ' ' || text.back() == '\n'))
      return bad("messages: final assistant content cannot end with trailing whitespace");
    return {};
  }

  Checked<void> check_size() {
    const auto tokens = ask_.prompt.tokens();
    if (tokens <= family_.context_tokens) return {};
    return bad("prompt is too long: " + std::to_string(tokens) + " tokens > " +
               std::to_string(family_.context_tokens) + " maximum");
  }

  // With a thinking budget a running tool loop must begin with the thinking that led to it.
  Checked<void> check_loop_thinking() {
    const auto& messages = member(body_, "messages");
    if (!budgeted_ || ask_.tool_results.empty() || messages.size() < 2) return {};
    const auto index = messages.size() - 2;
    const auto& content = member(messages[index], "content");
    const auto type = content.is_array() && !content.empty() ? string_member(content[0], "type")
                                                             : std::string{"text"};
    if (type == "thinking" || type == "redacted_thinking") return {};
    return bad(place(index, 0) + ".type: Expected `thinking` or `redacted_thinking`, but found `" +
               type +
               "`. When `thinking` is enabled, a final `assistant` message must start with a "
               "thinking block (preceeding the lastmost "
               "set of `tool_use` and `tool_result` blocks). We recommend you include thinking "
               "blocks from previous turns. To avoid "
               "this requirement, disable `thinking`.");
  }

  const Settings& settings_;
  const HttpRequest& request_;
  std::string betas_;
  Json body_;
  Ask ask_;
  ClaudeFamily family_;
  bool budgeted_ = false;
  bool drops_mismatch_ = false;
  int marks_ = 0;
  std::string last_role_;
  std::set<std::string> call_ids_;
};

}  // namespace

Refusal anthropic_refusal(int status, const std::string& message, std::string_view type) {
  return {
      status,
      R"({"type":"error","error":{"type":)" + json_string(type) +
          ",\"message\":" + json_string(message) + R"(},"request_id":"@request@"})",
      {{"Content-Type", "application/json"}, {"x-should-retry", status >= 429 ? "true" : "false"}}};
}

Checked<Ask> read_anthropic(const Settings& settings, const HttpRequest& request) {
  return Reader{settings, request}.read();
}

std::string rendered_role(std::string_view role) { return "<" + std::string{role} + ">"; }
std::string rendered_text(std::string_view text) { return "<text>" + std::string{text}; }
std::string rendered_thinking(std::string_view signature) {
  return "<thinking>" + std::string{signature};
}
std::string rendered_call(std::string_view id, std::string_view name, const Json& input) {
  return "<call " + std::string{id} + ">" + std::string{name} + input.dump();
}

std::string seal_thinking(const ThinkingSeal& seal_fields, std::size_t bytes, std::uint64_t seed) {
  return seal(thinking_kind,
              {seal_fields.family, to_hex(seal_fields.text_hash), to_hex(seal_fields.prefix_hash)},
              bytes, seed);
}

std::optional<ThinkingSeal> unseal_thinking(std::string_view signature) {
  const auto fields = unseal(thinking_kind, signature);
  if (!fields || fields->size() != 3) return std::nullopt;
  ThinkingSeal seal_fields{.family = (*fields)[0]};
  seal_fields.text_hash = std::stoull((*fields)[1], nullptr, 16);
  seal_fields.prefix_hash = std::stoull((*fields)[2], nullptr, 16);
  return seal_fields;
}

}  // namespace turnpike::simulator
