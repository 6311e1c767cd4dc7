#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/operator_link.hpp"
#include "app/page.hpp"
#include "app/report_verbs.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

std::string text_of(const ordered_json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// Without a team, or without a cause because nothing was estimated, a group has no name. Its row would look like none.
void name_nameless(std::vector<std::string>& cells, std::size_t groups) {
  for (std::size_t i = 0; i < groups; ++i) {
    if (cells[i].empty()) cells[i] = "-";
  }
}

/// The figures behind the groups; those that are mostly zero show only where they are not.
std::vector<SheetColumn> figure_columns() {
  constexpr auto right = Align::right;
  std::vector<SheetColumn> columns{{"attempts", "attempts", right},
                                   {"estimated", "estimated", right},
                                   {"input", "input_tokens", right},
                                   {"fresh", "input_fresh_tokens", right, false},
                                   {"cached", "cache_read_tokens", right},
                                   {"written 5m", "cache_write_5m_tokens", right, false},
                                   {"written 1h", "cache_write_1h_tokens", right, false},
                                   {"output", "output_tokens", right},
                                   {"reasoning", "reasoning_tokens", right, false}};
  for (std::size_t i = 0; i < server_tools; ++i) {
    const std::string name{to_string(static_cast<ServerTool>(i))};
    columns.push_back({name, name, right, false});
  }
  for (const auto& column : std::initializer_list<SheetColumn>{{"overruns", "overruns", right, false},
                                                               {"corrections", "corrections", right, false},
                                                               {"of it estimates", "estimates", right, false},
                                                               {"would cost", "shadow", right, false},
                                                               {"credits", "cost", right}}) {
    columns.push_back(column);
  }
  return columns;
}

std::vector<std::string> cells_of(const ordered_json& row, const std::vector<SheetColumn>& columns) {
  std::vector<std::string> cells;
  cells.reserve(columns.size());
  for (const auto& column : columns) {
    const auto found = row.find(column.field);
    cells.push_back(found == row.end() ? std::string{} : text_of(*found));
  }
  return cells;
}

}  // namespace

int run_report_spend(const Config& config, const Clock& clock, const SpendOptions& options, Format format) {
  std::string target = "/admin/spend?";
  for (const auto& [name, value] : {std::pair{"by", &options.by}, {"every", &options.every}, {"since", &options.since}, {"until", &options.until}}) {
    if (!value->empty()) target += fmt::format("{}={}&", name, percent_encode(*value));
  }
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  const auto answer = (*link)->ask("GET", target, "");
  if (!answer) return fail(answer.error());
  if (format == Format::json) {
    std::cout << answer->dump(2) << '\n';
    return 0;
  }
  std::vector<SheetColumn> columns;
  for (const auto& by : (*answer)["by"]) columns.push_back({by.get<std::string>(), by.get<std::string>()});
  const auto figures = figure_columns();
  columns.insert(columns.end(), figures.begin(), figures.end());
  Sheet sheet{columns};
  for (const auto& row : (*answer)["rows"]) {
    auto cells = cells_of(row, columns);
    if (format == Format::table) name_nameless(cells, (*answer)["by"].size());
    sheet.add(std::move(cells));
  }
  auto total = cells_of((*answer)["total"], columns);
  if (!(*answer)["by"].empty()) total.front() = "total";
  sheet.total(std::move(total));
  if (format == Format::csv) {
    sheet.print_csv(std::cout);
  } else {
    sheet.print_table(std::cout);
  }
  return 0;
}

}  // namespace turnpike::app
