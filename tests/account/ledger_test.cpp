// Reserving and settling: what is admitted, what is booked, and to which window.
#include "account_fixture.hpp"

#include <algorithm>
#include <thread>

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;

__extension__ using Wide = __int128;

TEST_CASE("an exact settlement books usage times price and gives the rest back",
          "[account][ledger]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  auto reservation = f.reserve(1000, 1000);
  CHECK(reservation.held() == nano(3'000'000));
  CHECK(f.window("org:acme").reserved == nano(3'000'000));
  CHECK(reservation.dispatch().attempt_id() == "01JDAAAAAAAAAAAAAAAAAAAAAA.1");
  const auto settled = reservation.settle_exact(used(700, 20));
  CHECK(settled.settlement == Settlement::settle_exact);
  CHECK(settled.cost == nano(740'000));
  CHECK(settled.overrun == Credits{});
  CHECK(f.window("org:acme").reserved == Credits{});
  CHECK(f.window("org:acme").settled == nano(740'000));
  CHECK(f.verify_closed().settled == nano(740'000));
}

TEST_CASE("a reserve charges every budget on the path or none", "[account][ledger]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  f.set_limit("team:acme/search", "1.00");
  f.set_limit("user:acme/alice", "0.004");
  f.set_limit("key:k1", "1.00");
  f.set_limit("key:other", "0.00");
  auto held = f.reserve(1000, 1000);
  for (const auto* budget : {"org:acme", "team:acme/search", "user:acme/alice", "key:k1"}) {
    CHECK(f.window(budget).reserved == nano(3'000'000));
  }
  CHECK(f.window("key:other").reserved == Credits{});
  const auto refused = f.ledger->reserve(f.request(1000, 1000));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "budget_contended");
  CHECK(refused.error().message.find("user:acme/alice") != std::string::npos);
  for (const auto* budget : {"org:acme", "team:acme/search", "user:acme/alice", "key:k1"}) {
    CHECK(f.window(budget).reserved == nano(3'000'000));
  }
  held.settle_void("not_connected");
  f.verify_closed();
}

TEST_CASE("refusals say whether waiting helps, which budget, and when it refills",
          "[account][ledger]") {
  Fixture f;
  f.set_limit("key:k1", "0.006");
  SECTION("only reservations are in the way: 429, retry") {
    auto one = f.reserve();
    auto two = f.reserve();
    const auto refused = f.ledger->reserve(f.request());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().http_status == 429);
    CHECK(refused.error().code == "budget_contended");
    CHECK(refused.error().retry_after_s == 1);
    CHECK(refused.error().should_retry == true);
  }
  SECTION("settled amounts leave too little: 402, do not retry") {
    f.reserve().settle_exact(used(1000, 1000));
    f.reserve().settle_exact(used(1000, 1000));
    const auto refused = f.ledger->reserve(f.request());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().http_status == 402);
    CHECK(refused.error().code == "budget_exhausted");
    CHECK(refused.error().should_retry == false);
    CHECK(refused.error().message ==
          "budget key:k1 is spent for this month (0.006 of 0.006 credits); it refills "
          "2026-12-01T00:00:00Z");
    const auto admitted = f.ledger->admit(f.account);
    REQUIRE_FALSE(admitted);
    CHECK(admitted.error().code == "budget_exhausted");
  }
  SECTION("the request alone is above the limit: 402") {
    const auto refused = f.ledger->reserve(f.request(10'000, 1000));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "budget_exhausted");
    CHECK(refused.error().message.find("this request may cost up to 0.012 credits") == 0);
  }
  SECTION("figures of wider budgets are not told") {
    f.set_limit("org:acme", "0.001");
    const auto refused = f.ledger->reserve(f.request());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("org:acme") != std::string::npos);
    CHECK(refused.error().message.find("0.001") == std::string::npos);
  }
}

TEST_CASE("B1: 2,000 parallel requests on a budget for 100 admit exactly 100, 20 times",
          "[account][ledger]") {
  for (int repeat = 0; repeat < 20; ++repeat) {
    Fixture f;
    f.set_limit("org:acme", "0.300");  // 100 x 3,000,000 nano-credits
    std::atomic<int> admitted{0};
    std::atomic<int> contended{0};
    std::atomic<int> exhausted{0};
    const auto work = [&] {
      std::vector<Reservation> held;
      for (int i = 0; i < 250; ++i) {
        auto reservation = f.ledger->reserve(f.request());
        if (reservation) {
          ++admitted;
          (void)reservation->dispatch();
          held.push_back(*std::move(reservation));
          if (held.size() % 2 == 0) held.back().settle_exact(used(1000, 1000));
        } else if (reservation.error().code == "budget_contended") {
          ++contended;
        } else if (reservation.error().code == "budget_exhausted") {
          ++exhausted;
        }
      }
      for (auto& reservation : held) {
        if (reservation.open()) reservation.settle_exact(used(1000, 1000));
      }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back(work);
    for (auto& thread : threads) thread.join();
    REQUIRE(admitted == 100);
    REQUIRE(admitted + contended + exhausted == 2000);
    REQUIRE(f.window("org:acme").settled == nano(300'000'000));
    REQUIRE(f.window("org:acme").reserved == Credits{});
    REQUIRE(f.verify_closed().attempts == 100);
  }
}

TEST_CASE("B2: no level of the tree is ever above its limit and hardly any room is wasted",
          "[account][ledger]") {
  Fixture f;
  f.set_limit("org:acme", "0.300");
  f.set_limit("team:acme/search", "0.180");
  f.set_limit("team:acme/ads", "0.180");
  for (const auto* key : {"key:a", "key:b", "key:c", "key:d"}) f.set_limit(key, "0.090");
  std::atomic<int> admitted{0};
  const auto work = [&](int index) {
    auto account = f.account;
    account.key_id = std::string(1, static_cast<char>('a' + index % 4));
    account.team = index % 4 < 2 ? "search" : "ads";
    for (int i = 0; i < 250; ++i) {
      auto request = f.request();
      request.account = &account;
      if (auto reservation = f.ledger->reserve(request)) {
        ++admitted;
        reservation->settle_exact(used(1000, 1000));
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work, i);
  for (auto& thread : threads) thread.join();
  CHECK(admitted >= 95);
  CHECK(admitted <= 100);
  f.verify_closed();  // I1 at every position
}

TEST_CASE("B3: every way an attempt can end leaves nothing reserved", "[account][ledger]") {
  Fixture f;
  f.set_limit("org:acme", "1000.00");
  std::mt19937_64 random{7};
  std::int64_t expected = 0;
  constexpr int attempts = 20'000;
  for (int i = 0; i < attempts; ++i) {
    auto request = f.request(static_cast<std::int64_t>(random() % 2000),
                             static_cast<std::int64_t>(1 + random() % 2000));
    request.streaming = random() % 2 == 0;
    auto reservation = f.ledger->reserve(request);
    REQUIRE(reservation);
    const auto held = reservation->held().nano();
    const auto usage = used(static_cast<std::int64_t>(random() % 3000),
                            static_cast<std::int64_t>(random() % 3000));
    const auto way = random() % 7;
    if (way != 0) (void)reservation->dispatch();
    if (way == 1) expected += reservation->settle_exact(usage).cost.nano();
    if (way == 2) expected += reservation->settle_estimated(usage, "stream_truncated").cost.nano();
    if (way == 3) reservation->settle_void("not_connected");
    if (way == 4) expected += reservation->settle_at_reservation("timed_out").cost.nano();
    if (way == 5) reservation->observe(300, Monotonic{std::chrono::seconds{i}});
    if (way == 5 || way == 6) {  // dropped after dispatch
      const auto seen = way == 5 ? 300 : 0;
      expected += request.streaming ? request.prompt_tokens_estimate * 1000 + seen * 2000 : held;
    }
  }
  CHECK(f.window("org:acme").reserved == Credits{});
  CHECK(f.window("org:acme").settled == nano(expected));
  CHECK(f.ledger->figures().attempts_open == 0);
  CHECK(f.ledger->figures().reserved == Credits{});
  const auto live = f.ledger->verify();
  REQUIRE(live);
  CHECK(live->ok());
  CHECK(live->settled == nano(expected));
  const auto report = f.verify_closed();
  CHECK(report.attempts == attempts);
  CHECK(report.settled == nano(expected));
}

TEST_CASE("an end that is repeated changes nothing, one that differs is refused and counted",
          "[account][reservation]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  auto reservation = f.reserve();
  (void)reservation.dispatch();
  const auto first = reservation.settle_exact(used(100, 10));
  CHECK(reservation.settle_exact(used(100, 10)).cost == first.cost);
  CHECK(f.ledger->figures().conflicts == 0);
  CHECK(reservation.settle_exact(used(200, 10)).cost == first.cost);
  CHECK(reservation.settle_void("late").cost == first.cost);
  CHECK(f.ledger->figures().conflicts == 2);
  CHECK(f.window("org:acme").settled == first.cost);
  f.verify_closed();
}

TEST_CASE("B5: missing usage is estimated and flagged with its cause", "[account][reservation]") {
  Fixture f;
  auto reservation = f.reserve();
  (void)reservation.dispatch();
  const auto settled = reservation.settle_estimated(used(500, 40), "stream_truncated");
  CHECK(settled.settlement == Settlement::settle_estimated);
  CHECK(settled.cause == "stream_truncated");
  CHECK(settled.cost == nano(580'000));
  CHECK(f.ledger->figures().estimated == 1);
}

TEST_CASE("B6: implausible usage is booked at the reservation and raises an alarm",
          "[account][reservation]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  auto request = f.request();
  request.context_tokens = 3000;
  const auto usage =
      GENERATE(used(-1, 5), used(INT64_MAX, INT64_MAX), used(2000, 1001), used(12'000'001, 0));
  auto reservation = f.ledger->reserve(request);
  REQUIRE(reservation);
  (void)reservation->dispatch();
  const auto settled = reservation->settle_exact(usage);
  CHECK(settled.implausible);
  CHECK(settled.settlement == Settlement::settle_estimated);
  CHECK(settled.cost == nano(3'000'000));
  CHECK(f.ledger->figures().implausible == 1);
  f.verify_closed();
}

TEST_CASE("B7: usage above the reservation is an overrun of its own and blocks admission",
          "[account][reservation]") {
  Fixture f;
  f.set_limit("org:acme", "0.005");
  auto reservation = f.reserve();
  (void)reservation.dispatch();
  const auto settled = reservation.settle_exact(used(2000, 2000));
  CHECK(settled.settlement == Settlement::settle_exact);
  CHECK(settled.cost == nano(6'000'000));
  CHECK(settled.overrun == nano(3'000'000));
  CHECK(f.ledger->figures().overruns == 1);
  CHECK(f.window("org:acme").settled == nano(6'000'000));
  CHECK_FALSE(f.ledger->admit(f.account));
  CHECK_FALSE(f.ledger->reserve(f.request(1, 1)));
  CHECK(f.verify_closed().overruns == 1);
}

TEST_CASE("B8: a price is pinned at admission, whatever is loaded meanwhile",
          "[account][reservation]") {
  Fixture f;
  auto before = f.reserve();
  f.quote.price_id = "acme/plain@2026-11-22";
  f.quote.tiers[0].rates = rates(2'000'000, 4'000'000);
  f.quote.ceiling = f.quote.tiers[0].rates;
  auto after = f.reserve();
  CHECK(before.settle_exact(used(100, 100)).cost == nano(300'000));
  CHECK(after.settle_exact(used(100, 100)).cost == nano(600'000));
  SpendQuery query;
  query.group_by = {SpendBy::price};
  const auto rows = f.ledger->spend(query);
  REQUIRE(rows);
  REQUIRE(rows->size() == 2);
  CHECK(rows->at(0).group.at(0) == "acme/plain@2026-01-01");
  CHECK(rows->at(0).cost == nano(300'000));
  CHECK(rows->at(1).cost == nano(600'000));
  f.verify_closed();
}

TEST_CASE("B10: a charge belongs to the month of its admission, also over the month's end",
          "[account][ledger]") {
  Fixture f;
  f.clock.set("2026-11-30T23:59:59Z");
  f.set_limit("org:acme", "0.006");
  auto november = f.reserve();
  f.clock.set("2026-12-01T00:00:00Z");
  CHECK(f.window("org:acme").reserved == Credits{});  // December begins empty
  auto december = f.reserve();
  auto december_too = f.reserve();
  CHECK_FALSE(f.ledger->reserve(f.request()));
  november.settle_exact(used(1000, 1000));
  CHECK(f.window("org:acme").settled == Credits{});
  CHECK(f.window("org:acme").reserved == nano(6'000'000));
  december.settle_exact(used(1000, 500));
  CHECK(f.window("org:acme").settled == nano(2'000'000));
  december_too.settle_void("not_connected");
  CHECK(f.window("org:acme").start == parse_instant("2026-12-01").value());
  f.verify_closed();
}

TEST_CASE("B12: a wall clock that goes back opens no second window", "[account][ledger]") {
  Fixture f;
  f.clock.set("2026-12-01T00:30:00Z");
  f.set_limit("org:acme", "0.004", WindowKind::day);
  f.reserve().settle_exact(used(1000, 1000));
  f.clock.set("2026-11-30T23:30:00Z");
  const auto refused = f.ledger->reserve(f.request());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "budget_exhausted");
  f.verify_closed();
}

TEST_CASE("B14: a limit may be lowered, raised, lifted and set again while requests run",
          "[account][ledger]") {
  Fixture f;
  std::atomic<bool> stop{false};
  const auto work = [&] {
    while (!stop) {
      if (auto reservation = f.ledger->reserve(f.request())) reservation->settle_exact(used(10, 1));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work);
  BudgetSettings lifted;
  lifted.budget = "org:acme";
  for (int round = 0; round < 40; ++round) {
    f.set_limit("org:acme", "0.003");
    f.set_limit("org:acme", "1000.00");
    REQUIRE(f.ledger->set_budget(lifted));
    f.set_limit("org:acme", "0.009", WindowKind::day);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  f.verify_closed();
}

TEST_CASE("B16: without a client's maximum the affordable one is reserved, to the token",
          "[account][ledger]") {
  Fixture f;
  f.set_limit("org:acme", "0.010");
  auto request = f.request(1000, 100'000);
  request.client_gave_max = false;
  SECTION("it is the oracle's") {
    auto reservation = f.ledger->reserve(request);
    REQUIRE(reservation);
    CHECK(reservation->output_tokens_cap() == 4500);  // (10,000,000 - 1,000 x 1,000) / 2,000
    CHECK(reservation->held() == nano(10'000'000));
  }
  SECTION("shared by all choices") {
    request.choices = 3;
    auto reservation = f.ledger->reserve(request);
    REQUIRE(reservation);
    CHECK(reservation->output_tokens_cap() == 1500);
  }
  SECTION("below 1,024 tokens it is not worth sending") {
    request.prompt_tokens_bound = 8000;
    CHECK_FALSE(f.ledger->reserve(request));
  }
  SECTION("a maximum the client gave is never lowered") {
    request.client_gave_max = true;
    CHECK_FALSE(f.ledger->reserve(request));
  }
  SECTION("nothing is written where the full maximum fits") {
    request.output_tokens_max = 2000;
    auto reservation = f.ledger->reserve(request);
    REQUIRE(reservation);
    CHECK_FALSE(reservation->output_tokens_cap());
  }
}

TEST_CASE("bounds per key: cost of one request, requests at once, kill switch",
          "[account][ledger]") {
  Fixture f;
  SECTION("cost") {
    f.account.request_cost_max = nano(2'999'999);
    const auto refused = f.ledger->reserve(f.request());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().http_status == 402);
    CHECK(refused.error().code == "request_cost_exceeded");
  }
  SECTION("at once") {
    f.account.concurrency_max = 2;
    auto one = f.reserve();
    auto two = f.reserve();
    const auto refused = f.ledger->admit(f.account);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().http_status == 429);
    CHECK(refused.error().code == "concurrency_exceeded");
    one.settle_void("test");
    CHECK(f.ledger->admit(f.account));
  }
  SECTION("at once, by the default for keys without a bound") {
    f.ledger.reset();
    f.options.key_concurrency_max = 1;
    f.open();
    auto one = f.reserve();
    CHECK(f.ledger->admit(f.account).error().code == "concurrency_exceeded");
    f.account.concurrency_max = 2;
    CHECK(f.ledger->admit(f.account));
  }
  SECTION("at once below an org, and frozen") {
    BudgetSettings settings;
    settings.budget = "org:acme";
    settings.concurrency_max = 1;
    REQUIRE(f.ledger->set_budget(settings));
    auto one = f.reserve();
    CHECK(f.ledger->admit(f.account).error().code == "concurrency_exceeded");
    settings.concurrency_max.reset();
    settings.frozen = true;
    REQUIRE(f.ledger->set_budget(settings));
    CHECK(f.ledger->admit(f.account).error().code == "budget_frozen");
  }
}

TEST_CASE("B15: soft limits fire once and are released five points lower", "[account][ledger]") {
  Fixture f;
  f.set_limit("team:acme/search", "0.100");
  const auto use = [&](std::int64_t tokens) {
    return f.reserve(tokens, 0);
  };  // 1,000 nano-credits a token
  const auto pressure = [&] { return f.ledger->admit(f.account).value(); };
  CHECK(pressure().pressure == Pressure::none);
  auto base = use(79'000);
  CHECK(pressure().pressure == Pressure::none);
  auto at_80 = use(1000);
  CHECK(pressure().pressure == Pressure::notify);
  CHECK(pressure().pressure_scope == "team:acme/search");
  CHECK(pressure().remaining == nano(20'000'000));
  auto at_90 = use(10'000);
  CHECK(pressure().pressure == Pressure::prefer_cheap);
  for (int i = 0; i < 1000; ++i) {  // swinging between 86 and 90 does not flap
    at_90.settle_void("test");
    at_90 = use(6000);
    REQUIRE(pressure().pressure == Pressure::prefer_cheap);
    at_90.settle_void("test");
    at_90 = use(10'000);
    REQUIRE(pressure().pressure == Pressure::prefer_cheap);
  }
  auto at_97 = use(7000);
  CHECK(pressure().pressure == Pressure::cheap_only);
  at_97.settle_void("test");
  at_90.settle_void("test");
  CHECK(pressure().pressure == Pressure::notify);
  at_80.settle_void("test");
  base.settle_void("test");
  CHECK(pressure().pressure == Pressure::none);
}

TEST_CASE("B11: a rolling window never undercounts and counts nothing older than 61/60",
          "[account][ledger]") {
  Fixture f;
  BudgetSettings settings;
  settings.budget = "org:acme";
  settings.windows.push_back(
      {WindowKind::rolling, "UTC", std::chrono::minutes{10}, parse_credits("1000").value()});
  REQUIRE(f.ledger->set_budget(settings));
  std::mt19937_64 random{11};
  std::vector<std::pair<Instant, std::int64_t>> charges;
  for (int i = 0; i < 20'000; ++i) {
    f.clock.advance(std::chrono::milliseconds{random() % 2000});
    const auto tokens = static_cast<std::int64_t>(random() % 50);
    f.reserve(50, 0).settle_exact(used(tokens, 0));
    charges.emplace_back(f.clock.now(), tokens * 1000);
    if (i % 100 != 0) continue;
    std::int64_t least = 0;
    std::int64_t most = 0;
    for (const auto& [at, amount] : charges) {
      if (at > f.clock.now() - std::chrono::minutes{10}) least += amount;
      if (at >= f.clock.now() - std::chrono::seconds{610}) most += amount;
    }
    const auto counted = f.window("org:acme").settled.nano();
    REQUIRE(counted >= least);
    REQUIRE(counted <= most);
  }
  f.verify_closed();
}

TEST_CASE("B13: a million settlements equal an integer oracle", "[account][ledger]") {
  // The sum in memory, without the journal's disk work: charges are computed as a reservation does.
  std::mt19937_64 random{13};
  Credits sum;
  Wide oracle = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    Usage usage;
    usage.input_fresh = static_cast<std::int64_t>(random() % 200'000);
    usage.input_cache_read = static_cast<std::int64_t>(random() % 200'000);
    usage.output_text = static_cast<std::int64_t>(random() % 8'000);
    usage.output_reasoning = static_cast<std::int64_t>(random() % 8'000);
    const auto price = rates(static_cast<std::int64_t>(random() % 15'000'000),
                             static_cast<std::int64_t>(random() % 75'000'000));
    sum += charge(price, usage).value();
    const auto pico = static_cast<Wide>(usage.input_fresh) * price.input +
                      static_cast<Wide>(usage.input_cache_read) * price.cache_read +
                      static_cast<Wide>(usage.output()) * price.output;
    oracle += (pico + 999) / 1000;
  }
  CHECK(static_cast<Wide>(sum.nano()) == oracle);
}

TEST_CASE("a correction is an entry that names the old one", "[account][ledger]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  auto reservation = f.reserve();
  (void)reservation.dispatch();
  reservation.settle_exact(used(1000, 0));
  const auto settlement = f.ledger->figures().entries;
  CHECK(f.ledger->correct(settlement, nano(-400'000), "lead", "provider refunded").has_value());
  CHECK_FALSE(f.ledger->correct(settlement - 1, nano(1), "lead", "not a settlement").has_value());
  CHECK_FALSE(f.ledger->correct(settlement, nano(1), "", "").has_value());
  CHECK(f.window("org:acme").settled == nano(600'000));
  f.reopen();
  CHECK(f.window("org:acme").settled == nano(600'000));
  f.verify_closed();
}

TEST_CASE("with intent disk a caller that may wait is told when the entry is on disk", "[account][ledger]") {
  Fixture f;
  f.options.intent = Intent::disk;
  f.reopen();
  auto wanted = f.request();
  wanted.may_wait = true;
  auto reservation = f.ledger->reserve(wanted).value();
  REQUIRE(f.ledger->flush());
  CHECK(reservation.ready());
  CHECK(f.ledger->figures().entries_durable >= reservation.entry());
  auto hasty = f.ledger->reserve(wanted).value();
  (void)hasty.dispatch();  // waits by itself
  CHECK(f.ledger->figures().entries_durable >= hasty.entry());
  reservation.settle_void("test");
  hasty.settle_void("test");
}

TEST_CASE("with intent disk a reserve is fsynced before it returns", "[account][ledger]") {
  Fixture f;
  f.ledger.reset();
  f.options.intent = Intent::disk;
  f.open();
  auto reservation = f.reserve();
  CHECK(f.ledger->figures().entries_durable >= reservation.entry());
}
