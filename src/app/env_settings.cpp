#include <nlohmann/json.hpp>

#include "app/settings_edit.hpp"

namespace turnpike::app {
namespace {

/// "NAME" of a line "  export NAME = value"; empty for comments and anything else.
std::string_view name_of(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  line.remove_prefix(first);
  if (line.starts_with("export ")) line.remove_prefix(7);
  const auto equals = line.find('=');
  if (equals == std::string_view::npos || line.starts_with('#')) return {};
  auto name = line.substr(0, equals);
  while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
  while (name.starts_with(' ')) name.remove_prefix(1);
  return name;
}

std::string quoted(const std::string& value) {
  static constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,~[]";
  const bool bare = value.find_first_not_of(plain) == std::string::npos;
  return bare ? value : '"' + value + '"';  // values hold no quotes: checked where they come in
}

/// Every line that sets the name, since readers differ in which of two counts.
void set_line(std::string& text, const std::string& name, const std::string& value) {
  const auto wanted = name + "=" + quoted(value);
  bool found = false;
  for (std::size_t at = 0; at < text.size();) {
    auto end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    const std::string_view line{text.data() + at, end - at};
    if (name_of(line) == name) {
      found = true;
      const auto equals = line.find('=');
      auto length = line.size() - equals - 1;
      if (line.ends_with('\r')) --length;
      text.replace(at + equals + 1, length, quoted(value));
      end = text.find('\n', at);
      if (end == std::string::npos) end = text.size();
    }
    at = end + 1;
  }
  if (found) return;
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += wanted + "\n";
}

}  // namespace

std::expected<std::string, std::string> edit_env(std::string_view document,
                                                 const std::vector<Setting>& settings) {
  if (document.find('\0') != std::string_view::npos)
    return std::unexpected{"it is not a text file"};
  std::string text{document};
  for (const auto& setting : settings)
    set_line(text, setting.path.back(), nlohmann::json::parse(setting.json).get<std::string>());
  return text;
}

}  // namespace turnpike::app
