// A report on its way out: one set of rows, written as a table for people, as CSV or as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/table.hpp"

namespace turnpike::app {

enum class Format : std::uint8_t { table, csv, json };
std::optional<Format> parse_format(std::string_view word);

struct SheetColumn {
  std::string title;   // for people
  std::string field;   // of the JSON rows, and the title in CSV
  Align align = Align::left;
  bool always = true;  // false: left out of a table in which it says nothing ("", "0", "0.00", "-")
  bool csv = true;     // false: a table's own abbreviation of other columns
};

class Sheet {
 public:
  explicit Sheet(std::vector<SheetColumn> columns) : columns_(std::move(columns)) {}
  [[nodiscard]] const std::vector<SheetColumn>& columns() const { return columns_; }
  /// One cell per column.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// The table's last line; not a row of the CSV, where a sum would be counted twice.
  void total(std::vector<std::string> row) { total_ = std::move(row); }
  void print_table(std::ostream& out) const;
  void print_csv(std::ostream& out) const;

 private:
  std::vector<SheetColumn> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::optional<std::vector<std::string>> total_;
};

}  // namespace turnpike::app
