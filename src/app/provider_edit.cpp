#include "app/provider_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "catalog/toml_reader.hpp"

namespace turnpike::app {
namespace {

using catalog::TomlKind;
using catalog::TomlNode;

constexpr auto unusual = "its form is too unusual to be edited safely";

std::expected<TomlNode, std::string> parsed(std::string_view document) {
  auto root = catalog::parse_toml(document, "");
  if (root) return std::move(*root);
  return std::unexpected{
      fmt::format("it is not valid TOML: line {}: {}", root.error().line, root.error().message)};
}

TomlNode* find(TomlNode& table, std::string_view key) {
  const auto found = std::ranges::find(table.entries, key, &catalog::TomlEntry::key);
  return found == table.entries.end() ? nullptr : &found->value;
}

/// The tables of an array of tables; null if the key holds something else.
std::vector<TomlNode>* tables_of(TomlNode& table, std::string_view key) {
  auto* node = find(table, key);
  return node != nullptr && node->kind == TomlKind::array ? &node->items : nullptr;
}

/// Same values; where they stand and in which order their keys come does not matter.
bool same(const TomlNode& a, const TomlNode& b) {
  if (a.kind != b.kind || a.text != b.text || a.integer != b.integer || a.boolean != b.boolean ||
      a.instant != b.instant)
    return false;
  if (!std::ranges::equal(a.items, b.items, same)) return false;
  return a.entries.size() == b.entries.size() &&
         std::ranges::all_of(a.entries, [&b](const catalog::TomlEntry& entry) {
           const auto other = std::ranges::find(b.entries, entry.key, &catalog::TomlEntry::key);
           return other != b.entries.end() && same(entry.value, other->value);
         });
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

std::string_view trimmed(std::string_view line) {
  const auto begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  const auto end = line.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos || end < begin ? std::string_view{}
                                                      : line.substr(begin, end + 1 - begin);
}

bool is_header(std::string_view line) { return trimmed(line).starts_with('['); }

bool is_price_header(std::string_view line) {
  const auto text = trimmed(line);
  return text == "[[model.price]]" ||
         (text.starts_with("[[model.price]]") && trimmed(text.substr(15)).starts_with('#'));
}

bool is_below_price(std::string_view line) {
  const auto text = trimmed(line);
  return text.starts_with("[[model.price.") || text.starts_with("[model.price.");
}

std::string joined(const std::vector<std::string_view>& lines, std::size_t from, std::size_t to) {
  std::string text;
  for (std::size_t i = from; i < to; ++i) text += lines[i];
  return text;
}

/// The document with text behind its first `count` lines.
std::string inserted(const std::vector<std::string_view>& lines, std::size_t count,
                     std::string_view text) {
  auto result = joined(lines, 0, count);
  if (!result.empty() && !result.ends_with('\n')) result += '\n';
  return result.append(text) + joined(lines, count, lines.size());
}

/// Behind the block of the price whose header is at `header`; comments before the next header are
/// the next one's.
std::size_t end_of_price(const std::vector<std::string_view>& lines, std::size_t header) {
  auto end = header + 1;
  while (end < lines.size() && (!is_header(lines[end]) || is_below_price(lines[end]))) ++end;
  while (end > header + 1 &&
         (trimmed(lines[end - 1]).empty() || trimmed(lines[end - 1]).starts_with('#')))
    --end;
  return end;
}

EditedText checked(std::string text, const TomlNode& wanted) {
  const auto root = parsed(text);
  if (!root || !same(*root, wanted)) return std::unexpected{unusual};
  return text;
}

}  // namespace

EditedText add_price(std::string_view document, std::size_t model, Instant from,
                     std::string_view addition) {
  auto root = parsed(document);
  if (!root) return std::unexpected{root.error()};
  auto* models = tables_of(*root, "model");
  if (models == nullptr || model >= models->size()) return std::unexpected{unusual};
  auto* prices = tables_of((*models)[model], "price");
  if (prices == nullptr) return std::unexpected{unusual};
  std::size_t last = prices->size();
  for (std::size_t i = 0; i < prices->size(); ++i) {
    const auto* begin = find((*prices)[i], "from");
    if (begin != nullptr && begin->kind == TomlKind::instant && begin->instant < from) last = i;
  }
  if (last == prices->size())
    return std::unexpected{"no price of the model begins before that day"};
  const auto lines = lines_of(document);
  const auto header = static_cast<std::size_t>((*prices)[last].at.line) - 1;
  if (header >= lines.size() || !is_price_header(lines[header])) return std::unexpected{unusual};

  auto text =
      inserted(lines, end_of_price(lines, header), fmt::format("[[model.price]]\n{}", addition));
  auto whole = parsed(fmt::format("[[model]]\n[[model.price]]\n{}", addition));
  if (!whole) return std::unexpected{whole.error()};
  prices->insert(prices->begin() + static_cast<std::ptrdiff_t>(last) + 1,
                 (*tables_of((*tables_of(*whole, "model"))[0], "price"))[0]);
  return checked(std::move(text), *root);
}

EditedText set_number(std::string_view document, std::size_t model, std::string_view key,
                      std::int64_t value) {
  auto root = parsed(document);
  if (!root) return std::unexpected{root.error()};
  auto* models = tables_of(*root, "model");
  if (models == nullptr || model >= models->size()) return std::unexpected{unusual};
  auto* number = find((*models)[model], key);
  if (number == nullptr || number->kind != TomlKind::integer) return std::unexpected{unusual};
  const auto lines = lines_of(document);
  const auto line = static_cast<std::size_t>(number->at.line) - 1;
  const auto column = static_cast<std::size_t>(number->at.column) - 1;
  if (line >= lines.size() || column >= lines[line].size()) return std::unexpected{unusual};
  const auto rest = lines[line].substr(column);
  const auto length = std::min(rest.find_first_not_of("+-0123456789_"), rest.size());
  number->integer = value;
  auto text = joined(lines, 0, line) +
              fmt::format("{}{}{}", lines[line].substr(0, column), value, rest.substr(length)) +
              joined(lines, line + 1, lines.size());
  return checked(std::move(text), *root);
}

EditedText add_model(std::string_view document, std::string_view addition) {
  auto root = parsed(document);
  if (!root) return std::unexpected{root.error()};
  const auto block = fmt::format("[[model]]\n{}", addition);
  auto alone = parsed(block);
  if (!alone) return std::unexpected{alone.error()};
  auto* added = tables_of(*alone, "model");
  if (added == nullptr || added->size() != 1) return std::unexpected{unusual};
  if (auto* models = tables_of(*root, "model")) {
    models->push_back(added->front());
  } else {
    root->entries.push_back(alone->entries.front());
  }
  const auto lines = lines_of(document);
  return checked(inserted(lines, lines.size(), document.empty() ? block : "\n" + block), *root);
}

}  // namespace turnpike::app
