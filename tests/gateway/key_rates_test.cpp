// Requests and tokens per minute, on a clock that is told.
#include "gateway/key_rates.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <random>

#include "support/fake_clock.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace std::chrono_literals;

namespace {

Account account(std::string id, std::optional<std::int32_t> requests, std::optional<std::int32_t> tokens = std::nullopt) {
  Account made;
  made.key_id = std::move(id);
  made.requests_per_minute = requests;
  made.tokens_per_minute = tokens;
  return made;
}

}  // namespace

TEST_CASE("A minute's worth may be used at once, then it comes back evenly", "[gateway][rates]") {
  test::FakeClock clock;
  KeyRates rates{{}, clock};
  const Account key = account("k", 60);
  for (int i = 0; i < 60; ++i) REQUIRE_FALSE(rates.take_request(key));
  const auto refusal = rates.take_request(key);
  REQUIRE(refusal);
  CHECK(refusal->kind == RateKind::requests);
  CHECK(refusal->limit == 60);
  CHECK(refusal->wait == 1s);
  clock.advance(999'999us);
  CHECK(rates.take_request(key));
  clock.advance(1us);
  CHECK_FALSE(rates.take_request(key));
  CHECK(rates.take_request(key));
  clock.advance(1h);
  for (int i = 0; i < 60; ++i) REQUIRE_FALSE(rates.take_request(key));
  CHECK(rates.take_request(key));
}

TEST_CASE("Keys do not share their rate, keys without a limit have none, and a default is for those", "[gateway][rates]") {
  test::FakeClock clock;
  KeyRates rates{{.requests_per_minute = 2}, clock};
  const Account own = account("own", 1);
  const Account usual = account("usual", std::nullopt);
  CHECK_FALSE(rates.take_request(own));
  CHECK(rates.take_request(own));
  CHECK_FALSE(rates.take_request(usual));
  CHECK_FALSE(rates.take_request(usual));
  CHECK(rates.take_request(usual));
  KeyRates none{{}, clock};
  for (int i = 0; i < 10'000; ++i) REQUIRE_FALSE(none.take_request(usual));
  CHECK(none.remembered() == 0);
}

TEST_CASE("A request that is turned away elsewhere does not count", "[gateway][rates]") {
  test::FakeClock clock;
  KeyRates rates{{}, clock};
  const Account key = account("k", 1);
  CHECK_FALSE(rates.take_request(key));
  rates.give_back_request(key);
  CHECK_FALSE(rates.take_request(key));
  CHECK(rates.take_request(key));
}

TEST_CASE("Tokens are taken by estimate and corrected by what was used", "[gateway][rates]") {
  test::FakeClock clock;
  KeyRates rates{{}, clock};
  const Account key = account("k", std::nullopt, 6000);
  CHECK_FALSE(rates.take_tokens(key, 4000));
  const auto refusal = rates.take_tokens(key, 3000);
  REQUIRE(refusal);
  CHECK(refusal->kind == RateKind::tokens);
  CHECK(refusal->wait == 10s);  // 1000 tokens at 100 a second
  rates.correct_tokens(key, -3000);
  CHECK_FALSE(rates.take_tokens(key, 3000));
  rates.correct_tokens(key, 5000);  // far more than was thought: overdrawn by 3000
  const auto overdrawn = rates.take_request(key);
  REQUIRE(overdrawn);
  CHECK(overdrawn->kind == RateKind::tokens);
  CHECK(std::chrono::ceil<std::chrono::seconds>(overdrawn->wait) == 31s);
  clock.advance(30s);
  CHECK(rates.take_request(key));
  clock.advance(1us);
  CHECK_FALSE(rates.take_request(key));
}

TEST_CASE("What needs more than a minute's worth is let in when the bucket is full, and overdraws for an hour at most",
          "[gateway][rates]") {
  test::FakeClock clock;
  KeyRates rates{{}, clock};
  const Account key = account("k", std::nullopt, 100);
  CHECK_FALSE(rates.take_tokens(key, 1'000'000));
  CHECK(rates.take_tokens(key, 1));
  rates.correct_tokens(key, std::numeric_limits<std::int64_t>::max());
  rates.correct_tokens(key, std::numeric_limits<std::int64_t>::max());
  clock.advance(1h + 1us);
  CHECK_FALSE(rates.take_request(key));
}

TEST_CASE("A key whose buckets are full again is forgotten, so that what is remembered is bounded", "[gateway][rates]") {
  test::FakeClock clock;
  KeyRates rates{{.requests_per_minute = 60}, clock};
  for (int i = 0; i < 100'000; ++i) {
    REQUIRE_FALSE(rates.take_request(account("key" + std::to_string(i), std::nullopt)));
    clock.advance(10ms);  // each is full again a second later
  }
  CHECK(rates.remembered() < 5'000);
}

TEST_CASE("In any stretch of time no more than a minute's worth and what the stretch gains is let in", "[gateway][rates]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random{seed};
  test::FakeClock clock;
  KeyRates rates{{}, clock};
  const std::int32_t limit = 1 + static_cast<std::int32_t>(random() % 500);
  const Account key = account("k", limit);
  std::deque<Monotonic> taken;
  for (int i = 0; i < 20'000; ++i) {
    clock.advance(std::chrono::microseconds{random() % 200'000});
    const auto refusal = rates.take_request(key);
    if (!refusal) taken.push_back(clock.monotonic());
  }
  for (std::size_t from = 0; from < taken.size(); from += 97) {
    for (std::size_t to = from; to < taken.size(); to += 89) {
      const std::chrono::duration<double> stretch = taken[to] - taken[from];
      const double allowed = limit * (1 + stretch.count() / 60);
      REQUIRE(static_cast<double>(to - from + 1) <= allowed + 1);
    }
  }
}

TEST_CASE("Another limit changes how much is left, not how long what was taken is held against the key", "[gateway][rates]") {
  RateBucket bucket;
  const Monotonic now{std::chrono::hours{1}};
  for (int i = 0; i < 5; ++i) REQUIRE_FALSE(bucket.take(1, 5, now));
  CHECK(bucket.take(1, 5, now));
  CHECK_FALSE(bucket.take(1, 1000, now));  // five of a thousand are used
  for (int i = 0; i < 994; ++i) REQUIRE_FALSE(bucket.take(1, 1000, now));
  CHECK(bucket.take(1, 1000, now));
}
