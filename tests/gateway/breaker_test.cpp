#include "gateway/breaker.hpp"

#include <catch2/catch.hpp>

#include "gateway/adaptive_limit.hpp"
#include "gateway/retry_budget.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace std::chrono_literals;

namespace {

const Monotonic start{1h};

/// Asks as a request would: a probe if one is due.
void fail_probe(Breaker& breaker, Monotonic now, std::int64_t percent = 100) {
  breaker.begin_probe(now);
  breaker.failed(now, true, percent);
}

Breaker ejected_at(Monotonic now) {
  Breaker breaker;
  for (int i = 0; i < 5; ++i) breaker.failed(now, false, 100);
  return breaker;
}

}  // namespace

TEST_CASE("five failures in a row eject, four and a success do not", "[breaker]") {
  Breaker breaker;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) breaker.failed(start, false, 100);
    breaker.succeeded(start, false);
  }
  CHECK(breaker.state() == BackendState::ok);
  for (int i = 0; i < 5; ++i) breaker.failed(start, false, 100);
  CHECK(breaker.state() == BackendState::ejected);
  CHECK(breaker.ejections() == 1);
}

TEST_CASE("half of twenty within thirty seconds ejects, half of nineteen does not", "[breaker]") {
  Breaker breaker;
  for (int i = 0; i < 9; ++i) {
    breaker.failed(start, false, 100);
    breaker.succeeded(start, false);
  }
  breaker.failed(start, false, 100);
  CHECK(breaker.state() == BackendState::ok);
  SECTION("the twentieth outcome tells") {
    breaker.failed(start + 29s, false, 100);
    CHECK(breaker.state() == BackendState::ejected);
  }
  SECTION("what is older than the span does not count") {
    breaker.failed(start + 31s, false, 100);
    CHECK(breaker.state() == BackendState::ok);
  }
}

TEST_CASE("answers that nobody can use eject by their share, not by five in a row", "[breaker]") {
  Breaker breaker;
  for (int i = 0; i < 19; ++i) breaker.unusable(start, false, 100);
  CHECK(breaker.state() == BackendState::ok);
  SECTION("a model that gives nothing else is ejected, and its probe may not give it either") {
    breaker.unusable(start, false, 100);
    CHECK(breaker.state() == BackendState::ejected);
    breaker.begin_probe(start + 30s);
    breaker.unusable(start + 30s, true, 100);
    CHECK(breaker.state() == BackendState::ejected);
    CHECK(breaker.ejections() == 2);
  }
  SECTION("among more that are good they do not") {
    for (int i = 0; i < 30; ++i) breaker.succeeded(start, false);
    breaker.unusable(start, false, 100);
    CHECK(breaker.state() == BackendState::ok);
  }
}

TEST_CASE("an ejection lasts 30 s times their number, at most 300 s, and a tenth more or less", "[breaker]") {
  Breaker breaker = ejected_at(start);
  Monotonic now = start;
  for (int ejections = 1; ejections <= 14; ++ejections) {
    CAPTURE(ejections);
    const auto full = std::min(30s * ejections, 300s);
    CHECK_FALSE(breaker.probe_due(now + full - 1ms));
    REQUIRE(breaker.probe_due(now + full));
    now += full;
    fail_probe(breaker, now);
  }
  CHECK(breaker.ejections() == 15);
  Breaker early, late;
  for (int i = 0; i < 5; ++i) early.failed(start, false, 90), late.failed(start, false, 110);
  CHECK(early.probe_due(start + 27s));
  CHECK_FALSE(late.probe_due(start + 32s));
  CHECK(late.probe_due(start + 33s));
}

TEST_CASE("one probe at a time; a success readmits, telling nothing lets the next one probe", "[breaker]") {
  Breaker breaker = ejected_at(start);
  const auto due = start + 30s;
  REQUIRE(breaker.probe_due(due));
  breaker.begin_probe(due);
  CHECK(breaker.state() == BackendState::probing);
  CHECK_FALSE(breaker.probe_due(due));
  CHECK_FALSE(breaker.early_probe_due(due));
  breaker.probe_told_nothing();
  REQUIRE(breaker.probe_due(due));
  breaker.begin_probe(due);
  breaker.succeeded(due, true);
  CHECK(breaker.state() == BackendState::ok);
  CHECK(breaker.probes() == 2);
}

