#include <fmt/format.h>

#include <algorithm>

#include "catalog/toml_reader.hpp"
#include "turnpike/error.hpp"

namespace turnpike::catalog {
namespace {

const TomlEntry* entry_of(const TomlNode& table, std::string_view key) {
  for (const auto& entry : table.entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

double to_double(Decimal decimal) {
  auto value = static_cast<double>(decimal.mantissa);
  for (int i = 0; i < decimal.scale; ++i) value /= 10;
  return value;
}

}  // namespace

void FaultLog::error(TomlPosition at, std::string message) {
  faults_.push_back({file_, at.line, at.column, std::move(message), Severity::error});
}

void FaultLog::warning(TomlPosition at, std::string message) {
  faults_.push_back({file_, at.line, at.column, std::move(message), Severity::warning});
}

TableReader::TableReader(const TomlNode& table, std::string what, FaultLog& faults)
    : table_(&table), what_(std::move(what)), faults_(&faults) {}

const TomlNode* TableReader::find(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
  const auto* entry = entry_of(*table_, key);
  return entry == nullptr ? nullptr : &entry->value;
}

TomlPosition TableReader::at(std::string_view key) const {
  const auto* entry = entry_of(*table_, key);
  return entry == nullptr ? table_->at : entry->value.at;
}

void TableReader::wrong_type(std::string_view key, const TomlNode& value, std::string_view wanted) {
  faults_->error(value.at, fmt::format("{}: \"{}\" must be {}, not {}", what_, key, wanted,
                                       to_string(value.kind)));
}

const TomlNode* TableReader::expect(std::string_view key, TomlKind kind) {
  const auto* value = find(key);
  if (value == nullptr || value->kind == kind) return value;
  wrong_type(key, *value, to_string(kind));
  return nullptr;
}

std::optional<std::string> TableReader::string(std::string_view key) {
  const auto* value = expect(key, TomlKind::string);
  return value == nullptr ? std::nullopt : std::optional{value->text};
}

std::string TableReader::required_string(std::string_view key) {
  const auto* value = find(key);
  if (value == nullptr) {
    faults_->error(table_->at, fmt::format("{}: \"{}\" is missing", what_, key));
    return "";
  }
  auto text = string(key);
  if (text && text->empty())
    faults_->error(value->at, fmt::format("{}: \"{}\" is empty", what_, key));
  return text.value_or("");
}

std::optional<std::string> TableReader::word(std::string_view key,
                                             std::span<const std::string> known) {
  auto text = string(key);
  if (!text || std::find(known.begin(), known.end(), *text) != known.end()) return text;
  faults_->error(find(key)->at,
                 fmt::format("{}: \"{}\" cannot be \"{}\"{}; known: {}", what_, key, *text,
                             nearest_hint(*text, known), fmt::join(known, ", ")));
  return std::nullopt;
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t least,
                                                 std::int64_t most) {
  const auto* value = expect(key, TomlKind::integer);
  if (value == nullptr) return std::nullopt;
  if (value->integer >= least && value->integer <= most) return value->integer;
  faults_->error(value->at, most == INT64_MAX
                                ? fmt::format("{}: \"{}\" must be at least {}", what_, key, least)
                                : fmt::format("{}: \"{}\" must lie between {} and {}", what_, key,
                                              least, most));
  return std::nullopt;
}

std::optional<bool> TableReader::boolean(std::string_view key) {
  const auto* value = expect(key, TomlKind::boolean);
  return value == nullptr ? std::nullopt : std::optional{value->boolean};
}

std::optional<Decimal> TableReader::decimal(std::string_view key) {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->kind == TomlKind::integer) {
    auto decimal = parse_decimal(std::to_string(value->integer));
    if (decimal) return decimal;
  } else if (value->kind != TomlKind::string && value->kind != TomlKind::floating) {
    wrong_type(key, *value, "a decimal number");
    return std::nullopt;
  }
  const auto decimal = value->kind == TomlKind::integer ? std::nullopt : parse_decimal(value->text);
  if (!decimal && value->kind == TomlKind::string) {
    faults_->error(value->at,
                   fmt::format("{}: \"{}\" must be digits with at most one point, such as "
                               "\"0.15\", not {}",
                               what_, key, quoted_for_message(value->text)));
  } else if (!decimal) {
    faults_->error(
        value->at,
        fmt::format("{}: \"{}\" has no exact decimal value; write it as a string such as \"0.15\"",
                    what_, key));
  }
  return decimal;
}

std::optional<double> TableReader::number(std::string_view key, double least, double most) {
  const auto exact = decimal(key);
  if (!exact) return std::nullopt;
  const double value = to_double(*exact);
  if (value >= least && value <= most) return value;
  faults_->error(find(key)->at,
                 fmt::format("{}: \"{}\" must lie between {} and {}", what_, key, least, most));
  return std::nullopt;
}

std::optional<Instant> TableReader::instant(std::string_view key) {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->kind == TomlKind::instant) return value->instant;
  wrong_type(key, *value,
             "a date such as 2026-09-14 or a time with a zone such as 2026-09-14T16:00:00Z");
  return std::nullopt;
}

std::vector<std::string> TableReader::strings(std::string_view key) {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (value->kind == TomlKind::string) return {value->text};
  if (value->kind != TomlKind::array) {
    wrong_type(key, *value, "an array of strings");
    return {};
  }
  std::vector<std::string> texts;
  for (const auto& item : value->items) {
    if (item.kind == TomlKind::string) {
      texts.push_back(item.text);
    } else {
      faults_->error(item.at, fmt::format("{}: \"{}\" must hold strings, not {}", what_, key,
                                          to_string(item.kind)));
    }
  }
  return texts;
}

const TomlNode* TableReader::table(std::string_view key) { return expect(key, TomlKind::table); }

std::vector<const TomlNode*> TableReader::tables(std::string_view key) {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (value->kind == TomlKind::table) return {value};
  if (value->kind != TomlKind::array) {
    wrong_type(key, *value, "an array of tables");
    return {};
  }
  std::vector<const TomlNode*> tables;
  for (const auto& item : value->items) {
    if (item.kind == TomlKind::table) {
      tables.push_back(&item);
    } else {
      faults_->error(item.at, fmt::format("{}: \"{}\" must hold tables, not {}", what_, key,
                                          to_string(item.kind)));
    }
  }
  return tables;
}

void TableReader::finish() {
  for (const auto& entry : table_->entries) {
    if (std::find(asked_.begin(), asked_.end(), entry.key) != asked_.end()) continue;
    faults_->error(entry.at, fmt::format("{}: unknown key \"{}\"{}", what_, entry.key,
                                         nearest_hint(entry.key, asked_)));
  }
}

}  // namespace turnpike::catalog
