#include "app/harnesses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view key_placeholder = "YOUR_TURNPIKE_KEY";
constexpr std::string_view provider_id = "turnpike";  // in harnesses that name their providers

/// Stated to harnesses that plan by it; every model of the shipped policies has as much.
constexpr int context_tokens = 200'000;
constexpr int output_tokens_max = 32'000;

std::string shell_quoted(const std::string& text) {
  static constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return quoted + "'";
}

std::string key_in_shell(const Connection& c) {
  return c.key ? shell_quoted(*c.key) : fmt::format("\"${}\"", key_variable);
}

/// In a file that can only hold the key itself.
std::string key_in_file(const Connection& c) {
  return c.key.value_or(std::string{key_placeholder});
}

Setting text(std::vector<std::string> path, const std::string& value) {
  return {std::move(path), ordered_json(value).dump()};
}

Setting flag(std::vector<std::string> path, bool value) {
  return {std::move(path), value ? "true" : "false"};
}

Setting key_setting(std::vector<std::string> path, const Connection& c) {
  return {std::move(path), ordered_json(key_in_file(c)).dump(), true};
}

Recipe claude_code(const Connection& c) {
  Recipe recipe;
  recipe.environment = {{"ANTHROPIC_BASE_URL", shell_quoted(c.url)},
                        {"ANTHROPIC_AUTH_TOKEN", key_in_shell(c)},
                        {"ANTHROPIC_MODEL", shell_quoted(c.model)},
                        {"ANTHROPIC_DEFAULT_HAIKU_MODEL", shell_quoted(c.small_model)}};
  SettingsFile file{c.homes.claude / "settings.json", SettingsFormat::json, {}};
  file.settings = {text({"env", "ANTHROPIC_BASE_URL"}, c.url),
                   key_setting({"env", "ANTHROPIC_AUTH_TOKEN"}, c),
                   text({"env", "ANTHROPIC_MODEL"}, c.model),
                   text({"env", "ANTHROPIC_DEFAULT_HAIKU_MODEL"}, c.small_model)};
  if (c.quiet) {
    for (const auto* name : {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY",
                             "DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER"}) {
      recipe.environment.emplace_back(name, "1");
      file.settings.push_back(text({"env", name}, "1"));
    }
  }
  recipe.files.push_back(std::move(file));
  recipe.commands = {"claude"};
  return recipe;
}

Recipe codex(const Connection& c) {
  const std::string id{provider_id};
  SettingsFile file{c.homes.codex / "config.toml", SettingsFormat::toml, {}};
  file.settings = {text({"model"}, c.model),
                   text({"model_provider"}, id),
                   flag({"analytics", "enabled"}, false),
                   text({"model_providers", id, "name"}, id),
                   text({"model_providers", id, "base_url"}, c.url + "/v1"),
                   text({"model_providers", id, "env_key"}, std::string{key_variable}),
                   text({"model_providers", id, "wire_api"}, "responses")};
  Recipe recipe;
  if (c.key) recipe.environment = {{std::string{key_variable}, shell_quoted(*c.key)}};
  recipe.files.push_back(std::move(file));
  recipe.commands = {"codex"};
  return recipe;
}

