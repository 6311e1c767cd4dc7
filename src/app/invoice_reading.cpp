#include "app/invoice_reading.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace turnpike::app {
namespace {

__extension__ using Wide = __int128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<int> take_number(std::string_view& text, std::size_t digits_max) {
  int number = 0;
  std::size_t digits = 0;
  while (digits < digits_max && !text.empty() && is_digit(text.front())) {
    number = number * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++digits;
  }
  return digits == 0 ? std::nullopt : std::optional{number};
}

/// mantissa x 10^exponent, as written.
struct Written {
  Wide mantissa = 0;
  int exponent = 0;
  int decimals = 0;
};

/// "1e-7" behind the mantissa; empty is no exponent.
std::optional<int> read_exponent(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() != 'e' && text.front() != 'E') return std::nullopt;
  text.remove_prefix(1);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto number = take_number(text, 2);
  if (!number || !text.empty()) return std::nullopt;
  return negative ? -*number : *number;
}

std::optional<Written> read_decimal(std::string_view text) {
  Written written;
  bool point = false;
  std::size_t at = 0;
  std::size_t digits = 0;
  for (; at < text.size() && (is_digit(text[at]) || text[at] == ',' || text[at] == '.'); ++at) {
    if (text[at] == ',') continue;
    if (text[at] == '.') {
      if (point) return std::nullopt;
      point = true;
      continue;
    }
    if (++digits > 30) return std::nullopt;  // fits 128 bits; more is no amount of money
    written.mantissa = written.mantissa * 10 + (text[at] - '0');
    if (point) ++written.decimals;
  }
  const auto exponent = read_exponent(text.substr(at));
  if (digits == 0 || !exponent) return std::nullopt;
  written.exponent = *exponent - written.decimals;
  return written;
}

}  // namespace

std::string column_name(std::string_view title) {
  std::string name;
  for (const char raw : title) {
    const auto c = static_cast<unsigned char>(raw);
    if (std::isalnum(c) != 0) {
      name += static_cast<char>(std::tolower(c));
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  if (name.ends_with('_')) name.pop_back();
  return name;
}

InvoiceTable::InvoiceTable(const std::vector<CsvRecord>& records, std::size_t header) : records_(records), header_(header) {
  for (const auto& title : records[header].fields) names_.push_back(column_name(title));
  known_.resize(names_.size());
}

std::size_t InvoiceTable::find(std::initializer_list<std::string_view> names) {
  for (const auto name : names) {
    const auto found = std::ranges::find(names_, name);
    if (found == names_.end()) continue;
    const auto index = static_cast<std::size_t>(found - names_.begin());
    known_[index] = true;
    return index;
  }
  return absent;
}

std::size_t InvoiceTable::need(std::initializer_list<std::string_view> names) {
  const auto index = find(names);
  if (index == absent) missing_.emplace_back(*names.begin());
  return index;
}

Result<void> InvoiceTable::complete(std::string_view form) const {
  if (missing_.empty()) return {};
  return std::unexpected{client_error("bad_invoice", fmt::format("this looks like {}, but the column {} is missing; line {} is its header", form,
                                                                 fmt::join(missing_, ", "), records_[header_].line))};
}

std::vector<std::string> InvoiceTable::ignored() const {
  std::vector<std::string> titles;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!known_[i]) titles.push_back(records_[header_].fields[i]);
  }
  return titles;
}

std::string_view InvoiceTable::cell(std::size_t row, std::size_t column) const {
  const auto& fields = records_[header_ + 1 + row].fields;
  return column < fields.size() ? trimmed(fields[column]) : std::string_view{};
}

std::string_view InvoiceTable::preamble(std::string_view name) const {
  for (std::size_t i = 0; i < header_; ++i) {
    const auto& fields = records_[i].fields;
    if (fields.size() > 1 && column_name(fields[0]) == name) return fields[1];
  }
  return {};
}

std::optional<std::chrono::sys_days> read_day(std::string_view text) {
  text = trimmed(text);
  const auto year = take_number(text, 4);
  const char separator = text.empty() ? '\0' : text.front();
  const bool plain = is_digit(separator);
  if (!plain && separator != '-' && separator != '/') return std::nullopt;
  if (!plain) text.remove_prefix(1);
  const auto month = take_number(text, 2);
  if (!plain) {
    if (!text.starts_with(separator)) return std::nullopt;
    text.remove_prefix(1);
  }
  const auto day = take_number(text, 2);
  if (!year || !month || !day || (!text.empty() && text.front() != 'T' && text.front() != ' ')) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

std::optional<std::int64_t> read_count(std::string_view text) {
  auto written = read_decimal(trimmed(text));
  if (!written) return std::nullopt;
  for (; written->exponent > 0; --written->exponent) {
    if (written->mantissa > INT64_MAX) return std::nullopt;
    written->mantissa *= 10;
  }
  for (; written->exponent < 0; ++written->exponent) {
    if (written->mantissa % 10 != 0) return std::nullopt;
    written->mantissa /= 10;
  }
  if (written->mantissa > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(written->mantissa);
}

std::optional<PicoMoney> read_money(std::string_view text, int* decimals, int power) {
  text = trimmed(text);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.starts_with('$')) text.remove_prefix(1);
  auto written = read_decimal(text);
  if (!written) return std::nullopt;
  constexpr int pico = 12;
  if (decimals != nullptr) *decimals = std::clamp(written->decimals, *decimals, std::max(*decimals, pico));
  int shift = written->exponent + pico + power;
  for (; shift > 0; --shift) {
    if (written->mantissa > INT64_MAX) return std::nullopt;
    written->mantissa *= 10;
  }
  for (; shift < -1; ++shift) written->mantissa /= 10;
  if (shift == -1) written->mantissa = (written->mantissa + 5) / 10;
  if (written->mantissa > INT64_MAX) return std::nullopt;
  const auto amount = static_cast<PicoMoney>(written->mantissa);
  return negative ? -amount : amount;
}

std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? INT64_MAX : INT64_MIN;
}

std::unexpected<Error> bad_cell(const InvoiceTable& table, std::size_t row, std::string_view column, std::string_view cell,
                                std::string_view wanted) {
  return std::unexpected{
      client_error("bad_invoice", fmt::format("line {}: {} is {}, which is no {}", table.line(row), column, quoted_for_message(cell), wanted))};
}

}  // namespace turnpike::app
