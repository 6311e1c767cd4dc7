// Money. One credit is 1 USD unless configured otherwise; inside, amounts are whole nano-credits and
// prices are whole pico-credits per token, so that sums never drift. No floating point anywhere.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "turnpike/error.hpp"

namespace turnpike {

/// An amount of credits, in nano-credits (10^-9). A plain value; negative amounts are allowed and mean a debt.
class Credits {
 public:
  constexpr Credits() = default;
  static constexpr Credits from_nano(std::int64_t nano) { return Credits{nano}; }
  [[nodiscard]] constexpr std::int64_t nano() const { return nano_; }

  constexpr auto operator<=>(const Credits&) const = default;
  constexpr Credits operator-() const { return Credits{-nano_}; }
  /// Sums saturate at the ends of int64 rather than wrap: a balance that large refuses admission anyway.
  friend constexpr Credits operator+(Credits a, Credits b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a.nano_, b.nano_, &sum)) return a.nano_ > 0 ? max() : min();
    return Credits{sum};
  }
  friend constexpr Credits operator-(Credits a, Credits b) {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(a.nano_, b.nano_, &difference)) return a.nano_ > 0 ? max() : min();
    return Credits{difference};
  }
  constexpr Credits& operator+=(Credits other) { return *this = *this + other; }
  constexpr Credits& operator-=(Credits other) { return *this = *this - other; }
  static constexpr Credits max() { return Credits{INT64_MAX}; }
  static constexpr Credits min() { return Credits{INT64_MIN}; }

 private:
  constexpr explicit Credits(std::int64_t nano) : nano_(nano) {}
  std::int64_t nano_ = 0;
};

/// Reads a decimal such as "12", "0.5" or "-3.25"; more than 9 fractional digits is an error, never rounded.
Result<Credits> parse_credits(std::string_view decimal);

/// The shortest exact decimal with at least two fractional digits: "500.00", "0.000000001".
std::string to_string(Credits amount);

}  // namespace turnpike