Recipe opencode(const Connection& c) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> packages{
      {{"@ai-sdk/openai-compatible", "/v1"},
       {"@ai-sdk/anthropic", "/v1"},
       {"@ai-sdk/openai", "/v1"},
       {"@ai-sdk/google", "/v1beta"}}};
  const auto& [package, prefix] = packages[static_cast<std::size_t>(c.wire)];
  const std::string id{provider_id};
  const auto folder = c.homes.config / "opencode";
  std::error_code ignored;
  const bool commented = std::filesystem::exists(folder / "opencode.jsonc", ignored);
  SettingsFile file{
      folder / (commented ? "opencode.jsonc" : "opencode.json"), SettingsFormat::json, {}};
  file.settings = {flag({"autoupdate"}, false), text({"share"}, "disabled"),
                   text({"provider", id, "npm"}, std::string{package}),
                   text({"provider", id, "options", "baseURL"}, fmt::format("{}{}", c.url, prefix)),
                   text({"provider", id, "options", "apiKey"},
                        c.key.value_or(fmt::format("{{env:{}}}", key_variable)))};
  for (const auto& model : {c.model, c.small_model}) {
    file.settings.push_back(text({"provider", id, "models", model, "name"}, model));
    file.settings.push_back(flag({"provider", id, "models", model, "tool_call"}, true));
  }
  file.settings.push_back(text({"model"}, id + "/" + c.model));
  file.settings.push_back(text({"small_model"}, id + "/" + c.small_model));
  Recipe recipe;
  recipe.files.push_back(std::move(file));
  recipe.commands = {"opencode"};
  return recipe;
}

/// Lines of a .env file; the key's line is marked as such.
SettingsFile env_file(const std::filesystem::path& path, const Connection& c,
                      const std::vector<std::pair<std::string, std::string>>& lines,
                      const std::string& key_name) {
  SettingsFile file{path, SettingsFormat::env, {}};
  for (const auto& [name, value] : lines) file.settings.push_back(text({name}, value));
  file.settings.push_back(key_setting({key_name}, c));
  return file;
}

Recipe gemini_cli(const Connection& c) {
  Recipe recipe;
  recipe.environment = {{"GOOGLE_GEMINI_BASE_URL", shell_quoted(c.url)},
                        {"GEMINI_API_KEY", key_in_shell(c)},
                        {"GEMINI_MODEL", shell_quoted(c.model)}};
  const auto folder = c.homes.home / ".gemini";
  recipe.files = {
      {folder / "settings.json",
       SettingsFormat::json,
       {text({"security", "auth", "selectedType"}, "gemini-api-key"),
        flag({"privacy", "usageStatisticsEnabled"}, false)}},
      env_file(folder / ".env", c, {{"GOOGLE_GEMINI_BASE_URL", c.url}, {"GEMINI_MODEL", c.model}},
               "GEMINI_API_KEY")};
  recipe.commands = {fmt::format("gemini -m {}", shell_quoted(c.model))};
  return recipe;
}

Recipe qwen_code(const Connection& c) {
  const bool messages = c.wire == Wire::messages;
  const std::string prefix = messages ? "ANTHROPIC" : "OPENAI";
  const auto url = messages ? c.url : c.url + "/v1";
  const std::string type = messages ? "anthropic" : "openai";
  Recipe recipe;
  recipe.environment = {{prefix + "_BASE_URL", shell_quoted(url)},
                        {prefix + "_API_KEY", key_in_shell(c)},
                        {prefix + "_MODEL", shell_quoted(c.model)}};
  const auto folder = c.homes.home / ".qwen";
  recipe.files = {
      {folder / "settings.json",
       SettingsFormat::json,
       {text({"security", "auth", "selectedType"}, type)}},
      env_file(folder / ".env", c, {{prefix + "_BASE_URL", url}, {prefix + "_MODEL", c.model}},
               prefix + "_API_KEY")};
  recipe.commands = {"qwen --auth-type " + type};
  return recipe;
}

Recipe cline(const Connection& c) {
  const auto model = shell_quoted(c.model);
  Recipe recipe;
  recipe.commands = {fmt::format("cline auth -p openai -k {} -m {} -b {}", key_in_shell(c), model,
                                 shell_quoted(c.url + "/v1")),
                     fmt::format("cline -P openai -m {}", model)};
  return recipe;
}

