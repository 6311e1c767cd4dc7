#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>

#include "app/settings_edit.hpp"
#include "catalog/toml_plus_plus.hpp"

namespace turnpike::app {
namespace {

using nlohmann::json;
using Path = std::span<const std::string>;

/// Byte offset of a line's begin; lines count from 1. Past the end: the end.
std::size_t line_begin(std::string_view text, std::size_t line) {
  std::size_t at = 0;
  for (; line > 1 && at < text.size(); --line) {
    const auto end = text.find('\n', at);
    at = end == std::string_view::npos ? text.size() : end + 1;
  }
  return at;
}

/// toml++ counts columns in characters from 1.
std::size_t offset_of(std::string_view text, const toml::source_position& place) {
  auto at = line_begin(text, place.line);
  for (auto column = place.column; column > 1 && at < text.size(); --column) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  }
  return at;
}

const toml::node* find(const toml::table& root, Path path) {
  const toml::node* node = &root;
  for (const auto& name : path) {
    const auto* table = node->as_table();
    node = table == nullptr ? nullptr : table->get(name);
    if (node == nullptr) return nullptr;
  }
  return node;
}

/// Tables with a header of their own come after the values of the root.
bool is_value(const toml::node& node) {
  if (const auto* table = node.as_table()) return table->is_inline();
  const auto* array = node.as_array();
  return array == nullptr || !array->is_array_of_tables();
}

std::string header_of(Path path) {
  static constexpr std::string_view bare =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  std::string header = "[";
  for (const auto& name : path) {
    if (header.size() > 1) header += '.';
    header += name.find_first_not_of(bare) == std::string::npos ? name : json(name).dump();
  }
  return header + "]\n";
}

class TomlEditor {
 public:
  explicit TomlEditor(std::string_view text) : text_(text) {}

  /// `value` is TOML: JSON's strings and booleans are.
  void set(Path path, const std::string& value) {
    const auto root = toml::parse(std::string_view{text_});
    if (const auto* present = find(root, path)) {
      const auto begin = offset_of(text_, present->source().begin);
      const auto end = offset_of(text_, present->source().end);
      text_.replace(begin, end - begin, value);
      return;
    }
    const auto line = path.back() + " = " + value + "\n";
    const auto owner_path = path.first(path.size() - 1);
    const auto* owner = find(root, owner_path);
    if (owner != nullptr && (owner_path.empty() || has_header(*owner, owner_path))) {
      add_to(*owner->as_table(), line, owner_path.empty());
    } else {
      append(header_of(owner_path) + line);
    }
  }

  std::string take() { return std::move(text_); }

 private:
  /// False for tables that exist through [table.sub], dotted keys or { … } alone.
  [[nodiscard]] bool has_header(const toml::node& table, Path path) const {
    const auto line = table.source().begin.line;
    const auto begin = line_begin(text_, line);
    const auto alone =
        toml::parse(std::string_view{text_}.substr(begin, line_begin(text_, line + 1) - begin));
    const auto* named = find(alone, path);
    return named != nullptr && named->is_table() && named->as_table()->empty();
  }

  /// After the table's last value, else after its header; the root has none.
  void add_to(const toml::table& table, const std::string& line, bool is_root) {
    std::size_t last = is_root ? 0 : table.source().begin.line;
    for (const auto& [name, node] : table) {
      if (is_value(node)) last = std::max<std::size_t>(last, node.source().end.line);
    }
    const bool sets_apart = last == 0 && !text_.empty();
    if (last > 0 && !text_.ends_with('\n')) text_ += '\n';
    text_.insert(line_begin(text_, last + 1), sets_apart ? line + "\n" : line);
  }

  void append(const std::string& lines) {
    if (!text_.empty()) text_ += text_.ends_with('\n') ? "\n" : "\n\n";
    text_ += lines;
  }

  std::string text_;
};

bool equal(const toml::node* node, const json& value) {
  if (node == nullptr) return false;
  if (value.is_boolean()) return node->value_exact<bool>() == value.get<bool>();
  return node->value_exact<std::string>() == value.get<std::string>();
}

/// False: a part of the path is no table.
bool set_in(toml::table& root, Path path, const json& value) {
  toml::table* table = &root;
  for (const auto& name : path.first(path.size() - 1)) {
    auto* node = table->get(name);
    if (node == nullptr) node = &table->insert(name, toml::table{}).first->second;
    table = node->as_table();
    if (table == nullptr) return false;
  }
  const auto* present = table->get(path.back());
  if (present != nullptr && (present->is_table() || present->is_array())) return false;
  if (value.is_boolean()) {
    table->insert_or_assign(path.back(), value.get<bool>());
  } else {
    table->insert_or_assign(path.back(), value.get<std::string>());
  }
  return true;
}

}  // namespace

std::expected<std::string, std::string> edit_toml(std::string_view document,
                                                  const std::vector<Setting>& settings) {
  static constexpr auto unsafe = "its form is too unusual to be edited safely";
  toml::table wanted;
  try {
    wanted = toml::parse(document);
  } catch (const toml::parse_error& wrong) {
    return std::unexpected{fmt::format("it is not valid TOML: line {}: {}",
                                       wrong.source().begin.line, wrong.description())};
  }
  try {
    TomlEditor editor{document};
    for (const auto& setting : settings) {
      const auto value = json::parse(setting.json);
      if (equal(find(wanted, setting.path), value)) continue;
      if (!set_in(wanted, setting.path, value))
        return std::unexpected{
            fmt::format("\"{}\" holds something else than expected", setting.path.front())};
      editor.set(setting.path, setting.json);
    }
    auto edited = editor.take();
    if (toml::parse(std::string_view{edited}) != wanted) return std::unexpected{unsafe};
    return edited;
  } catch (const toml::parse_error&) {
    // What was added contradicts what is there: dotted keys or an inline table of the same name.
    return std::unexpected{unsafe};
  }
}

}  // namespace turnpike::app
