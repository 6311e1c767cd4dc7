// Soft limits: each action is taken once per crossing, however use swings around its threshold.
#include "account_fixture.hpp"

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;

namespace {

std::int64_t crossings(const Fixture& f, Pressure level) {
  return f.ledger->figures().pressure_crossings.at(static_cast<std::size_t>(level));
}

}  // namespace

TEST_CASE("B15: an action is taken once, through 1,000 oscillations above its release",
          "[account][ledger]") {
  Fixture f;
  f.set_limit("team:acme/search", "0.100");
  const auto use = [&](std::int64_t tokens) { return f.reserve(tokens, 0); };  // 1,000 nano a token
  const auto look = [&] { return f.ledger->admit(f.account).value().pressure; };
  const auto base = use(86'000);  // above 85, where prefer_cheap is released
  REQUIRE(look() == Pressure::notify);
  for (int i = 0; i < 1000; ++i) {
    auto swing = use(4000 + i % 3);
    REQUIRE(look() == Pressure::prefer_cheap);
    swing.settle_void("test");
    REQUIRE(look() == Pressure::prefer_cheap);
  }
  CHECK(crossings(f, Pressure::notify) == 1);
  CHECK(crossings(f, Pressure::prefer_cheap) == 1);
  CHECK(crossings(f, Pressure::cheap_only) == 0);
}

TEST_CASE("B15: five points lower an action is released, and the next crossing takes it again",
          "[account][ledger]") {
  Fixture f;
  f.set_limit("team:acme/search", "0.100");
  const auto look = [&] { return f.ledger->admit(f.account).value().pressure; };
  const auto base = f.reserve(80'000, 0);
  REQUIRE(look() == Pressure::notify);
  for (int i = 0; i < 1000; ++i) {
    auto swing = f.reserve(10'000, 0);
    REQUIRE(look() == Pressure::prefer_cheap);
    swing.settle_void("test");
    auto still = f.reserve(5000, 0);  // 85: kept
    REQUIRE(look() == Pressure::prefer_cheap);
    still.settle_void("test");
    auto below = f.reserve(4999, 0);
    REQUIRE(look() == Pressure::notify);
    below.settle_void("test");
  }
  CHECK(crossings(f, Pressure::notify) == 1);
  CHECK(crossings(f, Pressure::prefer_cheap) == 1000);
}
