#include "app/budget_pages.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "app/account_bench.hpp"

namespace turnpike::app {
namespace {

using namespace testing;
using Lines = std::vector<std::string>;

ordered_json set(AccountBench& bench, const ordered_json& body, int status = 200) {
  return json_of(set_budget_page(bench.sources(), body.dump()), status);
}
ordered_json change(AccountBench& bench, std::string_view name, const ordered_json& body) {
  return json_of(change_budget_page(bench.sources(), name, body.dump()));
}
std::string limit_of(AccountBench& bench, std::string_view name, std::size_t window = 0) {
  return json_of(show_budget_page(bench.sources(), name))["windows"][window]["limit"]
      .get<std::string>();
}

TEST_CASE("a budget is set with everything it can hold", "[app][budgets]") {
  AccountBench bench;
  bench.make_key("ci");
  const auto answer = set(bench, {{"budget", "org:acme"},
                                  {"windows", {"100/month@Europe/Berlin,paced,notify=70", "5/day"}},
                                  {"concurrency_max", 8},
                                  {"request_cost_max", "2"},
                                  {"conversation_max", "3.5"},
                                  {"why", "budget 2027"},
                                  {"by", "carol"}});
  CHECK(answer["dry_run"] == false);
  CHECK(answer["keys"] == 1);
  CHECK(answer["warnings"].empty());
  CHECK(lines_of(answer["changes"]) ==
        Lines{"new window 100.00/month@Europe/Berlin,paced,notify=70,prefer_cheap=90,cheap_only=97",
              "new window 5.00/day", "concurrency_max none -> 8", "request_cost_max none -> 2.00",
              "conversation_max none -> 3.50"});
  const auto state = json_of(show_budget_page(bench.sources(), "org:acme"));
  CHECK(state["by"] == "carol");
  CHECK(state["why"] == "budget 2027");
  CHECK(state["set"] == "2026-11-22T12:00:00Z");
  CHECK(state["request_cost_max"] == "2.00");
  CHECK(state["windows"][0]["end"] == "2026-11-30T23:00:00Z");
  CHECK(state["keys"][0]["name"] == "ci");
}

TEST_CASE("a limit is raised and lowered by an amount or to one", "[app][budgets]") {
  AccountBench bench;
  bench.make_key("ci");
  set(bench, {{"budget", "org:acme"}, {"windows", {"100/month"}}});
  const auto limit = [](const char* direction, const std::string& amount) {
    return ordered_json{{direction, {{"amount", amount}}}};
  };
  CHECK(lines_of(change(bench, "org:acme", limit("raise", "+50"))["changes"]) ==
        Lines{"limit of month 100.00 -> 150.00"});
  change(bench, "org:acme", limit("raise", "200"));
  change(bench, "org:acme", limit("lower", "-0.5"));
  CHECK(limit_of(bench, "org:acme") == "199.50");
  const auto refused = [&](const char* direction, const std::string& amount) {
    return error_of(
        change_budget_page(bench.sources(), "org:acme", limit(direction, amount).dump()), 400);
  };
  CHECK(refused("raise", "199.5") == "not_a_raise: amount");
  CHECK(refused("raise", "-1") == "not_a_raise: amount");
  CHECK(refused("raise", "+0") == "not_a_raise: amount");
  CHECK(refused("lower", "300") == "not_a_cut: amount");
  CHECK(refused("lower", "+1") == "not_a_cut: amount");
  CHECK(refused("lower", "-200") == "bad_request: amount");
  CHECK(refused("lower", "half") == "bad_request: amount");
  CHECK(refused("lower", "") == "bad_request: amount");
  CHECK(limit_of(bench, "org:acme") == "199.50");
}

TEST_CASE("where a budget has several windows, the one to raise is named", "[app][budgets]") {
  AccountBench bench;
  bench.make_key("ci");
  set(bench,
      {{"budget", "org:acme"}, {"windows", {"100/month", "10/day", "20/day@Europe/Berlin"}}});
  const auto raise = [&](const std::string& window) {
    const ordered_json body{{"raise", {{"amount", "+1"}, {"window", window}}}};
    return change_budget_page(bench.sources(), "org:acme", body.dump());
  };
  json_of(raise("month"));
  json_of(raise("day@Europe/Berlin"));
  json_of(raise("day"));  // the one in UTC is named exactly so
  CHECK(limit_of(bench, "org:acme", 0) == "101.00");
  CHECK(limit_of(bench, "org:acme", 1) == "11.00");
  CHECK(limit_of(bench, "org:acme", 2) == "21.00");
  CHECK(error_of(raise(""), 400) == "no_window: window");
  CHECK(error_of(raise("week"), 400) == "no_window: window");
  CHECK(error_of(change_budget_page(bench.sources(), "org:beta", R"({"raise":{"amount":"+1"}})"),
                 404) == "unknown_budget: budget");
  CHECK(error_of(change_budget_page(bench.sources(), "org:acme",
                                    R"({"raise":{"amount":"+1"},"lower":{"amount":"-1"}})"),
                 400) == "bad_request: lower");
}

TEST_CASE("a dry run says what would be and changes nothing", "[app][budgets]") {
  AccountBench bench;
  const auto id = bench.make_key("ci");
  set(bench, {{"budget", "org:acme"}, {"windows", {"0.0001/month", "1/lifetime"}}});
  bench.spend(id, 80'000);
  const ordered_json body{{"lower", {{"amount", "0.00005"}, {"window", "month"}}},
                          {"dry_run", true}};
  const auto answer = change(bench, "org:acme", body);
  CHECK(answer["dry_run"] == true);
  CHECK(lines_of(answer["effects"]) ==
        Lines{"month: used 0.00008 of 0.0001, new limit 0.00005: admission stops until "
              "2026-12-01T00:00:00Z; running requests finish",
              "lifetime: used 0.00008 of 1.00, limit unchanged: 0.99992 left"});
  CHECK(limit_of(bench, "org:acme") == "0.0001");
  CHECK(json_of(budget_history_page(bench.sources(), "org:acme"))["history"].size() == 1);
  const auto lift = json_of(lift_budget_page(bench.sources(), "org:acme", R"({"dry_run":true})"));
  CHECK(lines_of(lift["effects"]) == Lines{"the budget binds nobody any more"});
  CHECK(limit_of(bench, "org:acme") == "0.0001");
}

TEST_CASE("a limit below what is used stops admission until it is raised", "[app][budgets]") {
  AccountBench bench;
  const auto id = bench.make_key("ci");
  set(bench, {{"budget", "org:acme"}, {"windows", {"0.0001/month"}}});
  bench.spend(id, 80'000);
  change(bench, "org:acme", {{"lower", {{"amount", "0.00005"}}}});
  const Account account = bench.ledger->keys().front().account;
  REQUIRE_FALSE(bench.ledger->admit(account));
  CHECK(bench.ledger->admit(account).error().code == "budget_exhausted");
  const auto raised = change(bench, "org:acme", {{"raise", {{"amount", "+0.0001"}}}});
  CHECK(raised["state"]["windows"][0]["room"] == "0.00007");
  CHECK(bench.ledger->admit(account));
}

TEST_CASE("freezing is a switch of its own", "[app][budgets]") {
  AccountBench bench;
  bench.make_key("ci");
  set(bench, {{"budget", "org:acme"}, {"windows", {"100/month"}}});
  const Account account = bench.ledger->keys().front().account;
  CHECK(lines_of(change(bench, "all", {{"frozen", true}, {"why", "a leak"}})["changes"]) ==
        Lines{"frozen"});
  REQUIRE_FALSE(bench.ledger->admit(account));
  CHECK(bench.ledger->admit(account).error().code == "budget_frozen");
  set(bench, {{"budget", "all"}, {"windows", {"1000/month"}}});
  CHECK_FALSE(bench.ledger->admit(account));
  set(bench, {{"budget", "all"}, {"frozen", true}});
  CHECK(limit_of(bench, "all") == "1000.00");
  change(bench, "all", {{"frozen", false}});
  CHECK(bench.ledger->admit(account));
  CHECK(limit_of(bench, "all") == "1000.00");
  set(bench, {{"budget", "all"}, {"windows", {"1000/month"}}, {"frozen", true}});
  json_of(lift_budget_page(bench.sources(), "all", ""));
  CHECK(bench.ledger->admit(account));
  CHECK(error_of(show_budget_page(bench.sources(), "all"), 404) == "unknown_budget: budget");
  CHECK(error_of(change_budget_page(bench.sources(), "all", R"({"frozen":false})"), 404) ==
        "unknown_budget: budget");
}

TEST_CASE("a budget of nobody is accepted with a warning, one of no key is not", "[app][budgets]") {
  AccountBench bench;
  const auto id = bench.make_key("ci", {{"team", "search"}});
  const auto warnings = [&](const std::string& name) {
    return lines_of(set(bench, {{"budget", name}, {"windows", {"1/day"}}})["warnings"]);
  };
  REQUIRE(warnings("team:acme/serch").size() == 1);
  CHECK(warnings("team:acme/serch")[0].find("(nearest: \"team:acme/search\")") !=
        std::string::npos);
  CHECK(warnings("user:acme/bob")[0].find("binds nobody") != std::string::npos);
  CHECK(warnings("org:acme provider:antropic")[0].find("(nearest: \"provider:anthropic\")") !=
        std::string::npos);
  CHECK(warnings("tier:frontier").empty());
  CHECK(warnings("all").empty());
  CHECK(warnings("key:ci").empty());  // a unique name stands for the id
  CHECK(limit_of(bench, "key:" + id) == "1.00");
  CHECK(set(bench, {{"budget", "key:nobody"}, {"windows", {"1/day"}}}, 404)["error"]["code"] ==
        "unknown_key");
  for (const auto* name : {"acme", "orgs:acme", "team:acme", "team:acme/", "org:acme org:beta",
                           "all tier:x", "conversation:k/1"}) {
    INFO(name);
    CHECK(set(bench, {{"budget", name}, {"windows", {"1/day"}}}, 400)["error"]["code"] ==
          "bad_budget");
  }
}

TEST_CASE("the history of a budget tells who, when, why and what", "[app][budgets]") {
  AccountBench bench;
  bench.make_key("ci");
  set(bench, {{"budget", "org:acme"}, {"windows", {"100/month"}}, {"by", "alice"}});
  set(bench, {{"budget", "org:other"}, {"windows", {"1/month"}}});
  bench.clock.advance(std::chrono::hours{1});
  change(bench, "org:acme",
         {{"raise", {{"amount", "+50"}}}, {"by", "bob"}, {"why", "a big customer"}});
  change(bench, "org:acme", {{"frozen", true}});
  json_of(lift_budget_page(bench.sources(), "org:acme", R"({"by":"carol"})"));
  const auto history = json_of(budget_history_page(bench.sources(), "org:acme"))["history"];
  REQUIRE(history.size() == 4);
  CHECK(lines_of(history[0]["changes"]) == Lines{"new window 100.00/month"});
  CHECK(history[1]["at"] == "2026-11-22T13:00:00Z");
  CHECK(history[1]["by"] == "bob");
  CHECK(history[1]["why"] == "a big customer");
  CHECK(lines_of(history[1]["changes"]) == Lines{"limit of month 100.00 -> 150.00"});
  CHECK(history[2]["by"] == "admin");
  CHECK(lines_of(history[2]["changes"]) == Lines{"frozen"});
  CHECK(lines_of(history[3]["changes"]) ==
        Lines{"window 150.00/month is gone", "no longer frozen"});
  CHECK(error_of(budget_history_page(bench.sources(), "org:nobody"), 404) ==
        "unknown_budget: budget");
}

TEST_CASE("a faulty budget request names its field", "[app][budgets]") {
  AccountBench bench;
  bench.make_key("ci");
  const auto fault = [&](const ordered_json& more) {
    ordered_json body{{"budget", "org:acme"}, {"windows", {"1/day"}}};
    body.update(more);
    return error_of(set_budget_page(bench.sources(), body.dump()), 400);
  };
  CHECK(fault({{"budget", nullptr}}) == "bad_request: budget");
  CHECK(fault({{"windows", {1}}}) == "bad_request: windows");
  CHECK(fault({{"windows", "1/day"}}) == "bad_request: windows");
  CHECK(fault({{"windows", {"1/day", "2/day"}}}) == "bad_budget: windows");
  CHECK(fault({{"frozen", 1}}) == "bad_request: frozen");
  CHECK(fault({{"concurrency_max", -1}}) == "bad_request: concurrency_max");
  CHECK(fault({{"request_cost_max", "x"}}) == "bad_request: request_cost_max");
  CHECK(fault({{"dry_run", "yes"}}) == "bad_request: dry_run");
  CHECK(fault({{"by", 1}}) == "bad_request: by");
  CHECK(fault({{"why", std::string(201, 'x')}}) == "bad_request: why");
  CHECK(fault({{"limit", "1/day"}}) == "unknown_field: limit");
  CHECK(bench.ledger->budgets().empty());
}

}  // namespace
}  // namespace turnpike::app
