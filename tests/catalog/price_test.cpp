#include "catalog/price.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "catalog/catalog.hpp"
#include "catalog/folder.hpp"

using namespace turnpike;
using namespace turnpike::catalog;
using namespace std::chrono_literals;
using test::at;

namespace {

constexpr auto provider = R"([provider]
id = "p"
dialect = "openai-chat"
base_url = "https://p.example/v1"
[holidays]
cn = [2026-10-01, 2026-10-02]
)";

/// A catalog with one model "m" that has these prices.
Catalog with_prices(const std::string& prices, const std::string& more = "") {
  const test::Folder folder;
  folder.write("p.toml",
               std::string{provider} +
                   "[[model]]\nid = \"m\"\ncontext_tokens = 1000\noutput_tokens_max = 100\n"
                   "as_of = 2026-01-01\nsource = \"test\"\n" +
                   more + prices);
  auto catalog = Catalog::load(folder.path());
  if (!catalog) FAIL(to_string(catalog.error().front()));
  return std::move(*catalog);
}

std::int64_t input_at(const Catalog& catalog, const std::string& when) {
  const auto candidate = catalog.candidate(*catalog.find("m"), at(when), 0s);
  return candidate ? candidate->quote.tiers[0].rates.input : -1;
}

constexpr auto two_intervals = R"(
[[model.price]]
from = 2026-01-01
input_per_mtok = 0
output_per_mtok = 0
[[model.price]]
from = 2026-02-01
input_per_mtok = 0.28
output_per_mtok = "0.42"
)";

constexpr auto peak = R"(
[[model.price]]
from = 2026-09-14
input_per_mtok = "0.15"
output_per_mtok = "0.60"
[[model.price.window]]
name = "peak"
days = ["mon", "tue", "wed", "thu", "fri"]
utc = ["01:00-04:00", "06:00-10:00"]
except = "cn"
input_per_mtok = "0.30"
output_per_mtok = "1.20"
)";

}  // namespace

