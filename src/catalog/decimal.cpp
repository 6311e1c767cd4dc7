#include "catalog/decimal.hpp"

namespace turnpike::catalog {
namespace {

__extension__ using Wide = __int128;

constexpr int digits_max = 18;  // fits int64 with room for the sign

/// amount x rate x 10^power, if it is a whole number that fits.
std::expected<std::int64_t, std::string> scaled(Decimal amount, Decimal rate, int power) {
  if (amount.mantissa < 0) return std::unexpected{"a price cannot be negative"};
  if (rate.mantissa <= 0) return std::unexpected{"credits per USD must be positive"};
  Wide value = Wide{amount.mantissa} * rate.mantissa;  // below 10^36
  int exponent = power - amount.scale - rate.scale;
  for (; exponent > 0 && value != 0; --exponent) {
    value *= 10;
    if (value > INT64_MAX) return std::unexpected{"the price is too large"};
  }
  for (; exponent < 0; ++exponent) {
    if (value % 10 != 0) return std::unexpected{"the price is not a whole number of pico-credits"};
    value /= 10;
  }
  if (value > INT64_MAX) return std::unexpected{"the price is too large"};
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::optional<Decimal> parse_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  Decimal result;
  bool point = false;
  bool digit_last = false;
  int digits = 0;
  for (const char c : text) {
    if (c == '.' && !point && digit_last) {
      point = true;
      digit_last = false;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    if (result.mantissa != 0 || c != '0') ++digits;
    if (digits > digits_max || result.scale == digits_max) return std::nullopt;
    result.mantissa = result.mantissa * 10 + (c - '0');
    if (point) ++result.scale;
    digit_last = true;
  }
  if (!digit_last) return std::nullopt;
  if (negative) result.mantissa = -result.mantissa;
  return result;
}

// 1 USD per 10^6 tokens is 10^12 pico-USD per 10^6 tokens: 10^6 per token.
std::expected<std::int64_t, std::string> pico_per_token(Decimal usd_per_mtok,
                                                        Decimal credits_per_usd) {
  return scaled(usd_per_mtok, credits_per_usd, 6);
}

std::expected<std::int64_t, std::string> pico_per_request(Decimal usd, Decimal credits_per_usd) {
  return scaled(usd, credits_per_usd, 12);
}

std::expected<std::int64_t, std::string> pico_per_call(Decimal usd_per_1k,
                                                       Decimal credits_per_usd) {
  return scaled(usd_per_1k, credits_per_usd, 9);
}

}  // namespace turnpike::catalog