TEST_CASE("what began before the ejection changes nothing of it", "[breaker]") {
  Breaker breaker = ejected_at(start);
  breaker.succeeded(start + 1s, false);
  CHECK(breaker.state() == BackendState::ejected);
  for (int i = 0; i < 20; ++i) breaker.failed(start + 1s, false, 100);
  CHECK(breaker.ejections() == 1);
  CHECK(breaker.probe_due(start + 30s));
}

TEST_CASE("probes before the time are spaced out and do not lengthen the ejection", "[breaker]") {
  Breaker breaker = ejected_at(start);
  CHECK(breaker.early_probe_due(start));
  Monotonic now = start;
  fail_probe(breaker, now);
  for (const auto wait : {1s, 2s, 4s, 8s, 16s}) {
    CAPTURE(wait.count());
    CHECK_FALSE(breaker.early_probe_due(now + wait - 1ms));
    REQUIRE(breaker.early_probe_due(now + wait));
    REQUIRE_FALSE(breaker.probe_due(now + wait));
    now += wait;
    fail_probe(breaker, now);
  }
  CHECK(breaker.ejections() == breaker.probes() + 1);
  CHECK(breaker.probe_due(now + 30s));  // still the first length
}

TEST_CASE("ten good minutes forgive earlier ejections", "[breaker]") {
  Breaker breaker = ejected_at(start);
  fail_probe(breaker, start + 30s);
  const auto well = start + 30s + 60s;
  REQUIRE(breaker.probe_due(well));
  breaker.begin_probe(well);
  breaker.succeeded(well, true);
  const bool long_ago = GENERATE(true, false);
  const auto again = well + (long_ago ? 601s : 599s);
  for (int i = 0; i < 5; ++i) breaker.failed(again, false, 100);
  CHECK(breaker.probe_due(again + 30s) == long_ago);
  CHECK(breaker.probe_due(again + 90s));
}

TEST_CASE("the limit of a key halves on push-back, once for what was in flight, and grows by one an answer", "[limit]") {
  AdaptiveLimit limit{100};
  CHECK(limit.limit() == 100);
  limit.pushed_back(40, start, start + 1s);
  CHECK(limit.limit() == 20);
  for (int i = 0; i < 39; ++i) limit.pushed_back(39 - i, start, start + 1s);  // the rest of the same wave
  CHECK(limit.limit() == 20);
  limit.pushed_back(20, start + 2s, start + 3s);
  CHECK(limit.limit() == 10);
  for (int i = 0; i < 20; ++i) limit.went_well(4);  // the limit is not felt
  CHECK(limit.limit() == 10);
  limit.went_well(5);
  CHECK(limit.limit() == 11);
  for (int i = 0; i < 200; ++i) limit.went_well(100);
  CHECK(limit.limit() == 100);
  for (int i = 1; i < 20; ++i) limit.pushed_back(1, start + i * 10s, start + i * 10s + 1s);
  CHECK(limit.limit() == 1);
}

TEST_CASE("a new maximum holds at once, and leaves a lowered limit lowered", "[limit]") {
  AdaptiveLimit limit{100};
  limit.set_max(200);
  CHECK(limit.limit() == 200);
  limit.pushed_back(60, start, start);
  limit.set_max(500);
  CHECK(limit.limit() == 30);
  limit.set_max(10);
  CHECK(limit.limit() == 10);
}

TEST_CASE("retries are three, or a fifth of what is in flight", "[retry]") {
  RetryBudget budget;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(budget.allows_one_more(i));
    budget.begin();
  }
  CHECK_FALSE(budget.allows_one_more(3));
  CHECK_FALSE(budget.allows_one_more(18));
  CHECK(budget.allows_one_more(19));
  budget.end();
  CHECK(budget.allows_one_more(3));
}
