#include "app/key_pages.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "app/account_bench.hpp"
#include "app/page.hpp"

namespace turnpike::app {
namespace {

using namespace testing;

HeaderList bearer(const std::string& key) { return {{"authorization", "Bearer " + key}}; }

std::string secret_of(const WholeReply& reply, int status) {
  return json_of(reply, status)["key"].get<std::string>();
}

TEST_CASE("a key is created with all its bounds and shown without its secret", "[app][keys]") {
  AccountBench bench;
  const auto id = bench.make_key("ci", {{"team", "search"},
                                        {"user", "alice"},
                                        {"models_allowed", {"deepseek/*"}},
                                        {"expires", "2027-01-01"},
                                        {"request_cost_max", "0.5"},
                                        {"concurrency_max", 3},
                                        {"requests_per_minute", 60},
                                        {"tokens_per_minute", 5'000'000},
                                        {"priority", "batch"},
                                        {"weight", 4},
                                        {"may_override_route", true},
                                        {"windows", {"5/day"}}});
  const auto reply = show_key_page(bench.sources(), "ci");
  const auto key = json_of(reply);
  CHECK(key["id"] == id);
  CHECK(key["team"] == "search");
  CHECK(key["state"] == "active");
  CHECK(key["created_by"] == "alice");
  CHECK(key["expires"] == "2027-01-01T00:00:00Z");
  CHECK(key["request_cost_max"] == "0.50");
  CHECK(key["concurrency_max"] == 3);
  CHECK(key["requests_per_minute"] == 60);
  CHECK(key["tokens_per_minute"] == 5'000'000);
  CHECK(key["priority"] == "batch");
  CHECK(key["weight"] == 4);
  CHECK(key["may_override_route"] == true);
  CHECK(reply.body.find("tp_") == std::string::npos);
  CHECK(reply.body.find("mac") == std::string::npos);
  CHECK(key["caps"]["budgets"][0]["budget"] == "key:" + id);
  CHECK(key["caps"]["request_cost_max"] == ordered_json{{"max", "0.50"}, {"of", "key"}});
}

TEST_CASE("a faulty request makes no key and names its field", "[app][keys]") {
  AccountBench bench;
  const auto create = [&](const ordered_json& more) {
    ordered_json body{{"name", "x"}, {"org", "acme"}};
    body.update(more);
    return error_of(create_key_page(bench.sources(), body.dump()), 400);
  };
  CHECK(create({{"name", nullptr}}) == "bad_request: name");
  CHECK(create({{"name", ""}}) == "bad_request: name");
  CHECK(create({{"name", "two\nlines"}}) == "bad_request: name");
  CHECK(create({{"org", nullptr}}) == "bad_request: org");
  CHECK(create({{"org", "a/b"}}) == "bad_key: org");
  CHECK(create({{"expires", "tomorrow"}}) == "bad_request: expires");
  CHECK(create({{"expires", "2026-01-01"}}) == "bad_request: expires");
  CHECK(create({{"request_cost_max", "-1"}}) == "bad_request: request_cost_max");
  CHECK(create({{"request_cost_max", 1}}) == "bad_request: request_cost_max");
  CHECK(create({{"concurrency_max", 0}}) == "bad_request: concurrency_max");
  CHECK(create({{"concurrency_max", 1.5}}) == "bad_request: concurrency_max");
  CHECK(create({{"requests_per_minute", 0}}) == "bad_request: requests_per_minute");
  CHECK(create({{"tokens_per_minute", "many"}}) == "bad_request: tokens_per_minute");
  CHECK(create({{"priority", "urgent"}}) == "bad_request: priority");
  CHECK(create({{"weight", 1001}}) == "bad_request: weight");
  CHECK(create({{"models_allowed", "deepseek/*"}}) == "bad_request: models_allowed");
  CHECK(create({{"models_allowed", {""}}}) == "bad_request: models_allowed");
  CHECK(create({{"may_override_route", "yes"}}) == "bad_request: may_override_route");
  CHECK(create({{"windows", {"5"}}}) == "bad_request: windows");
  CHECK(create({{"windows", {"5/day", "6/day"}}}) == "bad_budget: windows");
  CHECK(create({{"windows", {"5/day@Mars/Base"}}}).starts_with("bad_window"));
  CHECK(create({{"modles_allowed", {"x"}}}) == "unknown_field: modles_allowed");
  CHECK(error_of(create_key_page(bench.sources(), "{"), 400) == "invalid_json: ");
  CHECK(error_of(create_key_page(bench.sources(), "[]"), 400) == "bad_request: body");
  CHECK(bench.ledger->keys().empty());
  CHECK(bench.ledger->budgets().empty());
}

TEST_CASE("patterns and organisations that look misspelt are warned of", "[app][keys]") {
  AccountBench bench;
  bench.make_key("first");
  const ordered_json body{{"name", "x"},
                          {"org", "acmee"},
                          {"models_allowed", {"deepsek/deepseek-flash", "deepseek/*"}}};
  const auto warnings =
      lines_of(json_of(create_key_page(bench.sources(), body.dump()), 201)["warnings"]);
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0] == "org acmee is new; the nearest that has keys is acme");
  CHECK(warnings[1].find("nearest: \"deepseek/deepseek-flash\"") != std::string::npos);
}

