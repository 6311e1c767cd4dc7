// Ledgers that share their budgets, in one process: each has a directory, a keeper and a name of
// its own.
#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <thread>

#include "account/account_fixture.hpp"
#include "account/central_store.hpp"
#include "replicas/database.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;
using namespace std::chrono_literals;
using turnpike::testing::Database;

const SystemClock the_clock;

/// A clock whose monotonic side a test can move; the wall side follows.
class MovableClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return the_clock.now() + by_.load(); }
  [[nodiscard]] Monotonic monotonic() const override { return the_clock.monotonic() + by_.load(); }
  void advance(std::chrono::microseconds by) { by_ = by_.load() + by; }

 private:
  std::atomic<std::chrono::microseconds> by_{0us};
};

struct Replica {
  TempDirectory directory;
  LedgerOptions options;
  MovableClock clock;
  SystemRandomness randomness;
  std::unique_ptr<Ledger> ledger;
  PriceQuote quote = plain_quote();
  Account account;

  Replica(const Database& database, const std::string& name,
          std::optional<Credits> allow = std::nullopt) {
    options.directory = directory.path();
    options.pepper = Secret{"the same everywhere"};
    options.replica.emplace();
    options.replica->central = database.address();
    options.replica->name = name;
    options.replica->beat = 50ms;
    options.replica->allow_when_down = allow;
    account.key_id = "k1";
    account.org = "acme";
    account.team = "search";
    open();
  }
  void open() {
    auto opened = Ledger::open(options, clock, randomness);
    INFO((opened ? std::string{} : opened.error().message));
    REQUIRE(opened);
    ledger = *std::move(opened);
  }
  void set_limit(const std::string& budget, std::string_view credits,
                 WindowKind kind = WindowKind::month, std::chrono::seconds duration = {}) {
    BudgetSettings settings;
    settings.budget = budget;
    WindowRule rule;
    rule.kind = kind;
    rule.duration = duration;
    rule.limit = parse_credits(credits).value();
    settings.windows.push_back(rule);
    settings.by = "test";
    const auto set = ledger->set_budget(settings);
    INFO((set ? std::string{} : set.error().message));
    REQUIRE(set);
  }
  /// Costs at most `thousands` x 0.001 credits.
  [[nodiscard]] ReserveRequest request(std::int64_t thousands) const {
    ReserveRequest request;
    request.account = &account;
    request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
    request.provider = "acme";
    request.model = "plain";
    request.quote = &quote;
    request.prompt_tokens_bound = thousands * 1000;
    request.client_gave_max = true;
    request.streaming = true;
    request.may_wait = true;
    return request;
  }
  /// As the gateway does: asks again for half a second.
  Result<Reservation> reserve(std::int64_t thousands) const {
    auto wanted = request(thousands);
    for (int tries = 0;; ++tries) {
      wanted.may_wait = tries < 50;
      auto reservation = ledger->reserve(wanted);
      if (reservation || reservation.error().code != "lease_awaited") return reservation;
      std::this_thread::sleep_for(10ms);
    }
  }
  [[nodiscard]] std::string code(std::int64_t thousands) const {
    const auto reservation = reserve(thousands);
    return reservation ? "reserved" : reservation.error().code;
  }
  void spend(std::int64_t thousands) const {
    auto reservation = reserve(thousands);
    INFO((reservation ? std::string{} : reservation.error().message));
    REQUIRE(reservation);
    (void)reservation->dispatch();
    Usage usage;
    usage.input_fresh = thousands * 1000;
    reservation->settle_exact(usage);
  }
  void require_sound() const {
    REQUIRE(ledger->flush());
    const auto verified = ledger->verify();
    REQUIRE(verified);
    INFO((verified->violation ? verified->violation->message : std::string{}));
    CHECK(verified->ok());
    const auto central = ledger->check_central();
    INFO((central ? std::string{} : central.error().message));
    REQUIRE(central);
    for (const auto& fault : central->faults) FAIL_CHECK(fault);
  }
};

template <typename Condition>
bool soon(Condition condition, std::chrono::milliseconds within = 5s) {
  for (auto left = within; left > 0ms; left -= 10ms) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return condition();
}

TEST_CASE("Two replicas share one budget to its last credit and not further") {
  const Database database;
  Replica one{database, "one"};
  Replica two{database, "two"};
  one.set_limit("org:acme", "0.100");
  REQUIRE(soon([&] { return !two.ledger->budgets().empty(); }));
  int served = 0;
  for (int i = 0; i < 120; ++i) {
    const auto& replica = i % 2 == 0 ? one : two;
    auto reservation = replica.reserve(1);
    if (!reservation) {
      CHECK((reservation.error().http_status == 402 || reservation.error().http_status == 429));
      continue;
    }
    ++served;
    (void)reservation->dispatch();
    Usage usage;
    usage.input_fresh = 1000;
    reservation->settle_exact(usage);
  }
  CHECK(served == 100);
  one.require_sound();
  two.require_sound();
}

