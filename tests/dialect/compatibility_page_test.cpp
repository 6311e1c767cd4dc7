// docs/api-compatibility.md against the closed list of losses: the page names each, and none that
// does not exist.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/losses.hpp"

namespace turnpike::dialect::test {
namespace {

std::vector<std::string> page() {
  std::ifstream file{std::string{TURNPIKE_SOURCE_DIR} + "/docs/api-compatibility.md"};
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

bool is_row(std::string_view line) { return line.starts_with('|'); }

/// "| a | b |" has two cells.
std::vector<std::string> cells(std::string_view row) {
  std::vector<std::string> found;
  row.remove_prefix(1);
  for (std::size_t end = row.find('|'); end != std::string_view::npos; end = row.find('|')) {
    std::string_view cell = row.substr(0, end);
    while (cell.starts_with(' ')) cell.remove_prefix(1);
    while (cell.ends_with(' ')) cell.remove_suffix(1);
    found.emplace_back(cell);
    row.remove_prefix(end + 1);
  }
  return found;
}

/// What stands in backticks.
std::vector<std::string> code_words(std::string_view cell) {
  std::vector<std::string> words;
  while (true) {
    const auto begin = cell.find('`');
    const auto end = begin == std::string_view::npos ? begin : cell.find('`', begin + 1);
    if (end == std::string_view::npos) return words;
    words.emplace_back(cell.substr(begin + 1, end - begin - 1));
    cell.remove_prefix(end + 1);
  }
}

bool is_loss(const std::string& word) {
  return std::ranges::find(loss_names, word) != loss_names.end();
}

struct Page {
  std::set<std::string> listed;         // first column of the table under "## Losses"
  std::vector<std::string> counted_as;  // the words of all columns of that name
  std::vector<std::string> uneven;      // rows with more or fewer cells than their header
  std::size_t tables_with_the_column = 0;
};

Page read_page() {
  Page read;
  std::vector<std::string> header;
  bool in_losses = false;
  for (const auto& line : page()) {
    if (line.starts_with("## ")) in_losses = line == "## Losses";
    if (!is_row(line)) {
      header.clear();
      continue;
    }
    const auto row = cells(line);
    if (header.empty()) {
      header = row;
      read.tables_with_the_column += header.back() == "counted as" ? 1 : 0;
      continue;
    }
    if (row.size() != header.size()) read.uneven.push_back(line);
    if (in_losses)
      std::ranges::move(code_words(row.front()), std::inserter(read.listed, read.listed.end()));
    if (header.back() == "counted as")
      std::ranges::move(code_words(row.back()), std::back_inserter(read.counted_as));
  }
  return read;
}

TEST_CASE("the compatibility page lists every loss and nothing else", "[page]") {
  const auto read = read_page();
  CHECK(read.listed == std::set<std::string>{loss_names.begin(), loss_names.end()});
}

TEST_CASE("what the compatibility page says is counted is a loss", "[page]") {
  const auto read = read_page();
  CHECK(read.tables_with_the_column == 4);  // one for each client dialect
  CHECK(read.counted_as.size() > 60);
  for (const auto& word : read.counted_as) {
    INFO(word);
    CHECK(is_loss(word));
  }
}

TEST_CASE("every row of the compatibility page has its table's columns", "[page]") {
  CHECK(read_page().uneven == std::vector<std::string>{});
}

}  // namespace
}  // namespace turnpike::dialect::test
