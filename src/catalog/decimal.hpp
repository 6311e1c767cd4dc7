// Exact decimals for prices: from the text in a file to whole pico-credits, never through floating
// point.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace turnpike::catalog {

/// mantissa / 10^scale; at most 18 significant digits.
struct Decimal {
  std::int64_t mantissa = 0;
  int scale = 0;
  bool operator==(const Decimal&) const = default;
};

/// digits [ "." digits ], with an optional sign. No exponent, no blanks; more than 18 digits is
/// nullopt.
std::optional<Decimal> parse_decimal(std::string_view text);

/// USD per million tokens, at so many credits per USD, as pico-credits per token. An amount that is
/// negative, too large or not a whole number of pico-credits is refused with the reason, never
/// rounded.
std::expected<std::int64_t, std::string> pico_per_token(Decimal usd_per_mtok,
                                                        Decimal credits_per_usd);

/// USD per request as pico-credits; refuses likewise.
std::expected<std::int64_t, std::string> pico_per_request(Decimal usd, Decimal credits_per_usd);

/// USD per thousand calls as pico-credits per call; refuses likewise.
std::expected<std::int64_t, std::string> pico_per_call(Decimal usd_per_1k, Decimal credits_per_usd);

}  // namespace turnpike::catalog
