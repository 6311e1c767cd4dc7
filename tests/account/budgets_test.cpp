// Budgets beyond the tree of accounts: filters by target, caps on single requests and
// conversations, thresholds and pacing of a window's own.
#include "account_fixture.hpp"

#include <fmt/format.h>

#include "account/pressure.hpp"

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;

namespace {

struct Targets : Fixture {
  Result<Reservation> ask(std::string_view provider, std::string_view model, std::string_view tier,
                          std::string_view conversation = {}) {
    auto wanted = request();  // at most 0.003 credits
    wanted.provider = provider;
    wanted.model = model;
    wanted.tier = tier;
    wanted.conversation = conversation;
    return ledger->reserve(wanted);
  }
  BudgetSettings settings(std::string budget, std::string_view limit = {}) const {
    BudgetSettings made;
    made.budget = std::move(budget);
    made.by = "test";
    if (!limit.empty())
      made.windows.push_back(
          {WindowKind::month, "UTC", {}, parse_credits(limit).value(), {}, false});
    return made;
  }
};

}  // namespace

TEST_CASE("a budget with a filter binds the attempts whose target fits it, and no others",
          "[account][budgets]") {
  Targets f;
  REQUIRE(f.ledger->set_budget(f.settings("provider:anthropic", "0.003")));
  REQUIRE(f.ledger->set_budget(f.settings("team:acme/search tier:frontier", "0.006")));
  REQUIRE(f.ledger->set_budget(f.settings("org:acme model:deepseek/flash", "0.003")));
  auto opus = f.ask("anthropic", "opus", "frontier");
  REQUIRE(opus);
  const auto again = f.ask("anthropic", "haiku", "bulk");
  REQUIRE_FALSE(again);
  CHECK(again.error().code == "budget_contended");
  CHECK(again.error().message.find("provider:anthropic") != std::string::npos);
  auto gemini = f.ask("gemini", "pro", "frontier");
  REQUIRE(gemini);
  CHECK_FALSE(f.ask("gemini", "pro", "frontier"));  // the tier's budget holds two
  auto flash = f.ask("deepseek", "flash", "bulk");
  REQUIRE(flash);
  CHECK_FALSE(f.ask("deepseek", "flash", "bulk"));
  CHECK(f.ask("deepseek", "pro", "bulk"));
  opus->settle_exact(Usage{.input_fresh = 1000, .output_text = 1000});
  CHECK(f.ask("anthropic", "haiku", "bulk").error().code == "budget_exhausted");
  f.account.team = "ads";
  CHECK(f.ask("gemini", "pro", "frontier"));  // another team's frontier is not bound
  gemini->settle_void("test");
  flash->settle_void("test");
  f.reopen();
  CHECK(f.ask("anthropic", "haiku", "bulk").error().code == "budget_exhausted");
  f.verify_closed();
}

TEST_CASE("the whole gateway can be frozen at once and goes on as before", "[account][budgets]") {
  Targets f;
  auto stop = f.settings("all");
  stop.frozen = true;
  stop.why = "leaked key";
  REQUIRE(f.ledger->set_budget(stop));
  CHECK(f.ask("gemini", "pro", "frontier").error().code == "budget_frozen");
  CHECK(f.ledger->admit(f.account).error().code == "budget_frozen");
  CHECK(f.ledger->budgets().front().why == "leaked key");
  stop.frozen = false;
  REQUIRE(f.ledger->set_budget(stop));
  CHECK(f.ask("gemini", "pro", "frontier"));
}

TEST_CASE("names of budgets follow their grammar", "[account][budgets]") {
  Targets f;
  for (const char* good :
       {"all", "org:a", "team:a/b", "user:a/b", "key:k1", "provider:p", "model:p/m", "model:p/m/x",
        "tier:t", "org:a tier:t", "key:k1 model:p/m"}) {
    INFO(good);
    CHECK(check_settings(f.settings(good)));
  }
  for (const char* bad :
       {"", "acme", "org:", "team:a", "user:a/", "model:m", "all tier:t", "tier:t org:a",
        "org:a  tier:t", "org:a tier:t tier:u", "conversation:k1/c"}) {
    INFO(bad);
    CHECK(check_settings(f.settings(bad)).error().code == "bad_budget");
  }
  auto filtered = f.settings("tier:frontier");
  filtered.conversation_max = parse_credits("1").value();
  CHECK_FALSE(check_settings(filtered));
}

TEST_CASE("an org bounds what one request may cost, the tightest bound counts",
          "[account][budgets]") {
  Targets f;
  auto bound = f.settings("org:acme");
  bound.request_cost_max = parse_credits("0.002").value();
  REQUIRE(f.ledger->set_budget(bound));
  CHECK(f.ask("gemini", "pro", "bulk").error().code == "request_cost_exceeded");
  bound.request_cost_max = parse_credits("0.003").value();
  REQUIRE(f.ledger->set_budget(bound));
  CHECK(f.ask("gemini", "pro", "bulk"));
  f.account.request_cost_max = parse_credits("0.002").value();
  CHECK(f.ask("gemini", "pro", "bulk").error().code == "request_cost_exceeded");
}

