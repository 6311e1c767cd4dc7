#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "account/account_fixture.hpp"
#include "app/forecast.hpp"
#include "app/dated_world.hpp"
#include "app/price_outlook.hpp"
#include "policy/decide.hpp"

using namespace turnpike;
using namespace turnpike::app;
using turnpike::test::dated_catalog;
using turnpike::test::dated_policy;
using account::WindowKind;
using account::testing::Fixture;

namespace {

Instant at(const char* text) { return parse_instant(text).value(); }

/// So many attempts of 0.1 credits each (100,000 prompt tokens at 1,000 nano-credits).
void spend_tenths(Fixture& f, int count) {
  constexpr std::int64_t tokens = 100'000;
  for (int i = 0; i < count; ++i) {
    auto reservation = f.reserve(tokens, 1);
    (void)reservation.dispatch();
    reservation.settle_exact({.input_fresh = tokens});
  }
}

std::vector<WindowForecast> forecast(Fixture& f) {
  BudgetForecast budgets{f.ledger->budgets(), f.clock.now()};
  REQUIRE(f.ledger->each_charge({budgets.since(), {}}, [&](const account::Charge& charge) { budgets.add(charge); }));
  return budgets.windows();
}

account::Charge charge_of(const account::PathDetail& path, std::string_view target, std::string_view tier = {}) {
  account::Charge charge;
  charge.path = &path;
  charge.target = target;
  charge.tier = tier;
  return charge;
}

}  // namespace

TEST_CASE("a window looks back on a quarter of itself, between an hour and a day", "[forecast]") {
  using namespace std::chrono_literals;
  const auto past = [](WindowKind kind, std::chrono::seconds duration = {}) { return recent_past({kind, "UTC", duration, {}}); };
  CHECK(past(WindowKind::hour) == 1h);
  CHECK(past(WindowKind::day) == 6h);
  CHECK(past(WindowKind::week) == 24h);
  CHECK(past(WindowKind::month) == 24h);
  CHECK(past(WindowKind::lifetime) == 24h);
  CHECK(past(WindowKind::rolling, 10h) == 150min);
  CHECK(past(WindowKind::rolling, 30min) == 1h);
}

TEST_CASE("a month's budget ends when the last day's burn has used up the rest", "[forecast]") {
  Fixture f;
  f.set_limit("org:acme", "8");
  spend_tenths(f, 20);  // 2 credits on the 22nd: settled, but not burn
  f.clock.set("2026-11-24T18:00:00Z");
  spend_tenths(f, 10);  // 1 credit
  f.clock.set("2026-11-25T00:00:00Z");
  const auto windows = forecast(f);
  REQUIRE(windows.size() == 1);
  const auto& month = windows[0];
  CHECK(month.window.settled == parse_credits("3").value());
  CHECK(month.burned == parse_credits("1").value());
  CHECK(month.per_day == parse_credits("1").value());
  // 5 credits left at 1 a day: 5 days from now, and a day before December.
  CHECK(month.outlook == Outlook::ends);
  REQUIRE(month.spent_at);
  CHECK(to_rfc3339(*month.spent_at) == "2026-11-30T00:00:00Z");
  REQUIRE(month.at_end);
  CHECK(*month.at_end == parse_credits("9").value());
}

TEST_CASE("a window that ends first lasts, an idle one says so, a spent one is spent", "[forecast]") {
  Fixture f;
  f.set_limit("org:acme", "20");
  f.set_limit("key:k1", "2", WindowKind::day);
  f.set_limit("org:globex", "5");
  spend_tenths(f, 10);
  f.set_limit("key:k1", "1", WindowKind::day);
  const auto windows = forecast(f);
  REQUIRE(windows.size() == 3);
  for (const auto& window : windows) {
    INFO(window.budget);
    if (window.budget == "org:acme") CHECK(window.outlook == Outlook::lasts);  // 8.5 days x 1 credit
    if (window.budget == "org:acme") CHECK(*window.at_end == parse_credits("9.5").value());
    if (window.budget == "key:k1") CHECK(window.outlook == Outlook::spent);
    if (window.budget == "org:globex") CHECK(window.outlook == Outlook::idle);
  }
}

TEST_CASE("a rolling window ends only if what leaves it does not make the room", "[forecast]") {
  Fixture f;
  account::BudgetSettings settings;
  settings.budget = "org:acme";
  settings.by = "test";
  settings.windows.push_back({WindowKind::rolling, "UTC", std::chrono::hours{8}, parse_credits("6").value()});
  REQUIRE(f.ledger->set_budget(settings));
  spend_tenths(f, 20);  // 2 credits in the last 2 hours: 8 in the long run
  auto windows = forecast(f);
  REQUIRE(windows.size() == 1);
  CHECK(windows[0].basis == std::chrono::hours{2});
  CHECK(*windows[0].at_end == parse_credits("8").value());
  CHECK(windows[0].outlook == Outlook::ends);
  // It grows by 1 - 2/8 credits an hour: 4 credits of room last 5 h 20 min.
  CHECK(to_rfc3339(*windows[0].spent_at) == "2026-11-22T17:20:00Z");

  settings.windows[0].limit = parse_credits("8").value();
  REQUIRE(f.ledger->set_budget(settings));
  windows = forecast(f);
  CHECK(windows[0].outlook == Outlook::lasts);
}

