#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/settings_edit.hpp"

namespace turnpike::app {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct Member {
  std::string name;
  std::size_t name_begin = 0;
  std::size_t value_begin = 0;
  std::size_t value_end = 0;
};

struct Object {
  std::size_t open = 0;   // of '{'
  std::size_t close = 0;  // of '}'
  std::vector<Member> members;
};

/// Positions in a text that a parser has accepted. Comments count as blanks.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] std::size_t skip_blank(std::size_t at) const {
    while (at < text_.size()) {
      if (text_[at] == '/') {
        at = end_of_comment(at);
      } else if (is_blank(text_[at])) {
        ++at;
      } else {
        break;
      }
    }
    return at;
  }

  [[nodiscard]] Object object(std::size_t open) const {
    Object found{open, 0, {}};
    auto at = skip_blank(open + 1);
    while (at < text_.size() && text_[at] != '}') {
      Member member;
      member.name_begin = at;
      const auto name_end = end_of_string(at);
      member.name = json::parse(text_.substr(at, name_end - at)).get<std::string>();
      member.value_begin = skip_blank(skip_blank(name_end) + 1);  // over the colon
      member.value_end = end_of_value(member.value_begin);
      at = skip_blank(member.value_end);
      if (at < text_.size() && text_[at] == ',') at = skip_blank(at + 1);
      found.members.push_back(std::move(member));
    }
    found.close = at;
    return found;
  }

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  [[nodiscard]] std::size_t end_of_comment(std::size_t at) const {
    const bool block = text_.substr(at).starts_with("/*");
    const auto end = block ? text_.find("*/", at + 2) : text_.find('\n', at);
    if (end == std::string_view::npos) return text_.size();
    return block ? end + 2 : end;
  }

  [[nodiscard]] std::size_t end_of_string(std::size_t at) const {
    for (++at; at < text_.size() && text_[at] != '"'; ++at) {
      if (text_[at] == '\\') ++at;
    }
    return std::min(at + 1, text_.size());
  }

  [[nodiscard]] std::size_t end_of_value(std::size_t at) const {
    if (text_[at] == '"') return end_of_string(at);
    if (text_[at] == '{' || text_[at] == '[') return end_of_nest(at);
    const auto end = text_.find_first_of(",]} \t\r\n/", at);
    return end == std::string_view::npos ? text_.size() : end;
  }

  [[nodiscard]] std::size_t end_of_nest(std::size_t at) const {
    int depth = 0;
    while (at < text_.size()) {
      const char c = text_[at];
      if (c == '"') {
        at = end_of_string(at);
        continue;
      }
      if (c == '/') {
        at = end_of_comment(at);
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at;
      if (depth == 0) break;
    }
    return at;
  }

  std::string_view text_;
};

/// How the document is laid out, so that what is added looks like the rest.
struct Layout {
  std::string unit = "  ";  // of indentation
  std::string line = "\n";
  bool one_line = false;
};

Layout layout_of(std::string_view text) {
  Layout layout;
  const auto first = text.find('\n');
  if (first == std::string_view::npos) {
    layout.one_line = text.find_first_not_of("{} \t") != std::string_view::npos;
    return layout;
  }
  if (first > 0 && text[first - 1] == '\r') layout.line = "\r\n";
  for (auto at = first; at != std::string_view::npos; at = text.find('\n', at + 1)) {
    const auto word = text.find_first_not_of(" \t", at + 1);
    if (word == std::string_view::npos || word == at + 1 || text[word] != '"') continue;
    layout.unit = text.substr(at + 1, word - at - 1);
    break;
  }
  return layout;
}

/// The value over several lines, those after the first indented by `indent`.
std::string spread(const ordered_json& value, const Layout& layout, const std::string& indent) {
  const bool tabs = layout.unit.front() == '\t';
  const auto width = static_cast<int>(layout.unit.size());
  std::string text;
  for (const char c : value.dump(width, tabs ? '\t' : ' ')) {
    if (c == '\n') {
      text += layout.line + indent;
    } else {
      text += c;
    }
  }
  return text;
}

/// Elements with an "id" replace those of the same id; what else the array holds stays.
ordered_json merged(const ordered_json& present, const ordered_json& wanted) {
  if (!present.is_array() || !wanted.is_array()) return wanted;
  ordered_json result = present;
  for (const auto& element : wanted) {
    const auto same = std::find_if(result.begin(), result.end(), [&](const ordered_json& other) {
      return other.is_object() && other.contains("id") && other["id"] == element.value("id", "");
    });
    if (same == result.end()) {
      result.push_back(element);
    } else {
      *same = element;
    }
  }
  return result;
}

class JsonEditor {
 public:
  explicit JsonEditor(std::string text) : text_(std::move(text)), layout_(layout_of(text_)) {}