TEST_CASE(
    "A request that needs most of a budget gets it although another replica leased some in "
    "advance") {
  const Database database;
  Replica one{database, "one"};
  Replica two{database, "two"};
  one.set_limit("org:acme", "0.100");
  one.spend(1);
  REQUIRE(soon([&] { return two.ledger->replica().leases > 0; }));
  REQUIRE(one.ledger->replica().spare > Credits{});
  two.spend(99);
  one.require_sound();
}

TEST_CASE(
    "Keys and budgets made, changed and revoked on one replica hold on the other within a second") {
  const Database database;
  Replica one{database, "one"};
  Replica two{database, "two"};
  NewKey wanted;
  wanted.name = "ci";
  wanted.org = "acme";
  const auto key = one.ledger->create_key(wanted);
  REQUIRE(key);
  const HeaderList headers{{"authorization", "Bearer " + key->key.reveal()}};
  const auto known = [&] { return two.ledger->authenticate(headers).has_value(); };
  REQUIRE(soon(known, 1s));
  KeyChange change;
  change.name = "other";
  REQUIRE(two.ledger->change_key(key->id, change, "test"));
  CHECK(soon([&] { return one.ledger->keys().front().account.key_name == "other"; }, 1s));
  REQUIRE(one.ledger->revoke_key(key->id, "test"));
  CHECK(soon([&] { return !known(); }, 1s));
  one.set_limit("org:acme", "1");
  REQUIRE(soon([&] { return two.ledger->budgets().size() == 1; }, 1s));
  BudgetSettings frozen;
  frozen.budget = "org:acme";
  frozen.frozen = true;
  REQUIRE(two.ledger->set_budget(frozen));
  CHECK(soon([&] { return one.code(1) == "budget_frozen"; }, 1s));
  one.require_sound();
  two.require_sound();
}

TEST_CASE("A replica that starts again keeps what it had and learns what it missed") {
  const Database database;
  Replica one{database, "one"};
  Replica two{database, "two"};
  one.set_limit("org:acme", "0.100");
  one.spend(10);
  one.ledger.reset();
  CHECK(database.number("SELECT sum(leased) FROM turnpike.windows") <= 100'000'000);
  two.set_limit("team:acme/search", "0.050");
  one.open();
  CHECK(one.ledger->budgets().size() == 2);
  one.spend(50);
  CHECK(one.code(1) != "reserved");
  one.require_sound();
  two.require_sound();
}

TEST_CASE("An embedded ledger that becomes a replica brings its keys, budgets and what was spent") {
  const Database database;
  Replica first{database, "first"};
  Replica moved{database, "moved"};
  moved.ledger.reset();
  std::filesystem::remove_all(moved.options.directory);
  auto replica = std::exchange(moved.options.replica, std::nullopt);
  moved.open();
  moved.set_limit("org:acme", "0.100");
  moved.spend(30);
  REQUIRE(moved.ledger->create_key({.name = "ci", .org = "acme"}));
  moved.ledger.reset();
  moved.options.replica = replica;
  moved.open();
  REQUIRE(soon(
      [&] { return first.ledger->budgets().size() == 1 && first.ledger->keys().size() == 1; }));
  first.spend(60);
  REQUIRE(soon([&] { return first.code(20) != "reserved"; }));
  moved.require_sound();
}

TEST_CASE("Without the central ledger the leases are used up, then nothing is admitted") {
  const Database database;
  Replica one{database, "one"};
  one.set_limit("org:acme", "0.160");
  REQUIRE(soon([&] { return one.ledger->replica().spare > Credits{}; }));
  const auto spare = one.ledger->replica().spare;
  CHECK(spare == Credits::from_nano(40'000'000));
  database.lock_out(true);
  REQUIRE(soon([&] { return !one.ledger->replica().reachable; }));
  one.spend(30);
  const auto refused = one.reserve(20);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "ledger_unavailable");
  CHECK(refused.error().http_status == 503);
  one.spend(10);
  SECTION("and not even those after the deadline, by a monotonic clock") {
    database.lock_out(false);
    REQUIRE(soon([&] { return one.ledger->replica().reachable; }));
    REQUIRE(soon([&] { return one.ledger->replica().spare > Credits{}; }));
    database.lock_out(true);
    REQUIRE(soon([&] { return !one.ledger->replica().reachable; }));
    one.clock.advance(14s);
    CHECK(one.code(1) == "ledger_unavailable");
  }
  database.lock_out(false);
  REQUIRE(soon([&] { return one.ledger->replica().reachable; }));
  one.spend(50);
  one.require_sound();
}