TEST_CASE("B8: a dated price changes at the microsecond", "[catalog][price]") {
  const auto catalog = with_prices(two_intervals);
  CHECK(input_at(catalog, "2025-12-31T23:59:59.999999Z") == -1);
  CHECK(input_at(catalog, "2026-01-01") == 0);
  CHECK(input_at(catalog, "2026-01-31T23:59:59.999999Z") == 0);
  CHECK(input_at(catalog, "2026-02-01") == 280'000);
  CHECK(input_at(catalog, "2036-02-01") == 280'000);
  const auto& model = *catalog.find("m");
  CHECK(catalog.candidate(model, at("2026-01-15"), 0s)->quote.price_id == "p/m@2026-01-01");
  CHECK(catalog.next_price_change(model, at("2025-06-01")) == at("2026-01-01"));
  CHECK(catalog.next_price_change(model, at("2026-01-01")) == at("2026-02-01"));
  CHECK_FALSE(catalog.next_price_change(model, at("2026-02-01")));
}

TEST_CASE("before its first interval a model has no price, after its last it is retired",
          "[catalog][price]") {
  const auto catalog = with_prices(two_intervals, "retired_at = 2026-03-01T12:00:00Z\n");
  const auto& model = *catalog.find("m");
  const auto early = catalog.candidate(model, at("2025-12-31"), 0s);
  REQUIRE_FALSE(early);
  CHECK(early.error().code == "no_price");
  CHECK(early.error().http_status == 400);
  CHECK(input_at(catalog, "2026-03-01T11:59:59.999999Z") == 280'000);
  const auto late = catalog.candidate(model, at("2026-03-01T12:00:00Z"), 0s);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == "model_retired");
  CHECK(late.error().http_status == 410);
  CHECK(late.error().message == "model p/m is no longer offered (since 2026-03-01T12:00:00Z)");
  CHECK(catalog.next_price_change(model, at("2026-02-10")) == at("2026-03-01T12:00:00Z"));
}

TEST_CASE("B9: a model without any price is not routable", "[catalog][price]") {
  const auto catalog = with_prices("");
  const auto candidate = catalog.candidate(*catalog.find("m"), at("2026-06-01"), 0s);
  REQUIRE_FALSE(candidate);
  CHECK(candidate.error().code == "no_price");
}

TEST_CASE("peak hours follow the weekday, the minute and the holidays", "[catalog][price]") {
  const auto catalog = with_prices(peak);
  CHECK(input_at(catalog, "2026-09-16T00:59:59.999999Z") == 150'000);  // a Wednesday
  CHECK(input_at(catalog, "2026-09-16T01:00:00Z") == 300'000);
  CHECK(input_at(catalog, "2026-09-16T03:59:59.999999Z") == 300'000);
  CHECK(input_at(catalog, "2026-09-16T04:00:00Z") == 150'000);
  CHECK(input_at(catalog, "2026-09-16T06:00:00Z") == 300'000);
  CHECK(input_at(catalog, "2026-09-16T10:00:00Z") == 150'000);
  CHECK(input_at(catalog, "2026-09-19T02:00:00Z") == 150'000);  // Saturday
  CHECK(input_at(catalog, "2026-09-20T02:00:00Z") == 150'000);  // Sunday
  CHECK(input_at(catalog, "2026-09-21T02:00:00Z") == 300'000);  // Monday
  CHECK(input_at(catalog, "2026-10-01T02:00:00Z") == 150'000);  // Thursday, a holiday
  CHECK(input_at(catalog, "2026-10-05T02:00:00Z") == 300'000);  // Monday
  const auto& model = *catalog.find("m");
  CHECK(catalog.candidate(model, at("2026-09-16T02:00:00Z"), 0s)->quote.price_id ==
        "p/m@2026-09-14/peak");
  CHECK(catalog.candidate(model, at("2026-09-16T05:00:00Z"), 0s)->quote.price_id ==
        "p/m@2026-09-14");
}

TEST_CASE("the next change of a price is a change that matters", "[catalog][price]") {
  const auto catalog = with_prices(peak);
  const auto& model = *catalog.find("m");
  CHECK(catalog.next_price_change(model, at("2026-09-16T00:00:00Z")) == at("2026-09-16T01:00:00Z"));
  CHECK(catalog.next_price_change(model, at("2026-09-16T01:00:00Z")) == at("2026-09-16T04:00:00Z"));
  CHECK(catalog.next_price_change(model, at("2026-09-18T10:00:00Z")) ==
        at("2026-09-21T01:00:00Z"));  // over a weekend
  CHECK(catalog.next_price_change(model, at("2026-09-30T10:00:00Z")) ==
        at("2026-10-05T01:00:00Z"));  // over holidays
}

TEST_CASE("the ceiling is the dearest price up to the horizon, its end included",
          "[catalog][price]") {
  const auto catalog = with_prices(peak);
  const auto& model = *catalog.find("m");
  const auto ceiling = [&](const std::string& now, std::chrono::seconds horizon) {
    return catalog.candidate(model, at(now), horizon)->quote.ceiling.input;
  };
  CHECK(ceiling("2026-09-16T00:49:59Z", 600s) == 150'000);
  CHECK(ceiling("2026-09-16T00:50:00Z", 600s) == 300'000);
  CHECK(ceiling("2026-09-16T03:59:00Z", 600s) == 300'000);  // the price now counts, too
  CHECK(ceiling("2026-09-16T04:00:00Z", 600s) == 150'000);
  CHECK(ceiling("2026-09-30T23:00:00Z", std::chrono::hours{24}) == 150'000);  // a holiday ahead
  const auto free = with_prices(two_intervals);
  CHECK(free.candidate(*free.find("m"), at("2026-01-31T23:55:00Z"), 600s)->quote.ceiling.output ==
        420'000);
  CHECK(free.candidate(*free.find("m"), at("2026-01-31T23:45:00Z"), 600s)->quote.ceiling.output ==
        0);
}

TEST_CASE("a large prompt moves the whole request to its tier, and the ceiling knows",
          "[catalog][price]") {
  const auto catalog = with_prices(R"(
[[model.price]]
from = 2026-01-01
input_per_mtok = "0.10"
cached_per_mtok = "0.01"
output_per_mtok = "0.50"
per_request = "0.001"
[[model.price.tier]]
prompt_tokens_above = 100000
input_per_mtok = "0.50"
cached_per_mtok = "0.05"
output_per_mtok = "2.50"
)");
  const auto quote = catalog.candidate(*catalog.find("m"), at("2026-06-01"), 0s)->quote;
  CHECK(quote.rates_for(100'000).input == 100'000);
  CHECK(quote.rates_for(100'001).input == 500'000);
  CHECK(quote.rates_for(100'001).cache_write_5m ==
        100'000);  // a class a tier does not mention keeps the base's price
  CHECK(quote.rates_for(100'001).per_request == 1'000'000'000);
  CHECK(quote.ceiling.output == 2'500'000);
  CHECK(quote.rates_for(1).cache_write_1h == 100'000);  // not written: as input
}

TEST_CASE("quotes agree with a minute-by-minute oracle", "[catalog][price]") {
  const auto catalog = with_prices(peak);
  const auto& schedule = catalog.find("m")->prices;
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  const auto oracle = [](Instant t) {  // written from the price list, by hand
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const auto minute = std::chrono::floor<std::chrono::minutes>(t - day).count();
    const auto weekday = std::chrono::weekday{day}.iso_encoding();
    const bool holiday = day == at("2026-10-01") || day == at("2026-10-02");
    const bool hours = (minute >= 60 && minute < 240) || (minute >= 360 && minute < 600);
    return weekday <= 5 && !holiday && hours ? 300'000 : 150'000;
  };
  std::uint64_t wrong = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto offset = std::uniform_int_distribution<std::int64_t>{0, 60LL * 60 * 24 * 60}(random);
    const Instant now = at("2026-09-14") + std::chrono::seconds{offset};
    const auto minutes = std::uniform_int_distribution<int>{0, 180}(random);
    const auto quote = quote_at(schedule, now, std::chrono::minutes{minutes});
    std::int64_t dearest = 0;
    for (int m = 0; m <= minutes; ++m)
      dearest = std::max<std::int64_t>(dearest, oracle(now + std::chrono::minutes{m}));
    if (!quote || quote->tiers[0].rates.input != oracle(now) || quote->ceiling.input != dearest)
      ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("calls of server tools are priced where the file says so, windows included",
          "[catalog][price]") {
  const auto catalog = with_prices(R"(
[[model.price]]
from = 2026-01-01
input_per_mtok = "1"
output_per_mtok = "2"
web_search_per_1k = "10"
web_fetch_per_1k = 0
[[model.price.tier]]
prompt_tokens_above = 1000
input_per_mtok = "2"
[[model.price.window]]
name = "night"
utc = "00:00-06:00"
input_per_mtok = "0.5"
output_per_mtok = "1"
[[model.price.window]]
name = "noon"
utc = "12:00-13:00"
input_per_mtok = "1"
output_per_mtok = "2"
web_search_per_1k = "0.000001"
)",
                                   "server_tools_max = 3\nserver_tools_once = [\"web_fetch\"]\n");
  const auto quote = [&](const std::string& when, std::chrono::seconds horizon = 0s) {
    return catalog.candidate(*catalog.find("m"), at(when), horizon).value();
  };
  const PerServerTool ten{10'000'000'000};
  CHECK(quote("2026-01-02T08:00:00Z").quote.rates_for(1).items == ten);
  CHECK(quote("2026-01-02T08:00:00Z").quote.rates_for(2000).items == ten);
  CHECK(quote("2026-01-02T01:00:00Z").quote.rates_for(1).items == ten);
  CHECK(quote("2026-01-02T12:00:00Z").quote.rates_for(1).items == PerServerTool{1000});
  CHECK(quote("2026-01-02T12:59:59Z", 1s).quote.ceiling.items == ten);
  CHECK(quote("2026-01-02T08:00:00Z").server_calls_max == 3);
  CHECK(quote("2026-01-02T08:00:00Z").server_tools_once == 2);
  const auto& rates = *price_at(catalog.find("m")->prices, at("2026-01-02T01:00:00Z"))->rates;
  CHECK(rates.prices(ServerTool::web_search));
  CHECK(rates.prices(ServerTool::web_fetch));
  CHECK_FALSE(rates.prices(ServerTool::file_search));
}

TEST_CASE("the ceiling leaves out tiers that the prompt cannot reach", "[catalog][price]") {
  const auto catalog = with_prices(R"(
[[model.price]]
from = 2026-01-01
input_per_mtok = "1"
output_per_mtok = "1"
[[model.price.tier]]
prompt_tokens_above = 1000
output_per_mtok = "5"
)");
  const auto ceiling = [&](std::int64_t prompt) {
    return quote_at(catalog.find("m")->prices, at("2026-02-01"), 0s, prompt)->ceiling.output;
  };
  CHECK(ceiling(1000) == 1'000'000);
  CHECK(ceiling(1001) == 5'000'000);
  CHECK(ceiling(any_prompt) == 5'000'000);
}

TEST_CASE("windows in local time follow the zone's clocks, days and holidays", "[catalog][price]") {
  const auto catalog = with_prices(R"(
[[model.price]]
from = 2026-01-01
input_per_mtok = "1"
output_per_mtok = "1"
[[model.price.window]]
name = "peak"
days = ["mon", "tue", "wed", "thu", "fri"]
zone = "Asia/Shanghai"
local = ["09:00-12:00", "14:00-18:00"]
except = "cn"
input_per_mtok = "2"
output_per_mtok = "2"
[[model.price.window]]
name = "berlin"
days = "sun"
zone = "Europe/Berlin"
local = "02:00-03:00"
input_per_mtok = "3"
output_per_mtok = "3"
)");
  CHECK(input_at(catalog, "2026-09-16T00:59:59Z") == 1'000'000);
  CHECK(input_at(catalog, "2026-09-16T01:00:00Z") == 2'000'000);
  CHECK(input_at(catalog, "2026-09-16T04:00:00Z") == 1'000'000);
  CHECK(input_at(catalog, "2026-09-30T16:30:00Z") == 1'000'000);
  CHECK(input_at(catalog, "2026-10-01T01:00:00Z") == 1'000'000);  // a holiday in China
  // 02:00 to 03:00 comes twice on 2026-10-25 and not at all on 2026-03-29.
  CHECK(input_at(catalog, "2026-10-24T23:59:59Z") == 1'000'000);
  CHECK(input_at(catalog, "2026-10-25T00:00:00Z") == 3'000'000);
  CHECK(input_at(catalog, "2026-10-25T01:59:59Z") == 3'000'000);
  CHECK(input_at(catalog, "2026-10-25T02:00:00Z") == 1'000'000);
  CHECK(input_at(catalog, "2026-03-29T00:59:59Z") == 1'000'000);
  CHECK(input_at(catalog, "2026-03-29T01:00:00Z") == 1'000'000);
  const auto& model = *catalog.find("m");
  CHECK(catalog.next_price_change(model, at("2026-10-25T00:00:00Z")) == at("2026-10-25T02:00:00Z"));
  CHECK(catalog.next_price_change(model, at("2026-03-28T12:00:00Z")) == at("2026-03-30T01:00:00Z"));
}

TEST_CASE("faults of prices have file, line and column", "[catalog][price]") {
  const auto fault = [](const std::string& line, const std::string& more = "") {
    const test::Folder folder;
    folder.write("p.toml",
                 std::string{provider} +
                     "[[model]]\nid = \"m\"\ncontext_tokens = 1000\noutput_tokens_max = 100\n"
                     "as_of = 2026-01-01\nsource = \"test\"\n" +
                     more +
                     "[[model.price]]\nfrom = 2026-01-01\ninput_per_mtok = \"1\"\n"
                     "output_per_mtok = \"2\"\n" +
                     line);
    const auto catalog = Catalog::load(folder.path());
    if (catalog) return std::string{"none"};
    auto text = to_string(catalog.error().front());
    return text.substr(text.find("p.toml"));
  };
  const std::string window =
      "[[model.price.window]]\nname = \"w\"\ninput_per_mtok = \"1\"\noutput_per_mtok = \"1\"\n";
  CHECK(fault("") == "none");
  CHECK(fault("web_search_per_1k = \"-1\"\n") ==
        "p.toml:17:21: price p/m@2026-01-01: \"web_search_per_1k\": a price cannot be negative");
  CHECK(fault("web_searches_per_1k = \"1\"\n")
            .find("p.toml:17:1: price p/m@2026-01-01: unknown key "
                  "\"web_searches_per_1k\" (nearest: "
                  "\"web_search_per_1k\")") == 0);
  CHECK(fault("web_search_per_1k = \"0.0000000001\"\n").find("not a whole number") !=
        std::string::npos);
  CHECK(
      fault(window + "zone = \"Europe/Atlantis\"\nlocal = \"01:00-02:00\"\n")
          .find("p.toml:21:8: price p/m@2026-01-01 window \"w\": time zone \"Europe/Atlantis\"") ==
      0);
  CHECK(fault(window + "local = \"01:00-02:00\"\n").find("\"local\" needs \"zone\"") !=
        std::string::npos);
  CHECK(fault(window + "zone = \"Europe/Berlin\"\nutc = \"01:00-02:00\"\n")
            .find("\"zone\" belongs to \"local\"") != std::string::npos);
  CHECK(fault(window + "zone = \"UTC\"\nlocal = \"02:00-01:00\"\n")
            .find("\"local\" must hold ranges") != std::string::npos);
  CHECK(fault(window + window).find("two windows are called \"w\"") != std::string::npos);
  CHECK(fault("", "server_tools_once = [\"web_serch\"]\n").find("p.toml:13:21: ") == 0);
  CHECK(fault("[[model.price]]\nfrom = 2026-01-01\ninput_per_mtok = 1\noutput_per_mtok = 1\n")
            .find("overlaps price") != std::string::npos);
}
