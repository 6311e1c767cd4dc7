#include "app/window_text.hpp"

#include <catch2/catch.hpp>

#include "app/budget_name.hpp"

namespace turnpike::app {
namespace {

using account::WindowKind;

std::string again(std::string_view text) {
  const auto rule = read_window(text);
  INFO(text << (rule ? "" : ": " + rule.error().message));
  REQUIRE(rule);
  return to_string(*rule);
}

TEST_CASE("a window is read as it is written, and written as it is read", "[app][budgets]") {
  CHECK(again("100/month") == "100.00/month");
  CHECK(again("5/day@Europe/Berlin") == "5.00/day@Europe/Berlin");
  CHECK(again("20/lifetime") == "20.00/lifetime");
  CHECK(again("0.000000001/hour") == "0.000000001/hour");
  CHECK(again("3/rolling:6h") == "3.00/rolling:6h");
  CHECK(again("3/rolling:90m") == "3.00/rolling:90m");
  CHECK(again("3/rolling:48h") == "3.00/rolling:2d");
  CHECK(again("100/month@Europe/Berlin,paced,notify=70,prefer_cheap=85,cheap_only=95") ==
        "100.00/month@Europe/Berlin,paced,notify=70,prefer_cheap=85,cheap_only=95");
  CHECK(again("1/day,cheap_only=off,release=2") ==
        "1.00/day,notify=80,prefer_cheap=90,cheap_only=off,release=2");
}

TEST_CASE("thresholds that are not given are the usual ones", "[app][budgets]") {
  CHECK_FALSE(read_window("1/day")->thresholds);
  CHECK_FALSE(read_window("1/day,paced")->thresholds);
  account::PressureThresholds wanted;
  wanted.notify = 50;
  CHECK(read_window("1/day,notify=50")->thresholds == wanted);
  CHECK(read_window("1/week@Asia/Tokyo,paced")->paced);
  CHECK(read_window("1/week@Asia/Tokyo,paced")->zone == "Asia/Tokyo");
}

TEST_CASE("what is no window is refused with the reason", "[app][budgets]") {
  for (const auto* text : {"",
                           "5",
                           "/day",
                           "x/day",
                           "5/",
                           "5/fortnight",
                           "5/rolling",
                           "5/rolling:",
                           "5/rolling:h",
                           "5/rolling:6",
                           "5/rolling:-1h",
                           "5/rolling:0h",
                           "5/rolling:99999999999999999999h",
                           "5/day,",
                           "5/day,soon",
                           "5/day,notify=",
                           "5/day,notify=101",
                           "5/day,notify=-1",
                           "5/day,notify=7x",
                           "5/day,warn=7",
                           "1.0000000001/day"}) {
    INFO(text);
    const auto rule = read_window(text);
    REQUIRE_FALSE(rule);
    CHECK(rule.error().code == "bad_request");
    CHECK(rule.error().http_status == 400);
  }
}

TEST_CASE("a window is named by its span", "[app][budgets]") {
  CHECK(span_text(*read_window("5/day@Europe/Berlin,paced")) == "day@Europe/Berlin");
  CHECK(span_text(*read_window("5/rolling:360m")) == "rolling:6h");
}

TEST_CASE("durations have a unit", "[app][keys]") {
  CHECK(read_duration("90s", "grace") == std::chrono::seconds{90});
  CHECK(read_duration("15m", "grace") == std::chrono::seconds{900});
  CHECK(read_duration("2d", "grace") == std::chrono::seconds{172'800});
  CHECK(read_duration("0", "grace") == std::chrono::seconds{0});
  for (const auto* text : {"", "h", "10", "1w", "-1h", "1 h", "soon"}) {
    INFO(text);
    REQUIRE_FALSE(read_duration(text, "grace"));
    CHECK(read_duration(text, "grace").error().param == "grace");
  }
}

TEST_CASE("a budget's name falls into scope and filter", "[app][budgets]") {
  const auto parts = [](std::string_view name) {
    const auto found = split_budget_name(name);
    return std::string{found.scope} + "|" + std::string{found.filter};
  };
  CHECK(parts("all") == "all|");
  CHECK(parts("team:acme/search") == "team:acme/search|");
  CHECK(parts("team:acme/search tier:frontier") == "team:acme/search|tier:frontier");
  CHECK(parts("provider:anthropic") == "all|provider:anthropic");
  CHECK(parts("model:deepseek/deepseek-flash") == "all|model:deepseek/deepseek-flash");
}

TEST_CASE("a budget binds the keys below it and no other", "[app][budgets]") {
  Account key;
  key.key_id = "k1";
  key.org = "acme";
  key.team = "search";
  for (const auto* name :
       {"all", "tier:bulk", "org:acme", "org:acme model:a/b", "team:acme/search", "key:k1"}) {
    INFO(name);
    CHECK(binds(name, key));
  }
  for (const auto* name : {"org:acm", "team:acme/sea", "team:other/search", "user:acme/search",
                           "user:acme/", "key:k", "org:beta tier:bulk"}) {
    INFO(name);
    CHECK_FALSE(binds(name, key));
  }
}

}  // namespace
}  // namespace turnpike::app
