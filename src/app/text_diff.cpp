#include "app/text_diff.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace turnpike::app {
namespace {

constexpr std::size_t context_lines = 3;
constexpr std::size_t table_cells_max = 4'000'000;  // beyond: the middle is shown as replaced whole

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto length = end == std::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

struct Step {
  char sign = ' ';  // ' ', '-', '+'
  std::string_view line;
};

/// Steps of the part between the common head and tail, by longest common subsequence.
void middle_steps(const Lines& before, const Lines& after, std::vector<Step>& steps) {
  const auto rows = before.size();
  const auto columns = after.size();
  if ((rows + 1) * (columns + 1) > table_cells_max) {
    for (const auto line : before) steps.push_back({'-', line});
    for (const auto line : after) steps.push_back({'+', line});
    return;
  }
  std::vector<std::uint32_t> common((rows + 1) * (columns + 1), 0);
  const auto cell = [&](std::size_t i, std::size_t k) -> std::uint32_t& {
    return common[i * (columns + 1) + k];
  };
  for (auto i = rows; i-- > 0;) {
    for (auto k = columns; k-- > 0;) {
      cell(i, k) =
          before[i] == after[k] ? cell(i + 1, k + 1) + 1 : std::max(cell(i + 1, k), cell(i, k + 1));
    }
  }
  std::size_t i = 0;
  std::size_t k = 0;
  while (i < rows || k < columns) {
    if (i < rows && k < columns && before[i] == after[k]) {
      steps.push_back({' ', before[i++]});
      ++k;
    } else if (k == columns || (i < rows && cell(i + 1, k) >= cell(i, k + 1))) {
      steps.push_back({'-', before[i++]});
    } else {
      steps.push_back({'+', after[k++]});
    }
  }
}

std::vector<Step> steps_of(const Lines& before, const Lines& after) {
  const auto shorter = std::min(before.size(), after.size());
  std::size_t head = 0;
  while (head < shorter && before[head] == after[head]) ++head;
  std::size_t tail = 0;
  while (tail < shorter - head &&
         before[before.size() - 1 - tail] == after[after.size() - 1 - tail])
    ++tail;
  const auto part = [&](const Lines& lines) {
    return Lines(lines.begin() + static_cast<std::ptrdiff_t>(head),
                 lines.end() - static_cast<std::ptrdiff_t>(tail));
  };
  std::vector<Step> steps;
  steps.reserve(before.size() + after.size());
  for (std::size_t i = 0; i < head; ++i) steps.push_back({' ', before[i]});
  middle_steps(part(before), part(after), steps);
  for (std::size_t i = before.size() - tail; i < before.size(); ++i)
    steps.push_back({' ', before[i]});
  return steps;
}

std::string range(std::size_t first, std::size_t count) {
  return fmt::format("{},{}", count == 0 ? first : first + 1, count);
}

/// Groups the steps into hunks: changes with few unchanged lines between them.
class HunkWriter {
 public:
  HunkWriter(const std::vector<Step>& steps, std::string& out) : steps_(steps), out_(out) {}

