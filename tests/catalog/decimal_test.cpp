#include "catalog/decimal.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>

using namespace turnpike::catalog;

TEST_CASE("a decimal is read exactly or not at all", "[catalog][decimal]") {
  CHECK(parse_decimal("0.15") == Decimal{15, 2});
  CHECK(parse_decimal("12") == Decimal{12, 0});
  CHECK(parse_decimal("-3.250") == Decimal{-3250, 3});
  CHECK(parse_decimal("999999999999999999") == Decimal{999999999999999999, 0});
  for (const auto* text : {"", "-", ".5", "5.", "1e3", "1 ", " 1", "1.2.3", "0x1", "1_000", "nan",
                           "1,5", "1000000000000000000000", "0.0000000000000000001"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_decimal(text));
  }
}

TEST_CASE("a price becomes whole pico-credits or is refused", "[catalog][decimal]") {
  const Decimal one{1, 0};
  CHECK(pico_per_token({15, 2}, one) == 150'000);
  CHECK(pico_per_token({3, 3}, one) == 3'000);
  CHECK(pico_per_token({0, 0}, one) == 0);
  CHECK(pico_per_token({15, 2}, {100, 0}) == 15'000'000);  // a credit is a cent
  CHECK(pico_per_token({15, 2}, {5, 1}) == 75'000);
  CHECK(pico_per_request({5, 3}, one) == 5'000'000'000);
  CHECK_FALSE(pico_per_token({1, 7}, one));  // a tenth of a pico-credit
  CHECK_FALSE(pico_per_token({-1, 0}, one));
  CHECK_FALSE(pico_per_token({1, 0}, {0, 0}));
  CHECK_FALSE(pico_per_token({999999999999999999, 0}, one));
}

TEST_CASE("a hundred thousand random prices agree with integer arithmetic", "[catalog][decimal]") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  std::uint64_t wrong = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto pico = std::uniform_int_distribution<std::int64_t>{0, 1'000'000'000'000}(random);
    // The oracle writes the price with integers: micro-dollars per million tokens are pico-dollars
    // per token.
    const auto whole = std::to_string(pico / 1'000'000);
    auto fraction = std::to_string(pico % 1'000'000);
    fraction.insert(0, 6 - fraction.size(), '0');
    const auto decimal = parse_decimal(whole + "." + fraction);
    if (!decimal || pico_per_token(*decimal, {1, 0}) != pico) ++wrong;
    const auto trimmed = parse_decimal(std::to_string(pico));
    if (!trimmed || pico_per_token(*trimmed, {1, 6}) != pico) ++wrong;
  }
  CHECK(wrong == 0);
}