TEST_CASE(
    "A limit that is known to be reached is not passed, whatever is allowed during an outage") {
  const Database database;
  Replica one{database, "one", Credits::from_nano(5'000'000)};
  one.set_limit("org:acme", "0.100");
  one.spend(100);
  database.lock_out(true);
  REQUIRE(soon([&] { return !one.ledger->replica().reachable; }));
  one.clock.advance(1h);  // the leases are long over
  CHECK(one.code(1) == "budget_exhausted");
  database.lock_out(false);
}

TEST_CASE("A change made during an outage holds here, says so, and reaches the others afterwards") {
  const Database database;
  Replica one{database, "one"};
  Replica two{database, "two"};
  one.options.replica->patience = 100ms;
  one.set_limit("org:acme", "0.100");
  REQUIRE(soon([&] { return two.ledger->budgets().size() == 1; }));
  database.lock_out(true);
  REQUIRE(soon([&] { return !one.ledger->replica().reachable; }));
  BudgetSettings frozen;
  frozen.budget = "org:acme";
  frozen.frozen = true;
  const auto set = one.ledger->set_budget(frozen);
  REQUIRE_FALSE(set);
  CHECK(set.error().code == "central_unreachable");
  CHECK(one.code(1) == "budget_frozen");
  SECTION("from the same process") {}
  SECTION("from the next one") {
    one.ledger.reset();
    one.open();
  }
  database.lock_out(false);
  CHECK(soon([&] { return two.code(1) == "budget_frozen"; }));
}

TEST_CASE("Exposure is bounded over several outages and told to the central ledger") {
  const Database database;
  const auto allowed = Credits::from_nano(5'000'000);
  Replica one{database, "one", allowed};
  Replica two{database, "two", allowed};
  one.set_limit("org:acme", "0.100");
  REQUIRE(soon([&] { return !two.ledger->budgets().empty() && two.ledger->replica().leases > 0; }));
  two.spend(90);
  for (int outage = 0; outage < 3; ++outage) {
    database.lock_out(true);
    REQUIRE(
        soon([&] { return !one.ledger->replica().reachable && !two.ledger->replica().reachable; }));
    for (const auto* replica : {&one, &two}) {
      while (true) {
        auto reservation = replica->reserve(1);
        if (!reservation) break;
        (void)reservation->dispatch();
        Usage usage;
        usage.input_fresh = 1000;
        reservation->settle_exact(usage);
      }
    }
    if (outage == 1) one.ledger.reset();  // a restart forgets no exposure
    database.lock_out(false);
    if (outage == 1) one.open();
    REQUIRE(
        soon([&] { return one.ledger->replica().reachable && two.ledger->replica().reachable; }));
  }
  const auto spent = [&] { return database.number("SELECT sum(settled) FROM turnpike.windows"); };
  REQUIRE(soon([&] { return spent() > 100'000'000; }));
  std::this_thread::sleep_for(200ms);
  CHECK(spent() <= 110'000'000);
  CHECK(spent() >= 105'000'000);
  CHECK(database.number("SELECT count(*) FROM turnpike.events WHERE kind = 'exposure'") >= 1);
  one.require_sound();
  two.require_sound();
}

TEST_CASE("Rolling and calendar windows are leased ahead, so that a rollover refuses nobody") {
  const Database database;
  Replica one{database, "one"};
  one.set_limit("org:acme", "0.100", WindowKind::rolling, 60s);
  one.spend(1);
  const auto awaited = one.ledger->replica().awaited;
  for (int i = 0; i < 30; ++i) {
    one.spend(1);
    std::this_thread::sleep_for(100ms);  // three buckets of a second
  }
  CHECK(one.ledger->replica().awaited == awaited);
  one.require_sound();
}

TEST_CASE("The process that took over a replica's name ends the other's leases") {
  const Database database;
  Replica old{database, "one", Credits::from_nano(1'000'000'000)};
  old.set_limit("org:acme", "0.100");
  old.spend(1);
  Replica young{database, "one"};
  REQUIRE(soon([&] { return old.ledger->replica().superseded; }));
  CHECK(old.code(1) == "ledger_unavailable");
  young.spend(1);
  young.require_sound();
}

TEST_CASE("A lowered limit stops the replicas at once, a raised one lets them go on") {
  const Database database;
  Replica one{database, "one"};
  Replica two{database, "two"};
  one.set_limit("org:acme", "0.100");
  one.spend(20);
  REQUIRE(soon([&] { return two.ledger->replica().leases > 0; }));
  two.spend(20);
  one.set_limit("org:acme", "0.040");
  REQUIRE(soon([&] { return two.code(1) != "reserved"; }, 1s));
  CHECK(one.code(1) != "reserved");
  two.set_limit("org:acme", "0.060");
  REQUIRE(soon([&] { return one.code(1) == "reserved"; }, 1s));
  one.require_sound();
  two.require_sound();
}

}  // namespace
