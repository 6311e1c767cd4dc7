#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "account/account_fixture.hpp"
#include "account/spend.hpp"

using namespace turnpike;
using namespace turnpike::account;
using turnpike::account::testing::Fixture;

namespace {

/// An attempt of 100 prompt and 50 output tokens: 100 x 1,000 + 50 x 2,000 = 200,000 nano-credits.
constexpr Usage small{.input_fresh = 100, .output_text = 50};
constexpr std::int64_t small_cost = 200'000;

void spend_small(Fixture& f, const Account& account, std::string_view tier = "bulk") {
  auto request = f.request();
  request.account = &account;
  request.tier = tier;
  auto reservation = f.ledger->reserve(request);
  REQUIRE(reservation);
  (void)reservation->dispatch();
  reservation->settle_exact(small);
}

Account member(std::string org, std::string team, std::string user, std::string key) {
  Account account;
  account.org = std::move(org);
  account.team = std::move(team);
  account.user = std::move(user);
  account.key_id = std::move(key);
  return account;
}

std::vector<SpendRow> rows_by(Fixture& f, std::vector<SpendBy> by) {
  SpendQuery query;
  query.group_by = std::move(by);
  auto rows = f.ledger->spend(query);
  REQUIRE(rows);
  return *std::move(rows);
}

std::vector<std::vector<std::string>> groups_of(const std::vector<SpendRow>& rows) {
  std::vector<std::vector<std::string>> groups;
  for (const auto& row : rows) groups.push_back(row.group);
  return groups;
}

using Groups = std::vector<std::vector<std::string>>;

}  // namespace

TEST_CASE("teams and users of the same name in two organisations are two rows", "[account][spend]") {
  Fixture f;
  spend_small(f, member("acme", "search", "alice", "k1"));
  spend_small(f, member("globex", "search", "alice", "k2"));
  spend_small(f, member("globex", "", "", "k3"));
  const auto teams = rows_by(f, {SpendBy::team});
  CHECK(groups_of(teams) == Groups{{""}, {"acme/search"}, {"globex/search"}});
  for (const auto& row : teams) CHECK(row.cost.nano() == small_cost);
  CHECK(groups_of(rows_by(f, {SpendBy::user})) == Groups{{""}, {"acme/alice"}, {"globex/alice"}});
  CHECK(groups_of(rows_by(f, {SpendBy::org})) == Groups{{"acme"}, {"globex"}});
}

TEST_CASE("provider, tier, cause and settlement are columns", "[account][spend]") {
  Fixture f;
  spend_small(f, f.account, "bulk");
  spend_small(f, f.account, "frontier");
  auto cut = f.reserve();
  (void)cut.dispatch();
  cut.settle_estimated({.input_fresh = 10, .output_text = 5}, "client_gone");
  auto refused = f.reserve();
  refused.settle_void("connect_failed");
  CHECK(groups_of(rows_by(f, {SpendBy::provider, SpendBy::tier})) == Groups{{"acme", ""}, {"acme", "bulk"}, {"acme", "frontier"}});
  const auto causes = rows_by(f, {SpendBy::settlement, SpendBy::cause});
  CHECK(groups_of(causes) == Groups{{"settle_estimated", "client_gone"}, {"settle_exact", ""}});
  CHECK(causes[0].estimated == 1);
  CHECK(causes[0].estimates == causes[0].cost);
  CHECK(causes[0].cost.nano() == 10 * 1000 + 5 * 2000);
  CHECK(causes[1].attempts == 2);
  CHECK(causes[1].estimates == Credits{});
}