TEST_CASE("what other replicas have settled is gone, their pace is not known", "[forecast]") {
  account::BudgetState budget;
  budget.budget = "org:acme";
  account::WindowState month;
  month.rule = {WindowKind::month, "UTC", {}, parse_credits("10").value(), {}};
  month.settled = parse_credits("2").value();
  month.elsewhere = parse_credits("6").value();
  month.end = at("2026-12-01");
  budget.windows.push_back(month);
  BudgetForecast forecast{{budget}, at("2026-11-20T00:00:00Z")};
  const account::PathDetail path{.key_id = "k1", .org = "acme"};
  auto charge = charge_of(path, "acme/plain");
  charge.at = at("2026-11-19T12:00:00Z");
  charge.amount = parse_credits("1").value();
  forecast.add(charge);
  const auto windows = forecast.windows();
  REQUIRE(windows.size() == 1);
  CHECK(windows[0].outlook == Outlook::ends);
  CHECK(to_rfc3339(*windows[0].spent_at) == "2026-11-22T00:00:00Z");  // 2 credits at 1 a day
  CHECK(*windows[0].at_end == parse_credits("19").value());
}

TEST_CASE("a charge counts for its scopes, each with the filters that fit", "[forecast]") {
  const account::PathDetail path{.key_id = "k1", .org = "acme", .team = "search", .user = "alice"};
  const auto names = budgets_counting(charge_of(path, "anthropic/claude-opus-5-5", "frontier"));
  const auto counts = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  for (const char* name : {"all", "org:acme", "team:acme/search", "user:acme/alice", "key:k1", "provider:anthropic",
                           "model:anthropic/claude-opus-5-5", "tier:frontier", "org:acme tier:frontier", "team:acme/search provider:anthropic"}) {
    INFO(name);
    CHECK(counts(name));
  }
  for (const char* name : {"org:globex", "team:globex/search", "user:acme/bob", "key:k2", "provider:deepseek", "tier:bulk", "org:acme tier:bulk"}) {
    INFO(name);
    CHECK_FALSE(counts(name));
  }
}

namespace {

const ModelBill& bill_of(const std::vector<ModelBill>& bills, std::string_view target) {
  for (const auto& bill : bills) {
    if (bill.target == target) return bill;
  }
  FAIL("no bill of " << target);
  return bills.front();
}

/// 1,000,000 prompt tokens: as many credits as a price has dollars.
account::Charge million(const account::PathDetail& path, std::string_view target, const char* when, const char* amount) {
  auto charge = charge_of(path, target);
  charge.at = at(when);
  charge.admitted = charge.at;
  charge.usage.input_fresh = 1'000'000;
  charge.amount = parse_credits(amount).value();
  return charge;
}

}  // namespace

TEST_CASE("the next dated change is the end of an interval that differs, not the next peak hour", "[forecast][prices]") {
  const auto catalog = dated_catalog();
  const auto now = at("2026-11-22T12:00:00Z");
  const auto change_of = [&](std::string_view target) { return next_dated_change(*catalog.find(target), now); };
  const auto flash = change_of("acme/flash");
  REQUIRE(flash);
  CHECK(to_rfc3339(flash->at) == "2026-12-01T00:00:00Z");
  CHECK(flash->kind == ChangeKind::price);
  CHECK(flash->price_id == "acme/flash@2026-01-01");
  CHECK(flash->next_price_id == "acme/flash@2026-12-01");
  const auto twin = change_of("acme/twin");
  REQUIRE(twin);
  CHECK(to_rfc3339(twin->at) == "2027-02-01T00:00:00Z");
  CHECK(change_of("acme/free")->kind == ChangeKind::free);
  const auto old = change_of("acme/old");
  REQUIRE(old);
  CHECK(old->kind == ChangeKind::retirement);
  CHECK(old->successor == "acme/flash");
  CHECK_FALSE(change_of("acme/steady"));
  CHECK_FALSE(next_dated_change(*catalog.find("acme/flash"), at("2026-12-01T00:00:00Z")));
}

TEST_CASE("an hour is moved by whole weeks", "[forecast][prices]") {
  const auto change = at("2026-12-01T00:00:00Z");
  CHECK(to_rfc3339(same_hour_after(at("2026-11-20T07:00:00Z"), change)) == "2026-12-04T07:00:00Z");  // Fridays
  CHECK(to_rfc3339(same_hour_after(at("2026-11-24T00:00:00Z"), change)) == "2026-12-01T00:00:00Z");
  CHECK(to_rfc3339(same_hour_after(at("2026-11-23T23:59:59Z"), change)) == "2026-12-07T23:59:59Z");
}

