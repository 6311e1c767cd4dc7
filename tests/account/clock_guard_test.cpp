// B12: a wall clock that jumps moves no window, until it is believed.
#include "account_fixture.hpp"

#include "account/clock_guard.hpp"

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;
using namespace std::chrono_literals;

TEST_CASE("B12 a wall clock that jumps -1 h, +1 d or +10 y opens no window early",
          "[account][clock]") {
  const auto jump = GENERATE(std::chrono::microseconds{-1h}, std::chrono::microseconds{24h},
                             std::chrono::microseconds{87'660h});
  Fixture f;  // 12:00
  f.set_limit("org:acme", "0.003", WindowKind::day);
  NewKey short_lived;
  short_lived.org = "acme";
  short_lived.expires = f.clock.now() + 12h;
  const auto key = f.ledger->create_key(short_lived).value();
  f.reserve().settle_exact(Usage{.input_fresh = 1000, .output_text = 1000});
  const auto refused = [&] {
    const auto answer = f.ledger->reserve(f.request());
    return !answer && answer.error().code == "budget_exhausted";
  };
  CHECK(refused());
  f.clock.jump(jump);
  CHECK(refused());
  CHECK(f.ledger->figures().clock_frozen);
  CHECK(f.ledger->time() == parse_instant("2026-11-22T12:00:00Z").value());  // prices go by it as well
  f.clock.advance(5min);
  CHECK(refused());
  CHECK(f.ledger->authenticate({{"x-api-key", key.key.reveal()}}));
  CHECK(f.ledger->figures().clock_frozen);

  SECTION("it is set right again") {
    f.clock.jump(-jump);
    CHECK(refused());
    CHECK_FALSE(f.ledger->figures().clock_frozen);
  }
  SECTION("it stays, and is believed after ten minutes") {
    f.clock.advance(5min);
    CHECK(refused() == (jump < 0s));
    CHECK_FALSE(f.ledger->figures().clock_frozen);
    f.clock.advance(36h);
    CHECK_FALSE(refused());  // time goes on, also after a clock that was set back
  }
  SECTION("an operator confirms it") {
    REQUIRE(f.ledger->confirm_clock("ann"));
    CHECK_FALSE(f.ledger->figures().clock_frozen);
    CHECK(refused() == (jump < 0s));
    CHECK(f.ledger->confirm_clock("ann").error().code == "clock_not_frozen");
  }
  SECTION("the day ends while it is frozen") {
    f.clock.jump(-jump);
    CHECK(refused());
    f.clock.advance(11h + 54min);
    CHECK(refused());  // 23:59
    f.clock.jump(jump);
    f.clock.advance(2min);
    CHECK_FALSE(refused());  // by the monotonic clock the next day has begun
    CHECK(f.ledger->figures().clock_frozen);
  }
  f.verify_closed();
}

TEST_CASE("a clock that is set twice has to be steady from the second time on",
          "[account][clock]") {
  ClockGuard guard;
  const auto start = parse_instant("2026-11-22T12:00:00Z").value();
  const auto at = [](std::chrono::nanoseconds since) { return Monotonic{since}; };
  using Change = ClockGuard::Change;
  CHECK(guard.observe(start, at(0s)) == Change::none);
  CHECK(guard.observe(start + 1s + 4min, at(1s)) == Change::none);  // a correction, not a jump
  CHECK(guard.observe(start + 1h, at(60s)) == Change::frozen);
  CHECK(guard.time(start + 1h, at(60s)) == start + 60s);
  CHECK(guard.observe(start + 3h, at(300s)) == Change::none);
  CHECK(guard.observe(start + 3h + 599s, at(899s)) == Change::none);
  CHECK(guard.frozen());
  CHECK(guard.observe(start + 3h + 600s, at(900s)) == Change::released);
  CHECK(guard.time(start + 3h + 600s, at(900s)) == start + 3h + 600s);
}

TEST_CASE("small steps of the wall clock add up to a jump", "[account][clock]") {
  ClockGuard guard;
  const auto start = parse_instant("2026-11-22T12:00:00Z").value();
  using Change = ClockGuard::Change;
  CHECK(guard.observe(start, Monotonic{0s}) == Change::none);
  CHECK(guard.observe(start + 3min, Monotonic{1s}) == Change::none);
  CHECK(guard.observe(start + 6min, Monotonic{2s}) == Change::frozen);
}