Recipe pi(const Connection& c) {
  const std::string id{provider_id};
  ordered_json models = ordered_json::array();
  std::vector<std::string> names{c.model};
  if (c.small_model != c.model) names.push_back(c.small_model);
  for (const auto& name : names) {
    models.push_back({{"id", name},
                      {"name", name},
                      {"reasoning", true},
                      {"input", {"text", "image"}},
                      {"cost", {{"input", 0}, {"output", 0}, {"cacheRead", 0}, {"cacheWrite", 0}}},
                      {"contextWindow", context_tokens},
                      {"maxTokens", output_tokens_max}});
  }
  Recipe recipe;
  recipe.files = {{c.homes.home / ".pi" / "agent" / "models.json",
                   SettingsFormat::json,
                   {text({"providers", id, "baseUrl"}, c.url + "/v1"),
                    text({"providers", id, "api"}, "openai-completions"),
                    // Pi takes the name of a variable for its value.
                    text({"providers", id, "apiKey"}, c.key.value_or(std::string{key_variable})),
                    {{"providers", id, "models"}, models.dump()}}}};
  recipe.commands = {fmt::format("pi --provider {} --model {}", id, shell_quoted(c.model))};
  return recipe;
}

Recipe aider(const Connection& c) {
  Recipe recipe;
  recipe.environment = {{"OPENAI_API_BASE", shell_quoted(c.url + "/v1")},
                        {"OPENAI_API_KEY", key_in_shell(c)}};
  recipe.commands = {fmt::format("aider --model {} --weak-model {}",
                                 shell_quoted("openai/" + c.model),
                                 shell_quoted("openai/" + c.small_model))};
  return recipe;
}

std::string key_in_javascript(const Connection& c) {
  return c.key ? ordered_json(*c.key).dump() : fmt::format("process.env.{}", key_variable);
}

std::string key_in_python(const Connection& c) {
  return c.key ? ordered_json(*c.key).dump() : fmt::format("os.environ[\"{}\"]", key_variable);
}

Recipe openai_sdk(const Connection& c) {
  const bool responses = c.wire == Wire::responses;
  Recipe recipe;
  recipe.environment = {{"OPENAI_BASE_URL", shell_quoted(c.url + "/v1")},
                        {"OPENAI_API_KEY", key_in_shell(c)}};
  recipe.snippet = fmt::format(
      "// JavaScript: npm install openai\n"
      "import OpenAI from \"openai\";\n"
      "const client = new OpenAI({{ baseURL: \"{0}/v1\", apiKey: {1} }});\n"
      "await client.{4}.create({{ model: \"{2}\", {5}: [...] }});\n\n"
      "# Python: pip install openai\n"
      "client = openai.OpenAI(base_url=\"{0}/v1\", api_key={3})\n"
      "client.{4}.create(model=\"{2}\", {5}=[...])\n",
      c.url, key_in_javascript(c), c.model, key_in_python(c),
      responses ? "responses" : "chat.completions", responses ? "input" : "messages");
  return recipe;
}

Recipe anthropic_sdk(const Connection& c) {
  Recipe recipe;
  recipe.environment = {{"ANTHROPIC_BASE_URL", shell_quoted(c.url)},
                        {"ANTHROPIC_AUTH_TOKEN", key_in_shell(c)}};
  recipe.snippet = fmt::format(
      "// JavaScript: npm install @anthropic-ai/sdk\n"
      "import Anthropic from \"@anthropic-ai/sdk\";\n"
      "const client = new Anthropic({{ baseURL: \"{0}\", authToken: {1}, apiKey: null }});\n"
      "await client.messages.create({{ model: \"{2}\", max_tokens: 4096, messages: [...] }});\n\n"
      "# Python: pip install anthropic\n"
      "client = anthropic.Anthropic(base_url=\"{0}\", auth_token={3})\n"
      "client.messages.create(model=\"{2}\", max_tokens=4096, messages=[...])\n",
      c.url, key_in_javascript(c), c.model, key_in_python(c));
  return recipe;
}