  void run() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const auto& step = steps_[i];
      if (!open_ && step.sign != ' ') begin(i);
      if (open_) {
        hunk_.push_back(step);
        quiet_ = step.sign == ' ' ? quiet_ + 1 : 0;
      }
      before_ += step.sign == '+' ? 0U : 1U;
      after_ += step.sign == '-' ? 0U : 1U;
      if (open_ && quiet_ > 2 * context_lines) finish();
    }
    if (open_) finish();
  }

 private:
  void begin(std::size_t at) {
    const auto lead = std::min(context_lines, at);
    for (auto i = at - lead; i < at; ++i) hunk_.push_back(steps_[i]);
    open_ = true;
    first_before_ = before_ - lead;
    first_after_ = after_ - lead;
  }

  void finish() {
    for (; quiet_ > context_lines; --quiet_) hunk_.pop_back();
    out_ += fmt::format("@@ -{} +{} @@\n", range(first_before_, lines_without('+')),
                        range(first_after_, lines_without('-')));
    for (const auto& step : hunk_) {
      out_ += step.sign;
      out_ += step.line;
      if (!step.line.ends_with('\n')) out_ += "\n\\ No newline at end of file\n";
    }
    hunk_.clear();
    open_ = false;
  }

  [[nodiscard]] std::size_t lines_without(char sign) const {
    return static_cast<std::size_t>(std::count_if(
        hunk_.begin(), hunk_.end(), [sign](const Step& step) { return step.sign != sign; }));
  }

  const std::vector<Step>& steps_;
  std::string& out_;
  std::vector<Step> hunk_;
  bool open_ = false;
  std::size_t quiet_ = 0;         // unchanged lines at the end of the hunk
  std::size_t before_ = 0;        // lines passed of the text before
  std::size_t after_ = 0;         // and after
  std::size_t first_before_ = 0;  // those that precede the hunk
  std::size_t first_after_ = 0;
};

bool speaks_of_secrets(std::string_view name) {
  static constexpr std::array<std::string_view, 5> words{"key", "token", "secret", "password",
                                                         "authorization"};
  std::string lower;
  for (const char c : name) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

bool is_name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

/// $NAME, {env:NAME} and SOME_NAME say where a secret is, not what it is; a number is none.
bool is_reference(std::string_view value) {
  if (value.starts_with("{env:") || value.starts_with('$')) return true;
  const bool number = value.find_first_not_of("0123456789") == std::string_view::npos;
  const bool name = value.contains('_') && std::all_of(value.begin(), value.end(), [](char c) {
                      return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
                    });
  return number || name;
}

bool is_literal_word(std::string_view value) {
  return value == "true" || value == "false" || value == "null";
}

/// The value behind a name: `at` stands after the name. Begin and length without quotes; 0 long if
/// there is none.
std::pair<std::size_t, std::size_t> value_after(std::string_view text, std::size_t at) {
  const auto skip = [&](std::string_view which) {
    const auto next = text.find_first_not_of(which, at);
    at = next == std::string_view::npos ? text.size() : next;
  };
  skip("\"' \t");
  if (at >= text.size() || (text[at] != ':' && text[at] != '=')) return {at, 0};
  ++at;
  skip(" \t");
  if (at >= text.size()) return {at, 0};
  const char quote = text[at];
  const bool is_quoted = quote == '"' || quote == '\'';
  const auto begin = at + (is_quoted ? 1 : 0);
  auto end = begin;
  const auto ends = [&](char c) {
    return is_quoted ? c == quote || c == '\n' : std::string_view{" \t\r\n,}]"}.contains(c);
  };
  while (end < text.size() && !ends(text[end])) ++end;
  if (!is_quoted && (text[begin] == '{' || text[begin] == '[')) return {begin, 0};
  return {begin, end - begin};
}

}  // namespace

std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view before_name, std::string_view after_name) {
  if (before == after) return "";
  const auto steps = steps_of(lines_of(before), lines_of(after));
  std::string out = fmt::format("--- {}\n+++ {}\n", before_name, after_name);
  HunkWriter{steps, out}.run();
  return out;
}

std::string mask_secrets(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    if (!is_name_char(text[at])) {
      out += text[at++];
      continue;
    }
    auto end = at;
    while (end < text.size() && is_name_char(text[end])) ++end;
    const auto name = text.substr(at, end - at);
    out += name;
    at = end;
    if (!speaks_of_secrets(name)) continue;
    const auto [begin, length] = value_after(text, end);
    const auto value = text.substr(begin, length);
    if (value.empty() || is_reference(value) || is_literal_word(value)) continue;
    out += text.substr(end, begin - end);
    out += value.size() > 8 ? fmt::format("{}…", value.substr(0, 4)) : "…";
    at = begin + length;
  }
  return out;
}

}  // namespace turnpike::app
