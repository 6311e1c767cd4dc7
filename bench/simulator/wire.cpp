#include "wire.hpp"

#include <algorithm>

#include "text.hpp"

namespace turnpike::simulator {

bool key_accepted(const Settings& settings, std::string_view key) {
  if (settings.accepted_keys.empty()) return key.find("invalid") == std::string_view::npos;
  return std::find(settings.accepted_keys.begin(), settings.accepted_keys.end(), key) !=
         settings.accepted_keys.end();
}

std::string_view bearer(const HttpRequest& request) {
  auto value = request.header("authorization");
  if (!to_lower(value.substr(0, 7)).starts_with("bearer ")) return {};
  value.remove_prefix(7);
  return value;
}

std::string figure(const Exchange& exchange, std::int64_t tokens) {
  auto wish = exchange.ask.directives.text("usage");
  if (wish.empty()) return std::to_string(tokens);
  if (wish.front() == 'x') return std::to_string(tokens * std::max(1, std::atoi(wish.c_str() + 1)));
  if (wish.front() == '\'')
    return json_string(wish.substr(1, wish.size() - 2));  // usage='7' is the text "7"
  return wish;
}

bool shows_usage(const Exchange& exchange) { return !exchange.ask.directives.has("no_usage"); }

void read_directives(Ask& ask) {
  const Directives::Situation here{ask.step, to_string(ask.provider()), dialect_of(ask.endpoint)};
  ask.directives.add_from(ask.system_text, here);
  ask.directives.add_from(ask.last_user_text, here);
  for (const auto& result : ask.tool_results) ask.directives.add_from(result, here);
}

bool looks_failed(std::string_view tool_result) {
  const auto start = to_lower(tool_result.substr(0, 400));
  return start.starts_with("error") || start.starts_with("{\"error\"") ||
         contains_word(start, "traceback") ||
         start.find("command not found") != std::string::npos ||
         start.find("exit code 1") != std::string::npos ||
         start.find("no such file") != std::string::npos;
}

void add_deltas(std::vector<Step>& steps, std::size_t block, std::string_view text,
                std::size_t bytes) {
  for (std::size_t from = 0; from < text.size();) {
    const auto to = from + utf8_cut(text.substr(from), std::max<std::size_t>(bytes, 1));
    steps.push_back(
        {StepKind::delta, block, static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to)});
    from = to;
  }
}

std::size_t delta_bytes(const Ask& ask, std::size_t habit) {
  const auto usual = ask.directives.has("tokens") ? 4 : static_cast<std::int64_t>(habit);
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(ask.directives.number("bytes", usual), 1, 1 << 20));
}

std::string string_member(const Json& object, const char* name, std::string_view otherwise) {
  const auto& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string{otherwise};
}

const Json& member(const Json& object, const char* name) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto at = object.find(name);
  return at == object.end() ? nothing : *at;
}

}  // namespace turnpike::simulator
