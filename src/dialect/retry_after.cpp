#include "dialect/retry_after.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace turnpike::dialect {
namespace {

using Seconds = std::chrono::sys_seconds;

std::optional<std::string_view> find(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

/// The first of the field's values that says to wait; else the first that can be read at all.
template <typename Read>
std::optional<RetryDelay> first_wait(const HeaderList& headers, std::string_view name, Read read) {
  std::optional<RetryDelay> found;
  for (const auto& [key, value] : headers) {
    if (key == name) found = first_to_wait(found, read(value));
  }
  return found;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<RetryDelay> delay_of(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return std::nullopt;
  return RetryDelay{static_cast<int>(std::ceil(std::min<double>(seconds, retry_after_max_s)))};
}

/// "Wed, 21 Oct 2026 07:28:00 GMT", the only form that may still be sent.
std::optional<Seconds> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(25) != " GMT") return std::nullopt;
  const auto day = number_of<unsigned>(text.substr(5, 2));
  const auto month = std::ranges::find(months, text.substr(8, 3));
  const auto year = number_of<int>(text.substr(12, 4));
  const auto hour = number_of<int>(text.substr(17, 2));
  const auto minute = number_of<int>(text.substr(20, 2));
  const auto second = number_of<int>(text.substr(23, 2));
  if (!day || month == months.end() || !year || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year{*year},
      std::chrono::month{static_cast<unsigned>(month - months.begin()) + 1},
      std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  return Seconds{std::chrono::sys_days{date}} + std::chrono::hours{*hour} +
         std::chrono::minutes{*minute} + std::chrono::seconds{*second};
}

std::optional<RetryDelay> until(std::string_view date, const HeaderList& headers) {
  const auto target = parse_http_date(date);
  const auto sent = find(headers, "date");
  const auto now = sent ? parse_http_date(*sent) : std::nullopt;
  if (!target || !now) return std::nullopt;
  return delay_of(std::max(0.0, static_cast<double>((*target - *now).count())));
}

}  // namespace

std::optional<RetryDelay> first_to_wait(std::optional<RetryDelay> first,
                                        std::optional<RetryDelay> second) {
  if (!first) return second;
  return first->seconds == 0 && second ? second : first;
}

std::optional<RetryDelay> retry_delay(const HeaderList& headers) {
  const auto in_milliseconds = first_wait(headers, "retry-after-ms", [](std::string_view value) {
    const auto milliseconds = number_of<double>(value);
    return milliseconds ? delay_of(*milliseconds / 1000) : std::nullopt;
  });
  const auto in_seconds = first_wait(headers, "retry-after", [&headers](std::string_view value) {
    const auto seconds = number_of<double>(value);
    return seconds ? delay_of(*seconds) : until(value, headers);
  });
  return first_to_wait(in_milliseconds, in_seconds);
}

std::optional<RetryDelay> parse_duration(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  const auto seconds = number_of<double>(text.substr(0, text.size() - 1));
  return seconds ? delay_of(*seconds) : std::nullopt;
}

}  // namespace turnpike::dialect