TEST_CASE("last week is billed again at the later prices, peak hours at peak prices", "[forecast][prices]") {
  const auto catalog = dated_catalog();
  BillForecast forecast{catalog, at("2026-11-22T12:00:00Z")};
  const account::PathDetail path{.key_id = "k1", .org = "acme"};
  forecast.add(million(path, "acme/flash", "2026-11-20T07:00:00Z", "2"));   // a Friday's peak
  forecast.add(million(path, "acme/flash", "2026-11-21T07:00:00Z", "1"));   // a Saturday: no peak
  forecast.add(million(path, "acme/free", "2026-11-21T07:00:00Z", "0"));
  forecast.add(million(path, "acme/old", "2026-11-20T08:00:00Z", "7"));     // flash's peak takes over
  forecast.add(million(path, "acme/lone", "2026-11-20T08:00:00Z", "7"));    // nobody does
  forecast.add(million(path, "acme/steady", "2026-11-20T08:00:00Z", "9"));
  forecast.add(million(path, "acme/forgotten", "2026-11-20T08:00:00Z", "4"));  // not in the catalog any more
  auto overrun = million(path, "acme/flash", "2026-11-21T07:00:00Z", "0.5");
  overrun.kind = account::EntryKind::overrun;
  overrun.usage = {};
  forecast.add(overrun);
  auto refund = overrun;
  refund.kind = account::EntryKind::correction;
  forecast.add(refund);

  const auto bills = forecast.bills();
  const auto credits = [](const char* text) { return parse_credits(text).value(); };
  const auto& flash = bill_of(bills, "acme/flash");
  CHECK(flash.attempts == 2);
  CHECK(flash.settled == credits("3.5"));
  CHECK(flash.then == credits("9"));  // 6 at peak, 3 else
  CHECK(bill_of(bills, "acme/free").settled == credits("0"));
  CHECK(bill_of(bills, "acme/free").then == credits("5"));
  CHECK(bill_of(bills, "acme/old").then == credits("6"));
  CHECK(bill_of(bills, "acme/lone").unpriced == 1);
  CHECK(bill_of(bills, "acme/lone").then == credits("0"));
  CHECK(bill_of(bills, "acme/steady").then == credits("9"));
  CHECK(bill_of(bills, "acme/forgotten").then == credits("4"));
}

namespace {

Result<RouteDecision> decide_at(const policy::Policy& policy, const catalog::Catalog& catalog, const char* when, const std::string& name) {
  RequestFacts facts;
  facts.model = name;
  facts.text_bytes = 4000;
  Difficulty difficulty;
  difficulty.confidence = 1;
  const Allowance allowance;
  const Account account{.key_id = "k1", .key_name = "k1", .org = "acme"};
  const RouteInputs inputs;
  const policy::Situation situation{.facts = facts, .difficulty = difficulty, .allowance = allowance, .account = account, .inputs = inputs, .now = at(when)};
  return policy::decide(policy, catalog, situation);
}

}  // namespace

TEST_CASE("the order of the tiers that name a model is shown before and after its change", "[forecast][prices]") {
  const auto catalog = dated_catalog();
  const auto policy = dated_policy(catalog);
  using Names = std::vector<std::string>;
  const auto change = at("2026-12-01T00:00:00Z");
  const auto orders = order_around(policy, catalog, *catalog.find("acme/free"), change, 1000);
  REQUIRE(orders.size() == 2);
  CHECK(orders[0].tier == "bulk");
  CHECK(orders[0].before == Names{"acme/free", "acme/flash", "acme/old"});
  CHECK(orders[0].after == Names{"acme/flash", "acme/free"});  // 3 before 5; old is gone
  CHECK(orders[1].tier == "frontier");
  CHECK(orders[1].before.front() == "acme/steady");
  CHECK(order_around(policy, catalog, *catalog.find("acme/steady"), change, 1000).size() == 1);
}

TEST_CASE("at the instant of a change the same catalog and policy decide anew: no reload, no restart", "[prices]") {
  const auto catalog = dated_catalog();
  const auto policy = dated_policy(catalog);
  const auto first_at = [&](const char* when) {
    const auto decision = decide_at(policy, catalog, when, "auto");
    REQUIRE(decision);
    return decision->candidates.front();
  };
  CHECK(first_at("2026-11-30T23:59:59Z").target() == "acme/free");
  CHECK(first_at("2026-11-30T23:59:59Z").quote.price_id == "acme/free@2026-01-01");
  CHECK(first_at("2026-12-01T00:00:00Z").target() == "acme/flash");
  CHECK(first_at("2026-12-01T00:00:00Z").quote.price_id == "acme/flash@2026-12-01");
  CHECK(first_at("2027-03-01T00:00:00Z").target() == "acme/flash");
  REQUIRE(decide_at(policy, catalog, "2026-11-30T23:59:59Z", "acme/old"));
  const auto gone = decide_at(policy, catalog, "2026-12-01T00:00:00Z", "acme/old");
  REQUIRE_FALSE(gone);
  CHECK(gone.error().http_status == 410);
  CHECK(gone.error().code == "model_retired");
  CHECK(gone.error().message.find("acme/flash") != std::string::npos);
}
