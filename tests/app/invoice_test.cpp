#include "app/invoice.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "app/invoice_reading.hpp"

using namespace turnpike;
using namespace turnpike::app;

namespace {

std::string golden(const std::string& name) {
  std::ifstream file{std::string{TURNPIKE_SOURCE_DIR} + "/tests/golden/invoices/" + name, std::ios::binary};
  REQUIRE(file);
  return {std::istreambuf_iterator<char>{file}, {}};
}

Invoice read(const std::string& bytes) {
  auto invoice = read_invoice(bytes, std::nullopt);
  INFO((invoice ? std::string{} : invoice.error().message));
  REQUIRE(invoice);
  return std::move(*invoice);
}

std::string refusal(const std::string& bytes, std::optional<InvoiceProvider> wanted = {}) {
  const auto invoice = read_invoice(bytes, wanted);
  REQUIRE_FALSE(invoice);
  CHECK(invoice.error().code == "bad_invoice");
  return invoice.error().message;
}

struct Sum {
  std::int64_t count = 0;
  PicoMoney amount = 0;
  bool operator==(const Sum&) const = default;
};
/// By model and class.
std::map<std::pair<std::string, BilledClass>, Sum> sums(const Invoice& invoice) {
  std::map<std::pair<std::string, BilledClass>, Sum> sums;
  for (const auto& line : invoice.lines) {
    auto& sum = sums[{line.model, line.billed}];
    sum.count += line.count.value_or(0);
    sum.amount += line.amount.value_or(0);
  }
  return sums;
}

constexpr PicoMoney unit = 1'000'000'000'000;
constexpr PicoMoney cent = unit / 100;
constexpr auto opus = "claude-opus-5-5";
constexpr auto haiku = "claude-haiku-4-5";
using enum BilledClass;

}  // namespace