TEST_CASE("overruns and corrections are in the cost and in columns of their own", "[account][spend]") {
  Fixture f;
  auto over = f.reserve(100, 50);  // at most 200,000 nano-credits
  (void)over.dispatch();
  over.settle_exact({.input_fresh = 100, .output_text = 80});  // 260,000
  REQUIRE(f.ledger->flush());
  std::int64_t settled = 0;
  std::vector<EntryKind> kinds;
  REQUIRE(f.ledger->each_charge({}, [&](const Charge& charge) {
    kinds.push_back(charge.kind);
    if (charge.kind == EntryKind::settle_exact) settled = charge.entry;
    CHECK(charge.admitted.has_value());
    CHECK(charge.target == "acme/plain");
    CHECK(charge.path->org == "acme");
  }));
  CHECK(kinds == std::vector{EntryKind::settle_exact, EntryKind::overrun});
  REQUIRE(f.ledger->correct(settled, Credits::from_nano(-10'000), "bob", "invoice 7"));
  const auto rows = rows_by(f, {});
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].attempts == 1);
  CHECK(rows[0].overruns.nano() == 60'000);
  CHECK(rows[0].corrections.nano() == -10'000);
  CHECK(rows[0].cost.nano() == 250'000);
}

TEST_CASE("a free model shows what it would have cost, a paid one does not", "[account][spend]") {
  Fixture f;
  spend_small(f, f.account);
  auto request = f.request();
  PriceQuote free;
  free.price_id = "acme/gift@2026-11-01";
  request.model = "gift";
  request.quote = &free;
  auto reservation = f.ledger->reserve(request);
  REQUIRE(reservation);
  (void)reservation->dispatch();
  reservation->settle_exact(small);
  SpendQuery query;
  query.group_by = {SpendBy::model};
  const Rates shadow{.input = 3'000'000, .output = 4'000'000};
  query.shadow_prices = {{"acme/gift", shadow}, {"acme/plain", shadow}};
  const auto rows = f.ledger->spend(query);
  REQUIRE(rows);
  REQUIRE(groups_of(*rows) == Groups{{"acme/gift"}, {"acme/plain"}});
  CHECK((*rows)[0].cost == Credits{});
  CHECK((*rows)[0].shadow.nano() == 100 * 3000 + 50 * 4000);
  CHECK((*rows)[1].cost.nano() == small_cost);
  CHECK((*rows)[1].shadow == Credits{});
}

TEST_CASE("a time series has a row for each period, also for those without spending", "[account][spend]") {
  Fixture f;
  f.clock.set("2026-11-22T23:59:00Z");
  spend_small(f, member("acme", "", "", "k1"));
  f.clock.set("2026-11-25T08:30:00Z");
  spend_small(f, member("globex", "", "", "k2"));
  SpendQuery query;
  query.group_by = {SpendBy::day, SpendBy::org};
  auto rows = f.ledger->spend(query);
  REQUIRE(rows);
  const auto filled = with_empty_periods(*rows, query, f.clock.now());
  REQUIRE(filled.size() == 8);
  CHECK(filled.front().group == std::vector<std::string>{"2026-11-22", "acme"});
  CHECK(filled.back().group == std::vector<std::string>{"2026-11-25", "globex"});
  CHECK(filled[2].group == std::vector<std::string>{"2026-11-23", "acme"});
  CHECK(filled[2].attempts == 0);
  std::int64_t sum = 0;
  for (const auto& row : filled) sum += row.cost.nano();
  CHECK(sum == 2 * small_cost);

  query.group_by = {SpendBy::day};
  query.since = parse_instant("2026-11-21").value();
  query.until = parse_instant("2026-12-05").value();
  rows = f.ledger->spend(query);
  REQUIRE(rows);
  CHECK(with_empty_periods(*rows, query, f.clock.now()).size() == 5);  // 21st to 25th: not beyond now
}

TEST_CASE("periods are named by their beginning, in UTC", "[account][spend]") {
  const auto at = parse_instant("2026-11-22T14:59:59Z").value();  // a Sunday
  CHECK(period_name(SpendBy::hour, at) == "2026-11-22T14:00Z");
  CHECK(period_name(SpendBy::day, at) == "2026-11-22");
  CHECK(period_name(SpendBy::week, at) == "2026-11-16");
  CHECK(period_name(SpendBy::month, at) == "2026-11");
  CHECK(to_rfc3339(next_period(SpendBy::hour, at)) == "2026-11-22T15:00:00Z");
  CHECK(to_rfc3339(next_period(SpendBy::week, at)) == "2026-11-23T00:00:00Z");
  CHECK(to_rfc3339(next_period(SpendBy::month, parse_instant("2026-12-31").value())) == "2027-01-01T00:00:00Z");
}

TEST_CASE("a stretch that begins in the middle of an attempt knows when it was admitted", "[account][spend]") {
  Fixture f;
  f.clock.set("2026-11-22T23:59:50Z");
  auto reservation = f.reserve();
  (void)reservation.dispatch();
  f.clock.set("2026-11-23T00:00:10Z");
  reservation.settle_exact(small);
  int seen = 0;
  const ChargeQuery query{parse_instant("2026-11-23").value(), {}};
  REQUIRE(f.ledger->each_charge(query, [&](const Charge& charge) {
    ++seen;
    REQUIRE(charge.admitted);
    CHECK(to_rfc3339(*charge.admitted) == "2026-11-22T23:59:50Z");
    CHECK(charge.reserved.nano() == 1000 * 1000 + 1000 * 2000);
  }));
  CHECK(seen == 1);
  const ChargeQuery earlier{{}, parse_instant("2026-11-23").value()};
  REQUIRE(f.ledger->each_charge(earlier, [](const Charge&) { FAIL("it was settled later"); }));
}
