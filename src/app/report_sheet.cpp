#include "app/report_sheet.hpp"

#include <algorithm>

#include "app/csv.hpp"

namespace turnpike::app {
namespace {

bool says_nothing(const std::string& cell) { return cell.empty() || cell == "0" || cell == "0.00" || cell == "-"; }

/// The chosen cells of a row.
std::vector<std::string> pick(const std::vector<std::string>& row, const std::vector<std::size_t>& chosen) {
  std::vector<std::string> cells;
  cells.reserve(chosen.size());
  for (const auto i : chosen) cells.push_back(row[i]);
  return cells;
}

}  // namespace

std::optional<Format> parse_format(std::string_view word) {
  if (word == "table") return Format::table;
  if (word == "csv") return Format::csv;
  if (word == "json") return Format::json;
  return std::nullopt;
}

void Sheet::print_table(std::ostream& out) const {
  std::vector<std::size_t> chosen;
  std::vector<Table::Column> titles;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const bool empty = std::ranges::all_of(rows_, [&](const auto& row) { return says_nothing(row[i]); });
    if (empty && !columns_[i].always) continue;
    chosen.push_back(i);
    titles.push_back({columns_[i].title, columns_[i].align});
  }
  Table table{std::move(titles)};
  for (const auto& row : rows_) table.add(pick(row, chosen));
  if (total_) table.add(pick(*total_, chosen));
  table.print(out);
}

void Sheet::print_csv(std::ostream& out) const {
  std::vector<std::size_t> chosen;
  std::vector<std::string> titles;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].csv) continue;
    chosen.push_back(i);
    titles.push_back(columns_[i].field);
  }
  out << csv_line(titles);
  for (const auto& row : rows_) out << csv_line(pick(row, chosen));
}

}  // namespace turnpike::app
