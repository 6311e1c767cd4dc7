#include "turnpike/credits.hpp"

#include <fmt/format.h>

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
  std::string text = fmt::format("{}{}.{:09}", nano < 0 ? "-" : "", magnitude / per_credit, magnitude % per_credit);
  const std::size_t two_digits = text.find('.') + 3;
  while (text.size() > two_digits && text.back() == '0') text.pop_back();
  return text;
}

}  // namespace turnpike
