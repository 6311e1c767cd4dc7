#include "app/reconcile.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "account/account_fixture.hpp"
#include "app/invoice_reading.hpp"

using namespace turnpike;
using namespace turnpike::app;
using account::Charge;
using account::EntryKind;

namespace {

constexpr auto opus = "anthropic/claude-opus-5-5";

Instant at(const char* text) { return parse_instant(text).value(); }
Credits credits(const char* text) { return parse_credits(text).value(); }

/// Credits per million tokens.
PriceQuote quote(const char* id, std::int64_t input, std::int64_t cached, std::int64_t five, std::int64_t hour, std::int64_t output) {
  PriceQuote quote;
  quote.price_id = id;
  quote.tiers[0].rates = {.input = input, .cache_read = cached, .cache_write_5m = five, .cache_write_1h = hour, .output = output};
  quote.ceiling = quote.tiers[0].rates;
  return quote;
}

const PriceQuote opus_price = quote("anthropic/claude-opus-5-5@2026-10-01", 4'000'000, 200'000, 5'000'000, 8'000'000, 20'000'000);
const PriceQuote haiku_price = quote("anthropic/claude-haiku-4-5@2026-01-01", 1'000'000, 100'000, 1'250'000, 2'000'000, 5'000'000);
const account::PathDetail path{.key_id = "k1", .org = "acme"};

Charge charge_of(std::string_view target, const PriceQuote& price, const char* when, const Usage& usage) {
  Charge charge;
  charge.path = &path;
  charge.target = target;
  charge.price = &price;
  charge.at = at(when);
  charge.admitted = charge.at - std::chrono::seconds{5};
  charge.usage = usage;
  charge.amount = turnpike::charge(price, usage).value();
  charge.reserved = charge.amount + charge.amount;
  return charge;
}

/// What the fixtures bill, exactly: 1.93 credits of Opus on the 20th, 2.00 of Haiku on the 21st.
constexpr Usage opus_usage{100'000, 2'000'000, 50'000, 10'000, 30'000, 10'000};
constexpr Usage haiku_usage{.input_fresh = 1'000'000, .output_text = 200'000};

LedgerDays anthropic_days() {
  LedgerDays days{"anthropic", "UTC"};
  days.add(charge_of(opus, opus_price, "2026-11-20T10:00:00Z", opus_usage));
  days.add(charge_of("anthropic/claude-haiku-4-5", haiku_price, "2026-11-21T10:00:00Z", haiku_usage));
  days.add(charge_of("deepseek/deepseek-flash", haiku_price, "2026-11-21T10:00:00Z", haiku_usage));  // not theirs
  return days;
}

Invoice golden(std::initializer_list<const char*> names) {
  std::vector<Invoice> invoices;
  for (const char* name : names) {
    std::ifstream file{std::string{TURNPIKE_SOURCE_DIR} + "/tests/golden/invoices/" + name, std::ios::binary};
    REQUIRE(file);
    auto invoice = read_invoice(std::string{std::istreambuf_iterator<char>{file}, {}}, std::nullopt);
    REQUIRE(invoice);
    invoices.push_back(std::move(*invoice));
  }
  auto whole = merge(std::move(invoices));
  REQUIRE(whole);
  return std::move(*whole);
}

const ReconcileOptions one_to_one{catalog::Decimal{1, 0}, {}, nullptr};
const ReconcileOptions gateway_only{catalog::Decimal{1, 0}, {"gateway"}, nullptr};

Reconciliation run(const Invoice& invoice, const LedgerDays& days, const ReconcileOptions& options = one_to_one) {
  auto result = reconcile(invoice, days, options);
  INFO((result ? std::string{} : result.error().message));
  REQUIRE(result);
  // Whatever the causes are, they are the whole difference, row by row.
  for (const auto& row : result->rows) {
    Credits sum;
    for (const auto& cause : row.causes) sum += cause.amount;
    INFO(row.model);
    CHECK(sum == row.difference);
    CHECK(row.invoice - row.exact - row.estimated - row.corrections == row.difference);
  }
  return std::move(*result);
}

/// Of the only row with a difference.
std::vector<CauseAmount> causes(const Reconciliation& result) {
  std::vector<CauseAmount> found;
  for (const auto& row : result.rows) found.insert(found.end(), row.causes.begin(), row.causes.end());
  return found;
}

bool only(const Reconciliation& result, Cause cause, const char* amount) {
  const auto found = causes(result);
  for (const auto& one : found) UNSCOPED_INFO(to_string(one.cause) << " " << to_string(one.amount) << " " << one.detail);
  return found.size() == 1 && found[0].cause == cause && found[0].amount == credits(amount);
}

/// An invoice of one Opus day, written by hand.
Invoice opus_day(std::vector<InvoiceLine> lines) {
  Invoice invoice;
  invoice.currency = "USD";
  invoice.lines = std::move(lines);
  return invoice;
}
InvoiceLine line(BilledClass billed, std::int64_t count, const char* amount, const char* day = "2026-11-20") {
  InvoiceLine made;
  made.first = made.last = read_day(day).value();
  made.model = "claude-opus-5-5";
  made.billed = billed;
  made.count = count;
  if (amount != nullptr) made.amount = credits(amount).nano() * 1000;
  return made;
}

using enum BilledClass;

}  // namespace

TEST_CASE("an invoice of what the ledger charged has no difference, in every form", "[reconcile]") {
  const auto days = anthropic_days();
  for (const auto& invoice : {golden({"anthropic-usage-report.json"}), golden({"anthropic-cost-report.json"}),
                              golden({"anthropic-usage-report.json", "anthropic-cost-report.json"})}) {
    const auto result = run(invoice, days);
    INFO(invoice.form);
    CHECK(result.rows.size() == 2);
    CHECK(result.invoice == credits("3.93"));
    CHECK(result.exact == credits("3.93"));
    CHECK(result.difference == Credits{});
    CHECK(causes(result).empty());
    CHECK(result.within(Credits{}));
  }
  const auto result = run(golden({"anthropic-usage.csv", "anthropic-cost.csv"}), days, gateway_only);
  CHECK(only(result, Cause::other_keys, "0.5"));  // the laptop's
  CHECK(result.rows[1].model == opus);
}

TEST_CASE("traffic of another key is set apart, or shows as not through the gateway", "[reconcile]") {
  const auto days = anthropic_days();
  const auto both = golden({"anthropic-usage.csv", "anthropic-cost.csv"});
  CHECK(only(run(both, days, gateway_only), Cause::other_keys, "0.5"));
  const auto unaware = run(both, days);
  CHECK(only(unaware, Cause::not_through_gateway, "0.5"));
  CHECK(causes(unaware)[0].detail == "input +500000");
  CHECK_FALSE(unaware.within(credits("1")));
  CHECK(unaware.within(credits("12")));  // 0.5 of 4.43
  auto rows = unaware.rows;
  REQUIRE(rows[0].classes.size() == 2);
  CHECK(rows[0].classes[0].invoice_count == 1'500'000);
  CHECK(rows[0].classes[0].ledger_count == 1'000'000);
}

TEST_CASE("an estimate explains as much as it can be wrong by, and no more", "[reconcile]") {
  LedgerDays days{"anthropic", "UTC"};
  auto estimate = charge_of(opus, opus_price, "2026-11-20T10:00:00Z", {.input_fresh = 1000, .output_text = 1000});  // 0.024, reserved 0.048
  estimate.kind = EntryKind::settle_estimated;
  estimate.cause = "client_gone";
  days.add(estimate);
  const auto fewer = run(opus_day({line(input, 1000, "0.004"), line(output, 400, "0.008")}), days);
  CHECK(only(fewer, Cause::estimates, "-0.012"));
  CHECK(causes(fewer)[0].detail == "0.024 in all by estimate (client_gone 1)");
  CHECK(fewer.estimated == credits("0.024"));
  CHECK(only(run(opus_day({line(input, 1000, "0.004"), line(output, 2000, "0.04")}), days), Cause::estimates, "0.02"));
  const auto beyond = causes(run(opus_day({line(input, 1000, "0.004"), line(output, 5000, "0.1")}), days));
  REQUIRE(beyond.size() == 2);
  CHECK(beyond[0].cause == Cause::estimates);
  CHECK(beyond[0].amount == credits("0.024"));
  CHECK(beyond[1].cause == Cause::not_through_gateway);
  CHECK(beyond[1].amount == credits("0.056"));
}

TEST_CASE("an attempt that is void here and billed there is found by its reservation", "[reconcile]") {
  LedgerDays days{"anthropic", "UTC"};
  days.add(charge_of(opus, opus_price, "2026-11-20T09:00:00Z", {.input_fresh = 1000}));
  auto refused = charge_of(opus, opus_price, "2026-11-20T10:00:00Z", {});
  refused.kind = EntryKind::void_;
  refused.cause = "upstream_500";
  refused.reserved = credits("0.05");
  days.add(refused);
  const auto result = run(opus_day({line(input, 3000, "0.012")}), days);
  CHECK(only(result, Cause::void_billed, "0.008"));
  CHECK(causes(result)[0].detail == "void: upstream_500 1");
}

TEST_CASE("another price per token is told by its figures", "[reconcile]") {
  const auto result = run(opus_day({line(input, 100'000, "0.5"), line(cache_read, 2'000'000, "0.4"), line(cache_write_5m, 50'000, "0.25"),
                                    line(cache_write_1h, 10'000, "0.08"), line(output, 40'000, "0.8")}),
                          [] {
                            LedgerDays days{"anthropic", "UTC"};
                            days.add(charge_of(opus, opus_price, "2026-11-20T10:00:00Z", opus_usage));
                            return days;
                          }());
  CHECK(only(result, Cause::price, "0.1"));
  CHECK(causes(result)[0].detail == "input 5.00 instead of 4.00 per million");
}

TEST_CASE("prompt tokens in another class are a split, not other traffic", "[reconcile]") {
  LedgerDays days{"anthropic", "UTC"};
  days.add(charge_of(opus, opus_price, "2026-11-20T10:00:00Z", {.input_fresh = 100'000, .input_cache_read = 100'000}));  // 0.4 + 0.02
  const auto result = run(opus_day({line(input, 50'000, "0.2"), line(cache_read, 150'000, "0.03")}), days);
  CHECK(only(result, Cause::cache_classes, "-0.19"));
  CHECK(causes(result)[0].detail == "50000 prompt tokens in another class");
}

TEST_CASE("an attempt over midnight is on the invoice's other day", "[reconcile]") {
  LedgerDays days{"anthropic", "UTC"};
  auto night = charge_of(opus, opus_price, "2026-11-21T00:00:02Z", {.input_fresh = 10'000});
  days.add(night);  // admitted 3 s before midnight, settled 2 s after it
  days.add(charge_of(opus, opus_price, "2026-11-21T10:00:00Z", {.input_fresh = 10'000}));
  const auto result = run(opus_day({line(input, 10'000, "0.04"), line(input, 10'000, "0.04", "2026-11-21")}), days);
  REQUIRE(result.rows.size() == 2);
  CHECK(result.difference == Credits{});
  CHECK(result.within(Credits{}));  // over the model's days nothing is left
  const auto found = causes(result);
  REQUIRE(found.size() == 2);
  CHECK(found[0].cause == Cause::day_boundary);
  CHECK(found[0].amount == credits("0.04"));
  CHECK(found[1].cause == Cause::day_boundary);
  CHECK(found[1].amount == credits("-0.04"));
}

TEST_CASE("rounding is a cause only where it can be the whole of it", "[reconcile]") {
  LedgerDays days{"anthropic", "UTC"};
  for (int i = 0; i < 3; ++i) days.add(charge_of(opus, opus_price, "2026-11-20T10:00:00Z", {.input_fresh = 1001}));  // 0.004004 each
  auto invoice = opus_day({line(input, 3003, "0.01")});
  invoice.decimals = 2;
  CHECK(only(run(invoice, days), Cause::rounding, "-0.002012"));
  invoice.lines[0].amount = credits("0.02").nano() * 1000;
  CHECK(only(run(invoice, days), Cause::price, "0.007988"));
}

TEST_CASE("what operators corrected is in the ledger's sum, on the day of what it corrects", "[reconcile]") {
  account::testing::Fixture f;
  auto reservation = f.reserve();
  (void)reservation.dispatch();
  reservation.settle_exact({.input_fresh = 1000});  // 0.001 credits on 2026-11-22
  const auto settled = f.ledger->figures().entries;
  f.clock.set("2026-11-25T12:00:00Z");
  REQUIRE(f.ledger->correct(settled, credits("0.0005"), "bob", "invoice 12"));
  LedgerDays days{"acme", "UTC"};
  const auto corrections = f.ledger->definitions(EntryKind::correction);
  REQUIRE(corrections);
  REQUIRE(corrections->size() == 1);
  days.correct(settled, Credits::from_nano(corrections->front().amount));
  REQUIRE(f.ledger->each_charge({}, [&](const Charge& charge) { days.add(charge); }));
  auto billed = line(input, 1500, "0.0015", "2026-11-22");
  billed.model = "plain";
  const auto result = run(opus_day({billed}), days);
  REQUIRE(result.rows.size() == 1);
  CHECK(result.rows[0].model == "acme/plain");
  CHECK(result.corrections == credits("0.0005"));
  CHECK(result.difference == Credits{});
}

TEST_CASE("days and models that only one side has are shown", "[reconcile]") {
  auto days = anthropic_days();
  auto stranger = line(input, 1000, "0.3");
  stranger.model = "claude-fable-5-1";
  const auto result = run(opus_day({stranger, line(input, 100'000, "0.4"), line(cache_read, 2'000'000, "0.4"), line(cache_write_5m, 50'000, "0.25"),
                                    line(cache_write_1h, 10'000, "0.08"), line(output, 40'000, "0.8"), line(input, 0, "0", "2026-11-21")}),
                          days);
  REQUIRE(result.rows.size() == 4);
  CHECK(result.rows[0].model == "claude-fable-5-1");
  REQUIRE(result.rows[0].causes.size() == 1);
  CHECK(result.rows[0].causes[0].cause == Cause::not_through_gateway);
  CHECK(result.rows[1].model == "anthropic/claude-haiku-4-5");
  REQUIRE(result.rows[1].causes.size() == 1);
  CHECK(result.rows[1].causes[0].cause == Cause::not_on_invoice);
  CHECK(result.rows[1].difference == credits("-2"));
  CHECK(result.apart == credits("2.3"));
}

TEST_CASE("DeepSeek's two prices a day and its wallets come to the ledger's sum", "[reconcile]") {
  const auto off = quote("deepseek/deepseek-flash@2026-09-14", 150'000, 3'000, 150'000, 150'000, 600'000);
  const auto peak = quote("deepseek/deepseek-flash@2026-09-14/peak", 300'000, 6'000, 300'000, 300'000, 1'200'000);
  LedgerDays days{"deepseek", "UTC"};
  days.add(charge_of("deepseek/deepseek-flash", off, "2026-11-20T12:00:00Z", {.input_fresh = 1'000'000, .input_cache_read = 4'000'000, .output_text = 300'000}));
  days.add(charge_of("deepseek/deepseek-flash", peak, "2026-11-20T02:00:00Z", {.input_fresh = 500'000, .output_text = 100'000}));
  for (const auto& invoice : {golden({"deepseek-amount.csv"}), golden({"deepseek-cost.csv"}), golden({"deepseek-amount.csv", "deepseek-cost.csv"})}) {
    INFO(invoice.form);
    const auto result = run(invoice, days);
    CHECK(result.invoice == credits("0.612"));
    CHECK(causes(result).empty());
  }
  auto dearer = golden({"deepseek-amount.csv", "deepseek-cost.csv"});
  dearer.lines.back().amount = *dearer.lines.back().amount + 50'000'000'000;
  CHECK(only(run(dearer, days), Cause::sum_of_classes, "0.05"));
}

TEST_CASE("a foreign currency is compared by counts, or at a rate", "[reconcile]") {
  LedgerDays days{"anthropic", "UTC"};
  days.add(charge_of(opus, opus_price, "2026-11-20T10:00:00Z", {.input_fresh = 100'000}));
  auto invoice = opus_day({line(input, 100'000, "2.8")});
  invoice.currency = "CNY";
  const auto by_counts = run(invoice, days, {std::nullopt, {}, nullptr});
  REQUIRE(by_counts.rows.size() == 1);
  CHECK(by_counts.rows[0].computed);
  CHECK(by_counts.invoice == credits("0.4"));
  CHECK(by_counts.notes.size() == 1);
  CHECK(run(invoice, days, {catalog::Decimal{1, 1}, {}, nullptr}).invoice == credits("0.28"));
  invoice.lines[0].count.reset();
  const auto refused = reconcile(invoice, days, {std::nullopt, {}, nullptr});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("--rate") != std::string::npos);
}

TEST_CASE("counts of a model that the ledger did not charge that day cost the catalog's price", "[reconcile]") {
  const LedgerDays days{"anthropic", "UTC"};
  const auto invoice = opus_day({line(output, 1'000'000, nullptr)});
  ReconcileOptions options = one_to_one;
  options.list_price = [](const std::string& model, std::chrono::sys_days) -> std::optional<Rates> {
    if (model != "claude-opus-5-5") return std::nullopt;
    return Rates{.output = 20'000'000};
  };
  CHECK(only(run(invoice, days, options), Cause::not_through_gateway, "20"));
  const auto unknown = run(invoice, days);
  CHECK(unknown.invoice == Credits{});
  CHECK(unknown.notes.size() == 1);
}

TEST_CASE("rows that span several days are compared over all of them, in the invoice's zone", "[reconcile]") {
  const auto pro = quote("gemini/gemini-3.1-pro-preview@2026-01-01", 2'000'000, 200'000, 2'000'000, 2'000'000, 12'000'000);
  LedgerDays days{"gemini", "America/Los_Angeles"};
  // 04:00 UTC on the 21st is the evening of the 20th in Los Angeles.
  days.add(charge_of("gemini/gemini-3.1-pro-preview", pro, "2026-11-21T04:00:00Z", {.input_fresh = 1'000'000, .input_cache_read = 500'000}));
  days.add(charge_of("gemini/gemini-3.1-pro-preview", pro, "2026-11-20T09:00:00Z", {.output_text = 100'000}));
  const auto daily = golden({"google-cost-table.csv"});
  const auto result = run(daily, days);
  CHECK(result.rows.size() == 1);
  CHECK(result.invoice == credits("3.3"));
  CHECK(causes(result).empty());
  const auto [since, until] = days.span(daily.lines[0].first, daily.lines[0].last);
  CHECK(to_rfc3339(since) == "2026-11-20T08:00:00Z");
  CHECK(to_rfc3339(until) == "2026-11-21T08:00:00Z");

  auto month = daily;
  for (auto& one : month.lines) {
    one.first -= std::chrono::days{19};
    one.last += std::chrono::days{10};
  }
  const auto whole = run(month, days);
  REQUIRE(whole.rows.size() == 1);
  CHECK(whole.rows[0].last - whole.rows[0].first == std::chrono::days{29});
  CHECK(causes(whole).empty());
}
