#include "turnpike/credits.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "turnpike/clock.hpp"
#include "turnpike/ids.hpp"
#include "turnpike/secret.hpp"
#include "turnpike/usage.hpp"

using namespace turnpike;

TEST_CASE("credits are read and written exactly, never rounded", "[core][credits]") {
  CHECK(parse_credits("12")->nano() == 12'000'000'000);
  CHECK(parse_credits("0.000000001")->nano() == 1);
  CHECK(parse_credits("-3.25")->nano() == -3'250'000'000);
  CHECK(parse_credits("9223372036.854775807")->nano() == INT64_MAX);
  for (const char* wrong : {"", "-", ".5", "5.", "1e3", "0.0000000001", "1,5", "9223372036.854775808", "+1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_credits(wrong));
  }
  CHECK(to_string(Credits::from_nano(500'000'000'000)) == "500.00");
  CHECK(to_string(Credits::from_nano(1)) == "0.000000001");
  CHECK(to_string(Credits::from_nano(-1'500'000'000)) == "-1.50");
  CHECK(to_string(Credits::min()) == "-9223372036.854775808");
  CHECK(Credits::max() + Credits::from_nano(1) == Credits::max());
  CHECK(Credits::min() - Credits::from_nano(1) == Credits::min());
}

TEST_CASE("a charge is the exact sum rounded up once", "[core][usage]") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  std::uniform_int_distribution<std::int64_t> count{0, 2'000'000};
  std::uniform_int_distribution<std::int64_t> price{0, 60'000'000};
  for (int i = 0; i < 100'000; ++i) {
    const Rates rates{price(random), price(random), price(random), price(random), price(random), 0};
    const Usage usage{count(random), count(random), count(random), count(random), count(random), count(random)};
    // The oracle works per class in two 64-bit halves: whole nano-credits and the pico rest.
    std::int64_t nano = 0;
    std::int64_t pico = 0;
    const auto add = [&](std::int64_t tokens, std::int64_t rate) {
      nano += tokens * (rate / 1000);
      pico += tokens * (rate % 1000);
    };
    add(usage.input_fresh, rates.input);
    add(usage.input_cache_read, rates.cache_read);
    add(usage.input_cache_write_5m, rates.cache_write_5m);
    add(usage.input_cache_write_1h, rates.cache_write_1h);
    add(usage.output_text, rates.output);
    add(usage.output_reasoning, rates.output);
    REQUIRE(charge(rates, usage)->nano() == nano + (pico + 999) / 1000);
  }
}

TEST_CASE("overflow and negative counts are errors, never a wrapped amount", "[core][usage]") {
  Rates rates;
  rates.output = INT64_MAX;
  Usage usage;
  usage.output_text = INT64_MAX;
  CHECK_FALSE(charge(rates, usage));
  usage.output_text = -1;
  CHECK_FALSE(charge(rates, usage));
  PriceQuote quote;
  CHECK_FALSE(charge_bound(quote, -1, 0));
}

TEST_CASE("a bound uses the dearest input class of the ceiling", "[core][usage]") {
  PriceQuote quote;
  quote.ceiling = {100'000, 1'000, 250'000, 200'000, 600'000, 5};
  CHECK(charge_bound(quote, 10, 2)->nano() == (10 * 250'000 + 2 * 600'000 + 5 + 999) / 1000);
  quote.ceiling.cache_write_1h = 400'000;
  CHECK(charge_bound(quote, 10, 0)->nano() == 4'001);
  CHECK(charge_bound(quote, 10, 0, {}, InputClasses::no_hour_cache)->nano() == 2'501);
}

TEST_CASE("calls of server tools are charged one by one, in the bound too", "[core][usage]") {
  Rates rates{1'000, 0, 0, 0, 2'000, 0};
  rates.items[static_cast<std::size_t>(ServerTool::web_search)] = 10'000'000'000;  // 10 a thousand
  Usage usage;
  usage.input_fresh = 10;
  usage.items[static_cast<std::size_t>(ServerTool::web_search)] = 3;
  CHECK(charge(rates, usage)->nano() == 10 + 30'000'000);
  PriceQuote quote;
  quote.ceiling = rates;
  CHECK(charge_bound(quote, 10, 0, usage.items)->nano() == 10 + 30'000'000);
  usage.items[0] = -1;
  CHECK(any_negative(usage));
  CHECK_FALSE(charge(rates, usage));
}

TEST_CASE("the prompt's size selects the price tier of the whole request", "[core][usage]") {
  PriceQuote quote;
  quote.tier_count = 2;
  quote.tiers[0].rates.input = 1000;
  quote.tiers[1].prompt_tokens_above = 100;
  quote.tiers[1].rates.input = 5000;
  Usage usage;
  usage.input_fresh = 100;
  CHECK(charge(quote, usage)->nano() == 100);
  usage.input_cache_read = 1;
  CHECK(charge(quote, usage)->nano() == 500);
}

TEST_CASE("instants are read and written in RFC 3339", "[core][clock]") {
  CHECK(to_rfc3339(*parse_instant("2026-11-22")) == "2026-11-22T00:00:00Z");
  CHECK(to_rfc3339(*parse_instant("2026-11-22T18:30:00+02:00")) == "2026-11-22T16:30:00Z");
  CHECK(to_rfc3339(*parse_instant("2026-11-22T16:00:00.25Z")) == "2026-11-22T16:00:00.250000Z");
  for (const char* wrong : {"", "2026", "2026-13-01", "2026-02-30", "2026-11-22T25:00:00Z", "2026-11-22T10:00:00", "x"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_instant(wrong));
  }
}

TEST_CASE("ids sort by time and do not repeat", "[core][ids]") {
  SystemRandomness randomness;
  const Instant now = *parse_instant("2026-11-22");
  const std::string first = make_id(now, randomness);
  CHECK(first.size() == 26);
  CHECK(first != make_id(now, randomness));
  CHECK(first.substr(0, 10) < make_id(now + std::chrono::milliseconds{1}, randomness).substr(0, 10));
}

TEST_CASE("client text in messages is escaped and bounded", "[core][error]") {
  CHECK(quoted_for_message("gpt\n4\"") == R"("gpt\x0a4\"")");
  CHECK(quoted_for_message(std::string(100'000, 'x')).size() <= 256);
  CHECK(Secret{"canary"}.fingerprint().size() == 8);
}
