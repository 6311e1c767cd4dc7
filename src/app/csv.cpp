#include "app/csv.hpp"

#include <fmt/format.h>

#include <utility>

namespace turnpike::app {
namespace {

class CsvReader {
 public:
  explicit CsvReader(std::string_view bytes) : rest_(bytes) {
    constexpr std::string_view mark = "\xef\xbb\xbf";
    if (rest_.starts_with(mark)) rest_.remove_prefix(mark.size());
  }

  Result<std::vector<CsvRecord>> all() {
    std::vector<CsvRecord> records;
    while (!rest_.empty()) {
      CsvRecord record{line_, {}};
      do {
        auto field = take_field();
        if (!field) return std::unexpected{field.error()};
        record.fields.push_back(std::move(*field));
      } while (take(","));
      if (!rest_.empty() && !take_line_end()) return fault("a field goes on behind its closing quote, or a line ends in a bare CR");
      const bool blank = record.fields.size() == 1 && record.fields.front().empty();
      if (!blank) records.push_back(std::move(record));
    }
    return records;
  }

 private:
  [[nodiscard]] std::unexpected<Error> fault(std::string_view why) const {
    return std::unexpected{client_error("bad_csv", fmt::format("line {} is not CSV: {}", line_, why))};
  }

  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  bool take_line_end() {
    if (!take("\r\n") && !take("\n")) return false;
    ++line_;
    return true;
  }

  Result<std::string> take_field() {
    if (take("\"")) return take_quoted();
    const auto length = std::min(rest_.find_first_of(",\"\r\n"), rest_.size());
    std::string field{rest_.substr(0, length)};
    rest_.remove_prefix(length);
    if (rest_.starts_with('"')) return fault("a quote inside a field that does not begin with one");
    return field;
  }

  Result<std::string> take_quoted() {
    std::string field;
    const int began = line_;
    while (!rest_.empty()) {
      const char next = rest_.front();
      rest_.remove_prefix(1);
      if (next == '"' && !take("\"")) return field;
      if (next == '\n') ++line_;
      field += next;
    }
    line_ = began;
    return fault("a quoted field is not closed");
  }

  std::string_view rest_;
  int line_ = 1;
};

}  // namespace

Result<std::vector<CsvRecord>> read_csv(std::string_view bytes) { return CsvReader{bytes}.all(); }

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (const auto& field : fields) {
    if (&field != &fields.front()) line += ',';
    // A blank at either end is kept by quotes: spreadsheets trim it else.
    const bool quoted = field.find_first_of(",\"\r\n") != std::string::npos || field.starts_with(' ') || field.ends_with(' ');
    if (!quoted) {
      line += field;
      continue;
    }
    line += '"';
    for (const char c : field) line += c == '"' ? std::string{"\"\""} : std::string{c};
    line += '"';
  }
  return line + '\n';
}

}  // namespace turnpike::app