TEST_CASE("the Console's usage export gives counts by day, model, key and class", "[invoice]") {
  const auto invoice = read(golden("anthropic-usage.csv"));
  CHECK(invoice.provider == InvoiceProvider::anthropic);
  CHECK(invoice.currency == "USD");
  CHECK(invoice.zone == "UTC");
  const auto found = sums(invoice);
  CHECK(found.at({opus, input}) == Sum{100'000, 0});
  CHECK(found.at({opus, cache_read}) == Sum{2'000'000, 0});
  CHECK(found.at({opus, cache_write_5m}) == Sum{50'000, 0});
  CHECK(found.at({opus, cache_write_1h}) == Sum{10'000, 0});
  CHECK(found.at({opus, output}) == Sum{40'000, 0});
  CHECK(found.at({haiku, input}) == Sum{1'500'000, 0});
  CHECK_FALSE(found.contains({haiku, cache_read}));
  CHECK(invoice.lines.back().key == "laptop");
  CHECK(std::ranges::find(invoice.columns_ignored, "context_window") != invoice.columns_ignored.end());
}

TEST_CASE("the Console's cost export names models for people and rounds to cents", "[invoice]") {
  const auto invoice = read(golden("anthropic-cost.csv"));
  const auto found = sums(invoice);
  CHECK(found.at({opus, input}) == Sum{0, 40 * cent});
  CHECK(found.at({opus, cache_write_1h}) == Sum{0, 8 * cent});
  CHECK(found.at({haiku, output}) == Sum{0, unit});
  CHECK(invoice.decimals == 2);
}

TEST_CASE("the Admin API's reports say the same as the Console's exports", "[invoice]") {
  auto usage = sums(read(golden("anthropic-usage.csv")));
  usage[{haiku, input}].count -= 500'000;  // the report has one key only
  CHECK(sums(read(golden("anthropic-usage-report.json"))) == usage);
  auto cost = sums(read(golden("anthropic-cost.csv")));
  cost[{haiku, input}].amount -= unit / 2;
  const auto report = read(golden("anthropic-cost-report.json"));
  CHECK(sums(report) == cost);
  CHECK(report.decimals == 7);  // "100.00000" cents
}

TEST_CASE("DeepSeek's amounts are counts times a price per token", "[invoice]") {
  const auto amounts = read(golden("deepseek-amount.csv"));
  CHECK(amounts.currency.empty());
  const auto found = sums(amounts);
  CHECK(found.at({"deepseek-flash", input}) == Sum{1'500'000, 30 * cent});
  CHECK(found.at({"deepseek-flash", cache_read}) == Sum{4'000'000, unit * 12 / 1000});
  CHECK(found.at({"deepseek-flash", output}) == Sum{400'000, 30 * cent});
  CHECK(found.size() == 3);
  CHECK(amounts.notes == std::vector<std::string>{"42 requests by the provider's count"});

  const auto costs = read(golden("deepseek-cost.csv"));
  CHECK(costs.currency == "USD");
  CHECK(sums(costs).at({"deepseek-flash", whole}) == Sum{0, unit * 612 / 1000});
  const auto both = merge({amounts, costs});
  REQUIRE(both);
  CHECK(both->currency == "USD");
  CHECK(both->lines.size() == amounts.lines.size() + costs.lines.size());
}

TEST_CASE("Google's cost table is read behind its preamble, without other services, taxes and totals", "[invoice]") {
  const auto table = read(golden("google-cost-table.csv"));
  CHECK(table.provider == InvoiceProvider::google);
  CHECK(table.currency == "USD");
  CHECK(table.zone == "America/Los_Angeles");
  const auto found = sums(table);
  const auto pro = "gemini-3-1-pro";
  CHECK(found.at({pro, input}) == Sum{1'000'000, 2 * unit});
  CHECK(found.at({pro, cache_read}) == Sum{500'000, 10 * cent});
  CHECK(found.at({pro, output}) == Sum{100'000, 120 * cent});
  CHECK(found.size() == 3);
  CHECK(table.notes == std::vector<std::string>{"rows of other services left out: 1, 5.00 in all", "rows of taxes left out: 1, 0.50 in all"});

  const auto exported = read(golden("google-bigquery.csv"));
  CHECK(sums(exported) == found);
  CHECK(exported.zone == "UTC");
}

TEST_CASE("columns may stand in any order; a missing one is named; a strange file is refused", "[invoice]") {
  const auto turned = read("output_tokens,model,usage_input_tokens_cache_read,usage_input_tokens_cache_write_5m,input_tokens,usage_date_utc,new\n"
                           "5,claude-opus-5-5,0,0,7,2026-11-20T13:00:00Z,x\n");
  CHECK(sums(turned).at({opus, output}).count == 5);
  CHECK(turned.columns_ignored == std::vector<std::string>{"new"});
  CHECK(refusal("usage_date_utc,model_version,usage_input_tokens_no_cache\n").find("usage_input_tokens_cache_read") != std::string::npos);
  CHECK(refusal("utc_date,model,cost\n2026-11-20,x,1\n").find("currency") != std::string::npos);
  CHECK(refusal("SKU description,Cost ($)\nx,1\n").find("usage_start_date") != std::string::npos);
  CHECK(refusal("a,b\n1,2\n").find("no export") != std::string::npos);
  CHECK(refusal("{\"data\": 1}").find("data") != std::string::npos);
  CHECK(refusal("{\"data\": [").find("not valid JSON") != std::string::npos);
  CHECK(refusal(golden("deepseek-cost.csv"), InvoiceProvider::google).find("deepseek, not of google") != std::string::npos);
  CHECK(refusal("utc_date,model,type,amount\n2026-11-20,x,output_tokens,12.5\n").starts_with("line 2: amount"));
  CHECK(refusal("utc_date,model,type,amount\n2026-13-20,x,output_tokens,12\n").starts_with("line 2: utc_date"));
}

TEST_CASE("files of two vendors or currencies are not one invoice", "[invoice]") {
  const auto deepseek = read(golden("deepseek-cost.csv"));
  CHECK_FALSE(merge({deepseek, read(golden("anthropic-cost.csv"))}));
  auto yuan = deepseek;
  yuan.currency = "CNY";
  CHECK_FALSE(merge({deepseek, yuan}));
}

TEST_CASE("one model has one name, however it is spelt", "[invoice]") {
  for (const char* name : {"claude-haiku-4-5", "Claude Haiku 4.5", "claude-haiku-4-5-20251001", "CLAUDE_HAIKU 4.5 "}) CHECK(canonical_model(name) == haiku);
  for (const char* name : {"gemini-3.1-pro-preview", "gemini 3.1 pro preview short text", "gemini 3.1 pro long input text"}) CHECK(canonical_model(name) == "gemini-3-1-pro");
  CHECK(canonical_model("gemini-3.1-flash-lite") == "gemini-3-1-flash-lite");
  CHECK(canonical_model("deepseek-v3.2") == "deepseek-v3-2");
  CHECK(canonical_model("").empty());
}

TEST_CASE("numbers are read as spreadsheets write them, without floating point", "[invoice]") {
  CHECK(read_money("1.2345") == unit * 12345 / 10000);
  CHECK(read_money("$1,234.50") == 123'450 * cent);
  CHECK(read_money("-0.01") == -cent);
  CHECK(read_money("3.584e-07") == 358'400);
  CHECK(read_money("0.0000000000005") == 1);   // half a pico, to the nearest
  CHECK(read_money("0.00000000000049") == 0);
  CHECK(read_money("0.000000003625", nullptr, 6) == 3'625'000'000);
  for (const char* text : {"", "abc", "1.2.3", "1e", "1e999", "99999999999999", "0x10", "1 2"}) {
    INFO(text);
    CHECK_FALSE(read_money(text));
  }
  CHECK(read_count("1,234") == 1234);
  CHECK(read_count("1234.0") == 1234);
  CHECK_FALSE(read_count("12.5"));
  CHECK_FALSE(read_count("-1"));
  CHECK_FALSE(read_count("99999999999999999999"));
  CHECK(read_day("20261120") == read_day("2026-11-20"));
  CHECK(read_day("2026/9/1") == read_day("2026-09-01T23:59:59Z"));
  CHECK_FALSE(read_day("20.11.2026"));
  CHECK_FALSE(read_day("2026-11"));
}