Recipe google_genai(const Connection& c) {
  Recipe recipe;
  recipe.environment = {{"GOOGLE_GEMINI_BASE_URL", shell_quoted(c.url)},
                        {"GEMINI_API_KEY", key_in_shell(c)}};
  recipe.snippet = fmt::format(
      "// JavaScript: npm install @google/genai\n"
      "import {{ GoogleGenAI }} from \"@google/genai\";\n"
      "const client = new GoogleGenAI({{ apiKey: {1}, httpOptions: {{ baseUrl: \"{0}\" }} }});\n"
      "await client.models.generateContent({{ model: \"{2}\", contents: \"...\" }});\n\n"
      "# Python: pip install google-genai\n"
      "client = genai.Client(api_key={3}, http_options={{\"base_url\": \"{0}\"}})\n"
      "client.models.generate_content(model=\"{2}\", contents=\"...\")\n",
      c.url, key_in_javascript(c), c.model, key_in_python(c));
  return recipe;
}

Recipe ai_sdk(const Connection& c) {
  static constexpr std::array<std::array<std::string_view, 3>, 4> packages{
      {{"@ai-sdk/openai-compatible", "createOpenAICompatible", "/v1"},
       {"@ai-sdk/anthropic", "createAnthropic", "/v1"},
       {"@ai-sdk/openai", "createOpenAI", "/v1"},
       {"@ai-sdk/google", "createGoogleGenerativeAI", "/v1beta"}}};
  const auto& [package, function, prefix] = packages[static_cast<std::size_t>(c.wire)];
  const std::string name = c.wire == Wire::chat ? "name: \"turnpike\", " : "";
  Recipe recipe;
  recipe.snippet = fmt::format(
      "// JavaScript: npm install ai {0}\n"
      "import {{ generateText }} from \"ai\";\n"
      "import {{ {1} }} from \"{0}\";\n"
      "const turnpike = {1}({{ {2}baseURL: \"{3}{4}\", apiKey: {5} }});\n"
      "await generateText({{ model: turnpike(\"{6}\"), prompt: \"...\" }});\n",
      package, function, name, c.url, prefix, key_in_javascript(c), c.model);
  return recipe;
}

using enum Wire;
constexpr std::array<Wire, 4> any_wire{chat, messages, responses, gemini};
constexpr std::array<Wire, 2> qwen_wires{chat, messages};
constexpr std::array<Wire, 2> openai_wires{chat, responses};
constexpr std::array<Wire, 1> chat_only{chat};
constexpr std::array<Wire, 1> messages_only{messages};
constexpr std::array<Wire, 1> responses_only{responses};
constexpr std::array<Wire, 1> gemini_only{gemini};

constexpr std::array<Harness, 12> table{{
    {"claude-code", "Claude Code", messages_only, false, claude_code},
    {"codex", "Codex CLI", responses_only, false, codex},
    {"opencode", "OpenCode", any_wire, false, opencode},
    {"gemini-cli", "Gemini CLI", gemini_only, true, gemini_cli},
    {"qwen-code", "Qwen Code", qwen_wires, false, qwen_code},
    {"cline", "Cline CLI", chat_only, false, cline},
    {"pi", "Pi", chat_only, false, pi},
    {"aider", "aider", chat_only, false, aider},
    {"openai", "OpenAI SDK", openai_wires, false, openai_sdk},
    {"anthropic", "Anthropic SDK", messages_only, false, anthropic_sdk},
    {"google-genai", "Google GenAI SDK", gemini_only, false, google_genai},
    {"ai", "AI SDK", any_wire, false, ai_sdk},
}};

constexpr std::array<std::string_view, 4> wire_names{"chat", "messages", "responses", "gemini"};

}  // namespace

std::string_view to_string(Wire wire) { return wire_names[static_cast<std::size_t>(wire)]; }

std::optional<Wire> parse_wire(std::string_view name) {
  const auto* const found = std::find(wire_names.begin(), wire_names.end(), name);
  if (found == wire_names.end()) return std::nullopt;
  return static_cast<Wire>(found - wire_names.begin());
}

std::span<const Harness> harnesses() { return table; }

}  // namespace turnpike::app