TEST_CASE("a key is found by its id or by a name that only one has", "[app][keys]") {
  AccountBench bench;
  const auto id = bench.make_key("laptop");
  CHECK(json_of(show_key_page(bench.sources(), id))["name"] == "laptop");
  CHECK(json_of(show_key_page(bench.sources(), "laptop"))["id"] == id);
  const auto unknown = show_key_page(bench.sources(), "latpop");
  CHECK(error_of(unknown, 404) == "unknown_key: id");
  CHECK(unknown.body.find("nearest: \\\"laptop\\\"") != std::string::npos);
  const auto second = bench.make_key("laptop");
  CHECK(error_of(show_key_page(bench.sources(), "laptop"), 409) == "ambiguous_key: id");
  json_of(revoke_key_page(bench.sources(), id, ""));
  CHECK(json_of(show_key_page(bench.sources(), "laptop"))["id"] == second);
  CHECK(json_of(show_key_page(bench.sources(), id))["state"] == "revoked");
}

TEST_CASE("a change says what it changed, and null takes a bound away", "[app][keys]") {
  AccountBench bench;
  const auto id =
      bench.make_key("ci", {{"team", "search"}, {"request_cost_max", "1"}, {"concurrency_max", 2}});
  const auto change = [&](const ordered_json& body) {
    return lines_of(json_of(change_key_page(bench.sources(), id, body.dump()))["changes"]);
  };
  CHECK(change({{"request_cost_max", nullptr}, {"concurrency_max", 5}}) ==
        std::vector<std::string>{"request_cost_max 1.00 -> none", "concurrency_max 2 -> 5"});
  CHECK(change({{"requests_per_minute", 60},
                {"tokens_per_minute", 100},
                {"priority", "batch"},
                {"weight", 2}}) ==
        std::vector<std::string>{"requests_per_minute none -> 60", "tokens_per_minute none -> 100",
                                 "priority interactive -> batch", "weight 1 -> 2"});
  CHECK(change({{"requests_per_minute", nullptr}, {"priority", nullptr}, {"weight", nullptr}}) ==
        std::vector<std::string>{"requests_per_minute 60 -> none", "priority batch -> interactive",
                                 "weight 2 -> 1"});
  CHECK(change({{"org", "beta"}, {"team", ""}}) ==
        std::vector<std::string>{"org acme -> beta", "team search -> none"});
  CHECK(change({{"models_allowed", {"bulk"}}, {"disabled", true}}) ==
        std::vector<std::string>{"models all -> bulk", "disabled"});
  CHECK(change({{"disabled", true}}).empty());
  CHECK(json_of(show_key_page(bench.sources(), id))["caps"]["because"] == "the key is disabled");
  CHECK(error_of(change_key_page(bench.sources(), id, R"({"windows":["1/day"]})"), 400) ==
        "unknown_field: windows");
  json_of(revoke_key_page(bench.sources(), id, ""));
  CHECK(error_of(change_key_page(bench.sources(), id, R"({"disabled":false})"), 409) ==
        "key_revoked: id");
}

