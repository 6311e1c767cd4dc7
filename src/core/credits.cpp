#include "turnpike/credits.hpp"

#include <fmt/format.h>

#include <array>

namespace turnpike {
namespace {

constexpr std::int64_t nano_per_credit = 1'000'000'000;

Error not_decimal(std::string_view text, std::string_view why) {
  return gateway_error(400, "bad_amount",
                       fmt::format("{} is not an amount of credits: {}", quoted_for_message(text), why));
}

}  // namespace

Result<Credits> parse_credits(std::string_view decimal) {
  std::string_view rest = decimal;
  const bool negative = !rest.empty() && rest.front() == '-';
  if (negative) rest.remove_prefix(1);
  const std::size_t point = rest.find('.');
  const std::string_view whole = rest.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? "" : rest.substr(point + 1);
  if (whole.empty() || (point != std::string_view::npos && fraction.empty())) {
    return std::unexpected{not_decimal(decimal, "write it like 12 or 0.5")};
  }
  if (fraction.size() > 9) {
    return std::unexpected{not_decimal(decimal, "at most 9 digits may follow the point")};
  }
  std::string digits{whole};
  digits.append(fraction).append(9 - fraction.size(), '0');
  std::int64_t nano = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') {
      return std::unexpected{not_decimal(decimal, "only digits and one point are allowed")};
    }
    if (__builtin_mul_overflow(nano, 10, &nano) || __builtin_add_overflow(nano, digit - '0', &nano)) {
      return std::unexpected{not_decimal(decimal, "the largest amount is 9223372036.854775807")};
    }
  }
  return Credits::from_nano(negative ? -nano : nano);
}

std::string to_string(Credits amount) {
  const std::int64_t nano = amount.nano();
  const auto magnitude = nano < 0 ? 0 - static_cast<std::uint64_t>(nano) : static_cast<std::uint64_t>(nano);
  const auto per_credit = static_cast<std::uint64_t>(nano_per_credit);
  // Digits from the right: nine of the fraction, then the whole part.
  std::array<char, 32> digits{};
  std::size_t at = digits.size();
  std::uint64_t fraction = magnitude % per_credit;
  for (int i = 0; i < 9; ++i, fraction /= 10) digits[--at] = static_cast<char>('0' + fraction % 10);
  digits[--at] = '.';
  std::uint64_t whole = magnitude / per_credit;
  do {
    digits[--at] = static_cast<char>('0' + whole % 10);
    whole /= 10;
  } while (whole > 0);
  if (nano < 0) digits[--at] = '-';
  std::size_t end = digits.size();
  const std::size_t shortest = digits.size() - 7;  // two fractional digits stay
  while (end > shortest && digits[end - 1] == '0') --end;
  return {digits.data() + at, end - at};
}

}  // namespace turnpike