TEST_CASE("each conversation below a budget has its own cap, over restarts and changes of the cap",
          "[account][budgets]") {
  Targets f;
  auto cap = f.settings("team:acme/search");
  cap.conversation_max = parse_credits("0.005").value();
  REQUIRE(f.ledger->set_budget(cap));
  REQUIRE(f.ledger->set_budget(f.settings("tier:frontier", "1")));
  const Usage whole{.input_fresh = 1000, .output_text = 1000};
  f.ask("gemini", "pro", "bulk", "one").value().settle_exact(whole);
  const auto refused = f.ask("deepseek", "flash", "frontier", "one");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "budget_exhausted");
  CHECK(refused.error().message.find("conversation") != std::string::npos);
  CHECK(f.ask("gemini", "pro", "bulk", "two"));
  f.reopen();
  CHECK_FALSE(f.ask("gemini", "pro", "bulk", "one"));
  CHECK(f.ledger->allowance(f.account, "one").remaining == parse_credits("0.002").value());
  cap.conversation_max = parse_credits("0.006").value();
  REQUIRE(f.ledger->set_budget(cap));
  f.ask("gemini", "pro", "bulk", "one").value().settle_exact(whole);
  CHECK(f.ledger->admit(f.account, "one").error().code == "budget_exhausted");
  CHECK(f.ledger->admit(f.account, "two"));
  CHECK(f.ledger->budgets().size() == 2);  // conversations are not listed
  f.verify_closed();
}

TEST_CASE("conversations that are over are forgotten; one that goes on begins anew",
          "[account][budgets]") {
  Targets f;
  f.options.checkpoint_entries = 50;
  f.reopen();
  auto cap = f.settings("org:acme");
  cap.conversation_max = parse_credits("0.003").value();
  REQUIRE(f.ledger->set_budget(cap));
  const Usage whole{.input_fresh = 1000, .output_text = 1000};
  f.ask("gemini", "pro", "bulk", "old").value().settle_exact(whole);
  auto open = f.ask("gemini", "pro", "bulk", "open");
  CHECK_FALSE(f.ask("gemini", "pro", "bulk", "old"));
  f.clock.advance(std::chrono::hours{25});
  for (int i = 0; i < 60; ++i)
    f.ask("gemini", "pro", "bulk", fmt::format("new {}", i)).value().settle_exact(whole);
  REQUIRE(f.ledger->flush());
  f.ask("gemini", "pro", "bulk", "again").value().settle_exact(whole);
  REQUIRE(f.ledger->flush());
  CHECK(f.ask("gemini", "pro", "bulk", "old"));
  CHECK_FALSE(f.ask("gemini", "pro", "bulk", "open"));  // has an attempt, so it was kept
  open->settle_void("test");
  f.reopen();
  CHECK_FALSE(f.ask("gemini", "pro", "bulk", "again"));
  f.verify_closed();
}

TEST_CASE("a window may have thresholds of its own, and levels that are off",
          "[account][budgets]") {
  WindowRule rule{WindowKind::month,
                  "UTC",
                  {},
                  Credits::from_nano(1000),
                  PressureThresholds{50, PressureThresholds::off, 60, 10},
                  false};
  const auto span = span_at(rule, parse_instant("2026-11-22").value());
  const auto level = [&](std::int64_t used, Pressure before) {
    return pressure_of(rule, span, Credits::from_nano(used), parse_instant("2026-11-22").value(),
                       before, {});
  };
  CHECK(level(499, Pressure::none) == Pressure::none);
  CHECK(level(500, Pressure::none) == Pressure::notify);
  CHECK(level(599, Pressure::notify) == Pressure::notify);
  CHECK(level(600, Pressure::notify) == Pressure::cheap_only);
  CHECK(level(500, Pressure::cheap_only) == Pressure::cheap_only);
  CHECK(level(499, Pressure::cheap_only) == Pressure::notify);
  CHECK(level(400, Pressure::notify) == Pressure::notify);
  CHECK(level(399, Pressure::notify) == Pressure::none);
}

TEST_CASE("a paced window prefers cheap models while it is ahead of its pace",
          "[account][budgets]") {
  WindowRule rule{WindowKind::day, "UTC", {}, Credits::from_nano(1000), {}, true};
  const auto midnight = parse_instant("2026-11-22").value();
  const auto span = span_at(rule, midnight);
  const auto level = [&](int hour, std::int64_t used, Pressure before) {
    return pressure_of(rule, span, Credits::from_nano(used), midnight + std::chrono::hours{hour},
                       before, {});
  };
  CHECK(level(0, 100, Pressure::none) == Pressure::none);  // a tenth is free at any time
  CHECK(level(0, 101, Pressure::none) == Pressure::prefer_cheap);
  CHECK(level(12, 600, Pressure::none) == Pressure::none);
  CHECK(level(12, 601, Pressure::none) == Pressure::prefer_cheap);
  CHECK(level(12, 560, Pressure::prefer_cheap) == Pressure::prefer_cheap);
  CHECK(level(12, 550, Pressure::prefer_cheap) == Pressure::none);
  CHECK(level(23, 900, Pressure::none) ==
        Pressure::prefer_cheap);  // the usual thresholds count as well
  rule.kind = WindowKind::lifetime;
  CHECK(check_rule(rule).error().code == "bad_window");
}

TEST_CASE("settings of a budget survive a restart word for word", "[account][budgets]") {
  Targets f;
  auto settings = f.settings("org:acme", "10");
  settings.windows[0].thresholds = PressureThresholds{50, 0, 60, 10};
  settings.windows[0].paced = true;
  settings.windows[0].zone = "Europe/Berlin";
  settings.request_cost_max = parse_credits("0.5").value();
  settings.conversation_max = parse_credits("2").value();
  settings.why = "pilot\nuntil = May";
  REQUIRE(f.ledger->set_budget(settings));
  f.reopen();
  const auto state = f.ledger->budgets().front();
  CHECK(state.windows.front().rule == settings.windows.front());
  CHECK(state.request_cost_max == settings.request_cost_max);
  CHECK(state.conversation_max == settings.conversation_max);
  CHECK(state.by == "test");
  CHECK(state.why == settings.why);
  f.verify_closed();
}