TEST_CASE("a rotation keeps the old secret for the time of grace and not longer", "[app][keys]") {
  AccountBench bench;
  const auto old =
      secret_of(create_key_page(bench.sources(), R"({"name":"ci","org":"acme"})"), 201);
  const auto reply = rotate_key_page(bench.sources(), "ci", R"({"grace_s":3600})");
  const auto fresh = secret_of(reply, 200);
  CHECK(json_of(reply)["old_secret_until"] == "2026-11-22T13:00:00Z");
  CHECK(bench.ledger->authenticate(bearer(old)));
  CHECK(bench.ledger->authenticate(bearer(fresh)));
  CHECK(json_of(show_key_page(bench.sources(), "ci"))["old_secret_until"] ==
        "2026-11-22T13:00:00Z");
  bench.clock.advance(std::chrono::hours{1});
  CHECK_FALSE(bench.ledger->authenticate(bearer(old)));
  CHECK(bench.ledger->authenticate(bearer(fresh)));
  CHECK(json_of(show_key_page(bench.sources(), "ci"))["old_secret_until"].is_null());
  const auto last = secret_of(rotate_key_page(bench.sources(), "ci", ""), 200);
  CHECK_FALSE(bench.ledger->authenticate(bearer(fresh)));
  CHECK(bench.ledger->authenticate(bearer(last)));
  CHECK(error_of(rotate_key_page(bench.sources(), "ci", R"({"grace_s":-1})"), 400) ==
        "bad_request: grace_s");
  CHECK(error_of(rotate_key_page(bench.sources(), "ci", R"({"grace_s":"1h"})"), 400) ==
        "bad_request: grace_s");
}

TEST_CASE("the history of a key names everybody who touched it", "[app][keys]") {
  AccountBench bench;
  const auto id = bench.make_key("ci");
  bench.clock.advance(std::chrono::minutes{1});
  json_of(change_key_page(bench.sources(), id, R"({"org":"beta","by":"bob"})"));
  json_of(rotate_key_page(bench.sources(), id, R"({"grace_s":60,"by":"carol"})"));
  json_of(revoke_key_page(bench.sources(), id, R"({})"));
  const auto history = json_of(key_history_page(bench.sources(), "ci"))["history"];
  REQUIRE(history.size() == 4);
  CHECK(history[0]["event"] == "created");
  CHECK(history[0]["by"] == "alice");
  CHECK(history[0]["at"] == "2026-11-22T12:00:00Z");
  CHECK(history[1]["by"] == "bob");
  CHECK(history[1]["at"] == "2026-11-22T12:01:00Z");
  CHECK(lines_of(history[1]["changes"]) == std::vector<std::string>{"org acme -> beta"});
  CHECK(lines_of(history[2]["changes"]) ==
        std::vector<std::string>{"a new secret; the old one until 2026-11-22T12:02:00Z"});
  CHECK(history[3]["event"] == "revoked");
  CHECK(history[3]["by"] == "admin");
}

TEST_CASE("the list leaves out revoked keys unless asked for", "[app][keys]") {
  AccountBench bench;
  const auto gone = bench.make_key("gone");
  bench.make_key("short", {{"expires", "2026-11-22T13:00:00Z"}});
  json_of(revoke_key_page(bench.sources(), gone, ""));
  bench.clock.advance(std::chrono::hours{2});
  const auto keys = json_of(list_keys_page(bench.sources(), ""))["keys"];
  REQUIRE(keys.size() == 1);
  CHECK(keys[0]["state"] == "expired");
  CHECK(json_of(list_keys_page(bench.sources(), "all=1"))["keys"].size() == 2);
}

