#include "turnpike/clock.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace turnpike {
namespace {

Error bad_instant(std::string_view text) {
  return gateway_error(400, "bad_instant",
                       fmt::format("{} is not a date; write 2026-11-22 or 2026-11-22T16:00:00Z",
                                   quoted_for_message(text)));
}

/// Reads exactly `width` digits at the front of `text` and removes them.
bool take_digits(std::string_view& text, std::size_t width, int& number) {
  if (text.size() < width) return false;
  number = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return true;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

bool take_fraction(std::string_view& text, std::chrono::microseconds& fraction) {
  if (!take(text, '.')) return true;
  std::int64_t micros = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 6) micros = micros * 10 + (text.front() - '0');
    ++digits;
    text.remove_prefix(1);
  }
  for (int i = digits; i < 6; ++i) micros *= 10;
  fraction = std::chrono::microseconds{micros};
  return digits > 0;
}

/// Writes `number` in `width` digits at `at`; called for every log line, so no formatter.
void put_digits(std::string& text, std::size_t at, std::size_t width, std::int64_t number) {
  for (std::size_t i = at + width; i-- > at; number /= 10) text[i] = static_cast<char>('0' + number % 10);
}

bool take_offset(std::string_view& text, std::chrono::minutes& offset) {
  if (take(text, 'Z') || take(text, 'z')) return text.empty();
  const bool east = !text.empty() && text.front() == '+';
  if (!take(text, '+') && !take(text, '-')) return false;
  int hours = 0;
  int minutes = 0;
  if (!take_digits(text, 2, hours) || !take(text, ':') || !take_digits(text, 2, minutes)) return false;
  offset = std::chrono::minutes{(hours * 60 + minutes) * (east ? 1 : -1)};
  return text.empty();
}

}  // namespace

Instant SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Monotonic SystemClock::monotonic() const { return std::chrono::steady_clock::now(); }

std::string to_rfc3339(Instant instant) {
  const auto days = std::chrono::floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date{days};
  const std::chrono::hh_mm_ss time{instant - days};
  std::string text = "0000-00-00T00:00:00";
  put_digits(text, 0, 4, static_cast<int>(date.year()));
  put_digits(text, 5, 2, static_cast<unsigned>(date.month()));
  put_digits(text, 8, 2, static_cast<unsigned>(date.day()));
  put_digits(text, 11, 2, time.hours().count());
  put_digits(text, 14, 2, time.minutes().count());
  put_digits(text, 17, 2, time.seconds().count());
  if (time.subseconds().count() != 0) {
    text += ".000000";
    put_digits(text, 20, 6, time.subseconds().count());
  }
  return text + "Z";
}

Result<Instant> parse_instant(std::string_view text) {
  std::string_view rest = text;
  int year = 0;
  int month = 0;
  int day = 0;
  if (!take_digits(rest, 4, year) || !take(rest, '-') || !take_digits(rest, 2, month) || !take(rest, '-') ||
      !take_digits(rest, 2, day)) {
    return std::unexpected{bad_instant(text)};
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::unexpected{bad_instant(text)};
  const Instant midnight = std::chrono::sys_days{date};
  if (rest.empty()) return midnight;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::chrono::microseconds fraction{0};
  std::chrono::minutes offset{0};
  if ((!take(rest, 'T') && !take(rest, ' ')) || !take_digits(rest, 2, hour) || !take(rest, ':') ||
      !take_digits(rest, 2, minute) || !take(rest, ':') || !take_digits(rest, 2, second) ||
      !take_fraction(rest, fraction) || !take_offset(rest, offset) || hour > 23 || minute > 59 || second > 60) {
    return std::unexpected{bad_instant(text)};
  }
  return midnight + std::chrono::hours{hour} + std::chrono::minutes{minute} + std::chrono::seconds{second} +
         fraction - offset;
}

}  // namespace turnpike
