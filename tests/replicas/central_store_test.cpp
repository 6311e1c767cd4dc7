#include "account/central_store.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "account/definitions.hpp"
#include "replicas/database.hpp"
#include "turnpike/clock.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;
using namespace std::chrono_literals;
using turnpike::testing::Database;

const SystemClock the_clock;

Credits credits(std::int64_t whole) { return Credits::from_nano(whole * 1'000'000'000); }

CentralStore connected(const Database& database, std::chrono::milliseconds patience = 5s) {
  auto store = CentralStore::make(database.address(), the_clock, patience);
  REQUIRE(store);
  const auto done = store->connect();
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
  return *std::move(store);
}

CentralStore joined(const Database& database, const std::string& name,
                    const std::string& journal = "j") {
  auto store = connected(database);
  REQUIRE(store.join({name, name + journal, 0, "pepper"}));
  REQUIRE(store.beat(0, 0, 10s));
  return store;
}

WindowRule rule(std::int64_t limit, WindowKind kind = WindowKind::lifetime) {
  WindowRule made;
  made.kind = kind;
  made.limit = credits(limit);
  return made;
}

void set_budget(CentralStore& store, const std::string& name, const WindowRule& limit) {
  BudgetSettings settings;
  settings.budget = name;
  settings.windows = {limit};
  static std::atomic<std::int64_t> entry{0};
  REQUIRE(store.define({++entry, EntryKind::budget_set, name, budget_detail(settings)}, &settings));
}

LeaseAsk ask_for(const std::string& budget, std::int64_t want, const WindowRule& limit = rule(0)) {
  LeaseAsk ask;
  ask.window = {budget, limit, {}};
  ask.wants = LeaseAsk::Want{credits(want), credits(want)};
  return ask;
}

LeaseAsk report(const std::string& budget, std::int64_t settled, std::int64_t used,
                std::int64_t keep) {
  LeaseAsk ask;
  ask.window = {budget, rule(0), {}};
  ask.settled = credits(settled);
  ask.used = credits(used);
  ask.keep = credits(keep);
  return ask;
}

LeaseGrant exchange(CentralStore& store, const LeaseAsk& ask, std::int64_t block_max = 1000) {
  const auto grants = store.exchange(std::span{&ask, 1}, credits(block_max));
  INFO((grants ? "" : grants.error().message));
  REQUIRE(grants);
  REQUIRE(grants->size() == 1);
  return grants->front();
}

void require_sound(CentralStore& store) {
  const auto figures = store.figures();
  REQUIRE(figures);
  for (const auto& fault : figures->faults) FAIL(fault);
}

TEST_CASE(
    "A block is a quarter of what is free, divided by the live replicas, at most the cap, at least "
    "what is needed") {
  const Database database;
  auto one = joined(database, "one");
  set_budget(one, "org:acme", rule(160));
  CHECK(exchange(one, ask_for("org:acme", 1)).block == credits(40));
  auto two = joined(database, "two");
  CHECK(exchange(two, ask_for("org:acme", 1)).block == credits(15));   // (160 - 40) / (4 x 2)
  CHECK(exchange(two, ask_for("org:acme", 50)).block == credits(50));  // what is needed
  CHECK(exchange(two, ask_for("org:acme", 1), 2).block ==
        credits(2));  // the cap; and the 65 kept back by asking keep = 0
  require_sound(two);
}

TEST_CASE("What does not fit gets what it can be cut down to, or a small block") {
  const Database database;
  auto one = joined(database, "one");
  set_budget(one, "org:acme", rule(16));
  auto large = ask_for("org:acme", 20);
  CHECK(exchange(one, large).block == credits(4));
  large.wants->least = credits(10);
  CHECK(exchange(one, large).block == credits(16));
  require_sound(one);
}

TEST_CASE("An exchange states totals, so one whose answer was lost may be repeated") {
  const Database database;
  auto one = joined(database, "one");
  set_budget(one, "org:acme", rule(100));
  const auto first = exchange(one, ask_for("org:acme", 10));
  const auto again = exchange(one, ask_for("org:acme", 10));
  CHECK(first.lease == again.lease);
  CHECK(again.amount == first.amount);
  const auto told = report("org:acme", 5, 8, 25);
  CHECK(exchange(one, told).free == credits(75));
  CHECK(exchange(one, told).free == credits(75));
  CHECK(database.number("SELECT settled FROM turnpike.windows") == credits(5).nano());
  CHECK(database.number("SELECT leased FROM turnpike.windows") == credits(20).nano());
  require_sound(one);
}

TEST_CASE("An older epoch is refused and has changed nothing") {
  const Database database;
  auto old = joined(database, "one");
  set_budget(old, "org:acme", rule(100));
  exchange(old, ask_for("org:acme", 10));
  auto young = joined(database, "one");
  CHECK(young.epoch() == old.epoch() + 1);
  const auto before = database.ask("SELECT string_agg(l::text, ';') FROM turnpike.leases l");
  const auto late = report("org:acme", 7, 7, 7);
  const auto refused = old.exchange(std::span{&late, 1}, credits(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "central_stale");
  CHECK(old.beat(0, 0, 10s).error().code == "central_stale");
  CHECK(old.define({99, EntryKind::key_revoked, "key:x", ""}, nullptr).error().code ==
        "central_stale");
  CHECK(database.ask("SELECT string_agg(l::text, ';') FROM turnpike.leases l") == before);
}

TEST_CASE(
    "The unreported rest of a silent replica is quarantined, then booked as spent, and put right "
    "by its journal") {
  const Database database;
  auto one = joined(database, "one");
  auto two = joined(database, "two");
  set_budget(one, "org:acme", rule(100));
  CHECK(exchange(one, ask_for("org:acme", 40)).amount == credits(40));
  exchange(one, report("org:acme", 10, 12, 40));
  REQUIRE(two.reclaim(0ms, 24h));
  CHECK(database.number("SELECT quarantine FROM turnpike.windows") ==
        0);  // its deadline has not come
  database.ask(
      "UPDATE turnpike.replicas SET deadline = clock_timestamp() - interval '40 s' WHERE id = "
      "'one'");
  REQUIRE(two.reclaim(50s, 24h));
  CHECK(database.number("SELECT quarantine FROM turnpike.windows") == 0);
  REQUIRE(two.reclaim(30s, 24h));
  CHECK(database.number("SELECT quarantine FROM turnpike.windows") == credits(30).nano());
  CHECK(exchange(two, ask_for("org:acme", 70)).block <
        credits(70));  // 60 are free: quarantine counts
  require_sound(two);

  SECTION("its journal comes back within the day") {
    CHECK(exchange(one, report("org:acme", 15, 15, 15)).free > credits(60));
    CHECK(database.number("SELECT quarantine FROM turnpike.windows") == 0);
    CHECK(database.number("SELECT settled FROM turnpike.windows") == credits(15).nano());
  }
  SECTION("nobody comes for a day: all of it counts as spent, until the journal says otherwise") {
    REQUIRE(two.reclaim(30s, 0ms));
    CHECK(database.number("SELECT settled FROM turnpike.windows") == credits(40).nano());
    CHECK(database.number("SELECT count(*) FROM turnpike.events WHERE kind = 'settle_estimated'") ==
          1);
    require_sound(two);
    exchange(one, report("org:acme", 15, 15, 15));
    CHECK(database.number("SELECT settled FROM turnpike.windows") == credits(15).nano());
  }
  require_sound(two);
}

TEST_CASE("A replica that comes back with another journal frees nothing of the old one's leases") {
  const Database database;
  auto one = joined(database, "one", "first");
  set_budget(one, "org:acme", rule(100));
  exchange(one, ask_for("org:acme", 40));
  auto reborn = joined(database, "one", "second");
  CHECK(reborn.held("onesecond")->empty());
  CHECK(exchange(reborn, report("org:acme", 0, 0, 0)).free == credits(60));
  REQUIRE(reborn.reclaim(30s, 24h));
  CHECK(database.number("SELECT sum(quarantine) FROM turnpike.windows") == credits(40).nano());
  require_sound(reborn);
}

TEST_CASE("A journal that ends before what was reported from it is refused") {
  const Database database;
  auto one = joined(database, "one");
  REQUIRE(one.beat(17, 0, 10s));
  CHECK(one.join({"one", "onej", 16, "pepper"}).error().code == "central_journal");
  CHECK(one.join({"one", "onej", 17, "pepper"}));
}

TEST_CASE(
    "Replicas with different peppers, newer schemas and unreadable addresses are told so without "
    "secrets") {
  const Database database;
  auto one = joined(database, "one");
  CHECK(connected(database).join({"two", "j", 0, "other"}).error().code == "central_pepper");
  database.ask("UPDATE turnpike.meta SET version = 99");
  auto late = CentralStore::make(database.address(), the_clock, 5s);
  CHECK(late->connect().error().code == "central_schema");
  const auto unreadable = CentralStore::make(Secret{"postgresql://u:hunter2@[::1"}, the_clock, 1s);
  REQUIRE_FALSE(unreadable);
  CHECK(unreadable.error().code == "central_address");
  CHECK(unreadable.error().message.find("hunter2") == std::string::npos);
  auto nowhere = CentralStore::make(Secret{"postgresql://u:hunter2@127.0.0.1:1/x"}, the_clock, 1s);
  const auto failed = nowhere->connect();
  CHECK(failed.error().code == "central_unreachable");
  CHECK(failed.error().message.find("hunter2") == std::string::npos);
}

TEST_CASE("What is used without a grant is booked in full and journalled as exposure") {
  const Database database;
  auto one = joined(database, "one");
  set_budget(one, "org:acme", rule(10));
  exchange(one, ask_for("org:acme", 10));
  auto beyond = report("org:acme", 12, 13, 13);
  beyond.exposed = credits(3);
  CHECK(exchange(one, beyond).free == credits(-3));
  CHECK(database.number("SELECT amount FROM turnpike.events WHERE kind = 'exposure'") ==
        credits(3).nano());
  beyond.wants = LeaseAsk::Want{credits(1), credits(1)};
  CHECK(exchange(one, beyond).block == Credits{});
  require_sound(one);
}

TEST_CASE("Rolling buckets count together, calendar windows that do not overlap count apart") {
  const Database database;
  auto one = joined(database, "one");
  auto rolling = rule(100, WindowKind::rolling);
  rolling.duration = 60s;
  set_budget(one, "org:rolling", rolling);
  set_budget(one, "org:daily", rule(100, WindowKind::day));
  const auto at = [](std::int64_t second) { return Instant{std::chrono::seconds{second}}; };
  const auto take = [&](const std::string& budget, const WindowRule& of, std::int64_t from,
                        std::int64_t until, std::int64_t want) {
    auto ask = ask_for(budget, want, of);
    ask.window.span = {at(from), at(until)};
    return exchange(one, ask, 1).block;
  };
  CHECK(take("org:rolling", rolling, 100, 101, 60) == credits(60));
  CHECK(take("org:rolling", rolling, 101, 102, 30) == credits(30));
  CHECK(take("org:rolling", rolling, 159, 160, 20) == credits(1));   // both still count
  CHECK(take("org:rolling", rolling, 161, 162, 20) == credits(20));  // the first does not
  CHECK(take("org:rolling", rolling, 120, 121, 20) ==
        Credits{});  // an earlier bucket knows of later ones
  const auto daily = rule(100, WindowKind::day);
  CHECK(take("org:daily", daily, 0, 86400, 90) == credits(90));
  CHECK(take("org:daily", daily, 86400, 172800, 90) == credits(90));
  CHECK(take("org:daily", daily, 3600, 90000, 90) <
        credits(10));  // a time zone database of another opinion
  require_sound(one);
}

TEST_CASE("Definitions of one replica reach the others in the order of their commits") {
  const Database database;
  auto one = joined(database, "one");
  auto two = joined(database, "two");
  set_budget(one, "org:acme", rule(100));
  const Definition key{1000, EntryKind::key_created, "key:a", "key=a\n"};
  REQUIRE(one.define(key, nullptr));
  REQUIRE(one.define(key, nullptr));  // its answer was lost
  set_budget(two, "org:acme", rule(50));
  const auto all = two.definitions(0);
  REQUIRE(all);
  REQUIRE(all->size() == 3);
  CHECK(all->at(1).subject == "key:a");
  CHECK(two.definitions(all->at(1).seq)->size() == 1);
  CHECK(two.definitions_in_force()->size() == 2);
  CHECK(one.beat(0, 0, 10s)->newest == all->back().seq);
  CHECK(database.number("SELECT limit_nano FROM turnpike.rules") == credits(50).nano());
}

TEST_CASE("A shortage is told to those who hold what is missing") {
  const Database database;
  auto one = joined(database, "one");
  auto two = joined(database, "two");
  set_budget(one, "org:acme", rule(10));
  exchange(one, ask_for("org:acme", 9));
  CHECK(one.beat(0, 0, 10s)->short_of.empty());
  exchange(two, ask_for("org:acme", 5));
  const auto pulse = one.beat(0, 0, 10s);
  REQUIRE(pulse->short_of.size() == 1);
  CHECK(pulse->short_of.front().budget == "org:acme");
  exchange(one, report("org:acme", 2, 3, 3));
  CHECK(exchange(two, ask_for("org:acme", 5)).block == credits(5));
  require_sound(one);
}

TEST_CASE("A lost connection is reported and can be made anew within the epoch") {
  const Database database;
  auto one = joined(database, "one");
  database.drop_connections();
  CHECK(one.beat(0, 0, 10s).error().code == "central_unreachable");
  CHECK_FALSE(one.connected());
  REQUIRE(one.connect());
  CHECK(one.beat(0, 0, 10s));
}

/// One replica of a thread: takes, uses, returns and reports at random, and sometimes forgets an
/// answer.
std::int64_t hustle(CentralStore& store, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  struct Held {
    std::int64_t settled = 0;
    std::int64_t amount = 0;
  };
  std::array<Held, 3> held;
  const std::array<std::string, 3> budgets{"org:acme", "team:acme/a", "key:k"};
  for (int round = 0; round < 120; ++round) {
    std::vector<LeaseAsk> asks;
    for (std::size_t i = 0; i < held.size(); ++i) {
      auto& mine = held.at(i);
      const auto room = mine.amount - mine.settled;
      mine.settled +=
          room == 0 ? 0
                    : static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(room + 1));
      const auto keep = random() % 3 == 0 ? mine.settled : mine.amount;
      mine.amount = keep;
      auto ask = report(budgets.at(i), mine.settled, mine.settled, keep);
      if (random() % 2 == 0)
        ask.wants = LeaseAsk::Want{credits(static_cast<std::int64_t>(random() % 5)), {}};
      asks.push_back(std::move(ask));
    }
    std::shuffle(asks.begin(), asks.end(), random);
    const auto grants = store.exchange(asks, credits(10));
    if (!grants) return -1;
    if (random() % 5 == 0) continue;  // the answer was lost
    for (const auto& grant : *grants) {
      const auto i = std::find(budgets.begin(), budgets.end(), asks.at(grant.ask).window.budget) -
                     budgets.begin();
      held.at(static_cast<std::size_t>(i)).amount = grant.amount.nano() / 1'000'000'000;
    }
  }
  return held[0].settled;
}

TEST_CASE("Four replicas at once neither deadlock nor are lent more than the limit at any commit") {
  const Database database;
  const auto seed = Catch::rngSeed() == 0 ? std::uint64_t{4711} : std::uint64_t{Catch::rngSeed()};
  INFO("seed " << seed);
  auto store = joined(database, "admin");
  set_budget(store, "org:acme", rule(2000));
  set_budget(store, "team:acme/a", rule(1500));
  set_budget(store, "key:k", rule(1200));
  // The oracle: a trigger of its own at every commit, that trusts none of the sums.
  database.ask(
      "CREATE TABLE broken (t text); CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ "
      "BEGIN INSERT INTO broken SELECT "
      "r.budget FROM turnpike.leases l JOIN turnpike.windows w ON w.id = l.window_id JOIN "
      "turnpike.rules r ON r.id = w.rule GROUP BY "
      "r.budget, r.limit_nano HAVING sum(greatest(l.amount, l.used)) > r.limit_nano; RETURN NULL; "
      "END $$; CREATE CONSTRAINT TRIGGER "
      "look AFTER INSERT OR UPDATE ON turnpike.leases DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
      "EXECUTE FUNCTION look()");
  std::array<std::int64_t, 4> spent{};
  std::vector<CentralStore> stores;
  for (std::size_t who = 0; who < spent.size(); ++who) {
    stores.push_back(joined(database, fmt::format("r{}", who)));
  }
  std::vector<std::thread> threads;
  for (std::size_t who = 0; who < spent.size(); ++who) {
    threads.emplace_back([&, who] { spent.at(who) = hustle(stores.at(who), seed + who); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto one : spent) CHECK(one >= 0);
  CHECK(database.number("SELECT count(*) FROM broken") == 0);
  require_sound(store);
}

}  // namespace