TEST_CASE("the effective caps are those of every budget on the key's path", "[app][keys]") {
  AccountBench bench;
  const auto id =
      bench.make_key("ci", {{"team", "search"}, {"windows", {"5/day"}}, {"concurrency_max", 9}});
  const auto other = bench.make_key("other", {{"org", "beta"}});
  const auto set = [&](const ordered_json& body) {
    json_of(set_budget_page(bench.sources(), body.dump()));
  };
  set({{"budget", "org:acme"},
       {"windows", {"100/month", "0.000004/lifetime"}},
       {"concurrency_max", 4}});
  set({{"budget", "team:acme/search tier:frontier"}, {"windows", {"0.000001/month"}}});
  set({{"budget", "org:beta"}, {"windows", {"1/month"}}, {"conversation_max", "0.25"}});
  bench.spend(id, 1000);
  const auto caps = json_of(show_key_page(bench.sources(), id))["caps"];
  std::vector<std::string> names;
  for (const auto& budget : caps["budgets"]) names.push_back(budget["budget"].get<std::string>());
  CHECK(names ==
        std::vector<std::string>{"org:acme", "team:acme/search tier:frontier", "key:" + id});
  CHECK(caps["budgets"][0]["windows"][0]["used"] == "0.000001");
  CHECK(caps["tightest"] == ordered_json{{"budget", "org:acme"},
                                         {"window", "lifetime"},
                                         {"room", "0.000003"},
                                         {"room_nano", 3000},
                                         {"reset", nullptr}});
  CHECK(caps["concurrency_max"] == ordered_json{{"max", 4}, {"of", "org:acme"}});
  CHECK(caps["admits"] == true);
  bench.spend(id, 3000);
  CHECK(json_of(show_key_page(bench.sources(), id))["caps"]["because"] ==
        "budget org:acme is spent for lifetime");
  const auto apart = json_of(show_key_page(bench.sources(), other))["caps"];
  CHECK(apart["conversation_max"] == ordered_json{{"max", "0.25"}, {"of", "org:beta"}});
  CHECK(apart["room"] == "1.00");
}

TEST_CASE("a key without any limit has unlimited room", "[app][keys]") {
  AccountBench bench;
  const auto caps = json_of(show_key_page(bench.sources(), bench.make_key("free")))["caps"];
  CHECK(caps["room"].is_null());
  CHECK(caps["tightest"].is_null());
  CHECK(caps["admits"] == true);
}

TEST_CASE("allowed models are told target by target", "[app][keys]") {
  AccountBench bench;
  bench.make_key("some", {{"models_allowed", {"deepseek/*", "frontier"}}});
  const auto models = json_of(show_key_page(bench.sources(), "some"))["models"];
  CHECK(models["all"] == false);
  bool frontier_seen = false;
  for (const auto& tier : models["tiers"]) {
    for (const auto& target : tier["targets"]) {
      const bool deepseek = target.get<std::string>().starts_with("deepseek/");
      CHECK((deepseek || tier["tier"] == "frontier"));
      frontier_seen = frontier_seen || (tier["tier"] == "frontier" && !deepseek);
    }
  }
  CHECK(frontier_seen);
  CHECK(models["unknown"].empty());
  bench.make_key("every");
  CHECK(json_of(show_key_page(bench.sources(), "every"))["models"]["all"] == true);
}

}  // namespace
TEST_CASE(
    "a key without bounds of its own shows those of [limits.key], and lifting one says what is "
    "behind it",
    "[app][keys]") {
  AccountBench bench;
  const auto id = bench.make_key("ci", {{"concurrency_max", 2}, {"requests_per_minute", 60}});
  auto sources = bench.sources();
  sources.key_defaults = {.concurrency = 8, .requests_per_minute = {}, .tokens_per_minute = 5000};
  const auto bound = [](int most, const char* of) {
    return ordered_json{{"max", most}, {"of", of}};
  };
  auto caps = json_of(show_key_page(sources, id))["caps"];
  CHECK(caps["concurrency_max"] == bound(2, "key"));
  CHECK(caps["requests_per_minute"] == bound(60, "key"));
  CHECK(caps["tokens_per_minute"] == bound(5000, "[limits.key]"));
  const auto change = [&](const ordered_json& body) {
    return json_of(change_key_page(sources, id, body.dump()));
  };
  const auto lifted = change({{"concurrency_max", nullptr}, {"requests_per_minute", nullptr}});
  CHECK(lifted["caps"]["concurrency_max"] == bound(8, "[limits.key]"));
  CHECK(lifted["caps"]["requests_per_minute"].is_null());
  REQUIRE(lifted["warnings"].size() == 1);
  CHECK(lifted["warnings"][0].get<std::string>().starts_with(
      "without a bound of its own the key has that of [limits.key]: concurrency = 8"));
  CHECK(change({{"concurrency_max", nullptr}})["warnings"].size() ==
        1);  // it changes nothing, and says why
  CHECK(change({{"concurrency_max", 100}})["warnings"].empty());
  CHECK(change({{"weight", 3}})["warnings"].empty());
  CHECK(json_of(show_key_page(sources, id))["caps"]["concurrency_max"] == bound(100, "key"));
}

}  // namespace turnpike::app