  /// False: something on the way is no object.
  bool set(const std::vector<std::string>& path, const ordered_json& value) {
    auto at = Scanner{text_}.skip_blank(0);
    std::string indent = layout_.unit;  // of the members of the object at hand
    for (std::size_t level = 0; level < path.size(); ++level) {
      if (text_[at] != '{') return false;
      const auto object = Scanner{text_}.object(at);
      // Of members with the same name the last counts.
      const auto found =
          std::find_if(object.members.rbegin(), object.members.rend(),
                       [&](const Member& member) { return member.name == path[level]; });
      if (found == object.members.rend()) {
        auto inner = value;
        for (auto i = path.size() - 1; i > level; --i) inner = ordered_json{{path[i], inner}};
        insert(object, path[level], inner, indent);
        return true;
      }
      if (level + 1 == path.size()) {
        replace(*found, value, indent);
        return true;
      }
      at = found->value_begin;
      indent = own_indent(object).value_or(indent) + layout_.unit;
    }
    return true;
  }

  std::string take() { return std::move(text_); }

 private:
  void replace(const Member& member, const ordered_json& value, const std::string& indent) {
    const auto length = member.value_end - member.value_begin;
    const auto present =
        ordered_json::parse(text_.substr(member.value_begin, length), nullptr, true, true);
    const auto wanted = merged(present, value);
    if (json(present) == json(wanted)) return;
    text_.replace(member.value_begin, length,
                  layout_.one_line ? wanted.dump() : spread(wanted, layout_, indent));
  }

  void insert(const Object& object, const std::string& name, const ordered_json& value,
              const std::string& usual_indent) {
    const auto quoted = ordered_json(name).dump() + ": ";
    const auto indent = own_indent(object);
    if (!object.members.empty()) {
      const auto after = object.members.back().value_end;
      text_.insert(after,
                   indent ? "," + layout_.line + *indent + quoted + spread(value, layout_, *indent)
                          : ", " + quoted + value.dump());
      return;
    }
    if (layout_.one_line) {
      text_.insert(object.open + 1, quoted + value.dump());
      return;
    }
    const auto outer = usual_indent.substr(layout_.unit.size());
    const auto inside =
        std::string_view{text_}.substr(object.open + 1, object.close - object.open - 1);
    const bool empty = inside.find_first_not_of(" \t\r\n") == std::string_view::npos;
    auto added = layout_.line + usual_indent + quoted + spread(value, layout_, usual_indent);
    if (empty) added += layout_.line + outer;
    text_.replace(object.open + 1, empty ? inside.size() : 0, added);  // a comment stays
  }

  /// What stands before the last member on its line; nothing if the object is written on one line.
  [[nodiscard]] std::optional<std::string> own_indent(const Object& object) const {
    if (object.members.empty()) return std::nullopt;
    const auto name = object.members.back().name_begin;
    const auto line = text_.rfind('\n', name);
    if (line == std::string::npos || line < object.open) return std::nullopt;
    auto indent = text_.substr(line + 1, name - line - 1);
    if (indent.find_first_not_of(" \t") != std::string::npos) return std::nullopt;
    return indent;
  }

  std::string text_;
  Layout layout_;
};

void set_in(json& root, const std::vector<std::string>& path, const ordered_json& value) {
  json* place = &root;
  for (const auto& name : path) place = &(*place)[name];
  *place = json(merged(ordered_json(*place), value));
}

}  // namespace

std::expected<std::string, std::string> edit_json(std::string_view document,
                                                  const std::vector<Setting>& settings) {
  const bool blank = document.find_first_not_of(" \t\r\n") == std::string_view::npos;
  const std::string original{blank ? std::string_view{"{}\n"} : document};
  try {
    auto wanted = json::parse(original, nullptr, true, true);
    if (!wanted.is_object()) return std::unexpected{"it does not hold a JSON object"};
    JsonEditor editor{original};
    for (const auto& setting : settings) {
      const auto value = ordered_json::parse(setting.json);
      if (!editor.set(setting.path, value))
        return std::unexpected{
            fmt::format("\"{}\" holds something else than an object", setting.path.front())};
      set_in(wanted, setting.path, value);
    }
    auto edited = editor.take();
    if (json::parse(edited, nullptr, true, true) != wanted)
      return std::unexpected{"its form is too unusual to be edited safely"};
    return edited;
  } catch (const json::parse_error& wrong) {
    // The parser's own words quote the document, which may hold keys.
    const auto read = original.substr(0, wrong.byte == 0 ? 0 : wrong.byte - 1);
    return std::unexpected{fmt::format("it is not valid JSON: line {}",
                                       1 + std::count(read.begin(), read.end(), '\n'))};
  } catch (const json::exception&) {
    return std::unexpected{"its form is too unusual to be edited safely"};
  }
}

std::expected<std::string, std::string> edit_settings(SettingsFormat format,
                                                      std::string_view document,
                                                      const std::vector<Setting>& settings) {
  switch (format) {
    case SettingsFormat::json:
      return edit_json(document, settings);
    case SettingsFormat::toml:
      return edit_toml(document, settings);
    case SettingsFormat::env:
      return edit_env(document, settings);
  }
  return std::unexpected{"unknown format"};
}

}  // namespace turnpike::app
