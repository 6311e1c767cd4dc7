// What the readers of invoices share: columns by any of their names, and numbers as spreadsheets write them.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/csv.hpp"
#include "app/invoice.hpp"

namespace turnpike::app {

/// A header and its rows. Names are compared in lower case with everything but letters and digits as '_'.
class InvoiceTable {
 public:
  /// The header is record `header`; what stands before it is the preamble. Borrows the records.
  InvoiceTable(const std::vector<CsvRecord>& records, std::size_t header);

  static constexpr std::size_t absent = SIZE_MAX;
  /// Index of the first column with one of the names, which is thereby known; absent if there is none.
  std::size_t find(std::initializer_list<std::string_view> names);
  /// Likewise; notes the first name as missing.
  std::size_t need(std::initializer_list<std::string_view> names);
  /// Error naming the missing columns, those that need() did not find.
  [[nodiscard]] Result<void> complete(std::string_view form) const;
  [[nodiscard]] std::vector<std::string> ignored() const;

  [[nodiscard]] std::size_t rows() const { return records_.size() - header_ - 1; }
  /// Empty where the column is absent or the record too short.
  [[nodiscard]] std::string_view cell(std::size_t row, std::size_t column) const;
  [[nodiscard]] int line(std::size_t row) const { return records_[header_ + 1 + row].line; }
  /// Second field of the preamble's record with this first field.
  [[nodiscard]] std::string_view preamble(std::string_view name) const;

 private:
  const std::vector<CsvRecord>& records_;
  std::size_t header_;
  std::vector<std::string> names_;
  std::vector<bool> known_;
  std::vector<std::string> missing_;
};

std::string column_name(std::string_view title);

/// "2026-11-22", "2026/9/1", "20261122", or the date of a timestamp.
std::optional<std::chrono::sys_days> read_day(std::string_view text);
/// "1,234", "1234.0"; nothing for anything that is not a whole number from zero.
std::optional<std::int64_t> read_count(std::string_view text);
/// "1.2345", "$1,234.50", "-3", "3.584e-07"; digits beyond the twelfth are rounded to the nearest. `decimals`, if given,
/// becomes the digits written behind the point where those are more. The result is times 10^power, before it is rounded.
/// What `decimals` begins with: no bill is rounded more coarsely.
inline constexpr int decimals_least = 2;
std::optional<PicoMoney> read_money(std::string_view text, int* decimals = nullptr, int power = 0);

/// Stays at the end of the range: a sum that large is refused by nobody and believed by nobody.
std::int64_t saturating_sum(std::int64_t a, std::int64_t b);

std::unexpected<Error> bad_cell(const InvoiceTable& table, std::size_t row, std::string_view column, std::string_view cell, std::string_view wanted);

/// Each vendor's reader takes the header it recognises; nothing if this file is not of its making.
std::optional<Result<Invoice>> read_anthropic_csv(const std::vector<CsvRecord>& records);
std::optional<Result<Invoice>> read_anthropic_json(std::string_view bytes);
std::optional<Result<Invoice>> read_google_csv(const std::vector<CsvRecord>& records);
std::optional<Result<Invoice>> read_deepseek_csv(const std::vector<CsvRecord>& records);

}  // namespace turnpike::app
