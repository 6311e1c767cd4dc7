#include <catch2/catch.hpp>
#include <filesystem>

#include "app/models_dev.hpp"
#include "app/price_import.hpp"
#include "app/price_text.hpp"
#include "app/provider_edit.hpp"
#include "catalog/folder.hpp"

using namespace turnpike;
using namespace turnpike::app;
using turnpike::test::at;

namespace {

PublicModel public_model(const std::string& cost, const std::string& more = "") {
  const auto catalog = read_public_catalog(
      R"({"acme":{"id":"acme","env":["ACME_KEY"],"npm":"x","models":{"m":{"id":"m","tool_call":true,)"
      R"("last_updated":"2026-10-07","limit":{"context":1000,"output":100},"cost":)" +
      cost + more + "}}}}");
  if (!catalog) FAIL(catalog.error());
  return catalog->at("acme").models.at("m");
}

const std::string base = R"(# Acme, by hand.
[provider]
id = "acme"
dialect = "openai-chat"
base_url = "https://acme.example/v1"

[[model]]
id = "m" # the only one
context_tokens = 1_000 # counted by us
output_tokens_max = 100
as_of = 2026-01-01
source = "test"

[[model.price]]
from = 2026-01-01
input_per_mtok = "1"
cached_per_mtok = "0.10"
cache_write_5m_per_mtok = "1.25"
cache_write_1h_per_mtok = "2"
output_per_mtok = "4"
web_search_per_1k = "10"
# the end
)";

catalog::Model model_of(const std::string& text) {
  const test::Folder folder;
  auto file = catalog::read_provider_file(folder.write("acme.toml", text), {1, 0});
  for (const auto& fault : file.faults) UNSCOPED_INFO(to_string(fault));
  REQUIRE(file.faults.empty());
  REQUIRE_FALSE(file.models.empty());
  return file.models.front().model;
}

const ImportRules today{at("2026-11-22"), false};

std::vector<Difference> differences(const std::string& text, const std::string& cost,
                                    ImportRules rules = today) {
  return compare_model(model_of(text), public_model(cost), rules);
}

/// The only difference.
Difference difference(const std::string& text, const std::string& cost, ImportRules rules = today) {
  auto found = differences(text, cost, rules);
  REQUIRE(found.size() == 1);
  return found.front();
}

}  // namespace

TEST_CASE("a public catalog is read with exact prices, or the model says why not", "[import]") {
  const auto model = public_model(
      R"({"input":0.15,"output":1,"cache_read":0.003,"cache_write":1.25,"reasoning":1,"input_audio":9})");
  REQUIRE(model.rates.size() == 1);
  CHECK(model.rates[0].input == 150'000);
  CHECK(model.rates[0].output == 1'000'000);
  CHECK(model.rates[0].cache_read == 3'000);
  CHECK(model.rates[0].cache_write == 1'250'000);
  CHECK(model.tools);
  CHECK_FALSE(model.parallel_tools);
  const auto tiers =
      public_model(R"({"input":1,"output":2,"context_over_200k":{"input":2,"output":3},)"
                   R"("tiers":[{"input":4,"output":5,"tier":{"type":"context","size":272000}}]})");
  REQUIRE(tiers.rates.size() == 2);
  CHECK(tiers.rates[1].prompt_tokens_above == 272'000);
  CHECK(public_model(R"({"input":1,"output":2,"context_over_200k":{"input":2,"output":3}})")
            .rates[1]
            .prompt_tokens_above == 200'000);
  for (
      const auto* cost :
      {R"({"input":1})", R"({"input":-1,"output":1})", R"({"input":"1","output":1})",
       R"({"input":1e-9,"output":1})", R"({"input":0.1234567,"output":1})",
       R"({"input":1,"output":2,"reasoning":3})",
       R"({"input":1,"output":2,"tiers":[{"input":1,"output":1,"tier":{"type":"time","size":1}}]})"}) {
    CAPTURE(cost);
    const auto refused = public_model(cost);
    CHECK(refused.rates.empty());
    CHECK_FALSE(refused.unpriced.empty());
  }
  for (const auto* text : {"", "[]", "{}", "{\"a\":1}", "{\"a\":{\"models\":[]}}"})
    CHECK_FALSE(read_public_catalog(text));
}

TEST_CASE("equal prices change nothing, in force, in a window or announced", "[import]") {
  CHECK(differences(base, R"({"input":1,"output":4,"cache_read":0.1,"cache_write":1.25})").empty());
  CHECK(differences(base, R"({"input":1,"output":4})").empty());
  const std::string window =
      "[[model.price.window]]\nname = \"peak\"\nutc = \"01:00-02:00\"\ninput_per_mtok = "
      "\"2\"\noutput_per_mtok = \"8\"\n";
  CHECK(differences(base + window, R"({"input":2,"output":8})").empty());
  const std::string later =
      "[[model.price]]\nfrom = 2027-01-01\ninput_per_mtok = \"3\"\noutput_per_mtok = \"9\"\n";
  CHECK(differences(base + later, R"({"input":3,"output":9})").empty());
}

TEST_CASE("a changed price becomes an interval that keeps what the public catalog does not know",
          "[import]") {
  const auto changed =
      difference(base, R"({"input":2,"output":5,"cache_read":0.2,"cache_write":2.5})");
  CHECK(changed.finding == Finding::change);
  CHECK(changed.detail ==
        "input_per_mtok 1 -> 2, cached_per_mtok 0.1 -> 0.2, cache_write_5m_per_mtok 1.25 -> 2.5, "
        "cache_write_1h_per_mtok 2 -> 4, output_per_mtok 4 -> 5");
  const auto text = add_price(base, 0, today.from, changed.lines);
  REQUIRE(text);
  const auto head = base.substr(0, base.find("# the end"));
  CHECK(text->starts_with(head + "[[model.price]]\nfrom = 2026-11-22\ninput_per_mtok = \"2\"\n"));
  CHECK(text->ends_with("# the end\n"));
  const auto model = model_of(*text);
  REQUIRE(model.prices.size() == 2);
  CHECK(model.prices[0].until == today.from);
  CHECK(model.prices[0].rates == model_of(base).prices[0].rates);
  CHECK(model.prices[1].rates.tiers[0].rates.items[0] == 10'000'000'000);
  CHECK(model.prices[1].rates.prices(ServerTool::web_search));
  CHECK(model.prices[1].rates.tiers[0].rates.cache_write_1h == 4'000'000);
  CHECK(differences(*text, R"({"input":2,"output":5,"cache_read":0.2,"cache_write":2.5})").empty());
}

TEST_CASE("more than three times either way is not believed without force", "[import]") {
  CHECK(difference(base, R"({"input":3,"output":4})").finding == Finding::change);
  CHECK(difference(base, R"({"input":3.000001,"output":4})").finding == Finding::implausible);
  CHECK(difference(base, R"({"input":1,"output":1.333333})").finding == Finding::implausible);
  CHECK(difference(base, R"({"input":0,"output":4})").finding == Finding::implausible);
  CHECK(difference(base, R"({"input":10,"output":40})", {today.from, true}).finding ==
        Finding::change);
}

TEST_CASE("what the public form cannot say is left to a person", "[import]") {
  const std::string window =
      "[[model.price.window]]\nname = \"peak\"\nutc = \"01:00-02:00\"\ninput_per_mtok = "
      "\"2\"\noutput_per_mtok = \"8\"\n";
  CHECK(difference(base + window, R"({"input":1.5,"output":6})").finding == Finding::by_hand);
  const std::string tier =
      "[[model.price.tier]]\nprompt_tokens_above = 10\ninput_per_mtok = \"2\"\n";
  CHECK(difference(base + tier, R"({"input":1.5,"output":6})").finding == Finding::by_hand);
  CHECK(difference(base, R"({"input":1,"output":2,"reasoning":3})").finding == Finding::by_hand);
  auto promoted = base;
  promoted.insert(promoted.find("input_per_mtok"), "until = 2027-01-01\npromotion = true\n");
  CHECK(difference(promoted, R"({"input":1.5,"output":6})").finding == Finding::by_hand);
  CHECK(difference(base, R"({"input":1.5,"output":6})", {at("2026-01-01"), false}).finding ==
        Finding::by_hand);
}

TEST_CASE("tiers of the public catalog come along", "[import]") {
  const auto changed = difference(
      base,
      R"({"input":1,"output":4,"context_over_200k":{"input":2,"output":6,"cache_read":0.2}})");
  CHECK(changed.finding == Finding::change);
  const auto model = model_of(*add_price(base, 0, today.from, changed.lines));
  const auto& table = model.prices[1].rates;
  REQUIRE(table.count == 2);
  CHECK(table.tiers[1].prompt_tokens_above == 200'000);
  CHECK(table.tiers[1].rates.input == 2'000'000);
  CHECK(table.tiers[1].rates.cache_read == 200'000);
  CHECK(table.tiers[1].rates.items[0] == 10'000'000'000);
}

TEST_CASE("limits are told, and replaced in place on demand", "[import]") {
  const auto model =
      public_model(R"({"input":1,"output":4})", R"(,"limit":{"context":2000,"output":100})");
  const auto found = compare_model(model_of(base), model, today);
  // JSON with a key twice: the last one counts, as everywhere in JSON's readers.
  REQUIRE(found.size() == 1);
  CHECK(found[0].finding == Finding::limit);
  CHECK(found[0].detail == "context_tokens 1000 -> 2000");
  const auto text = set_number(base, 0, found[0].key, found[0].value);
  REQUIRE(text);
  CHECK(text->find("context_tokens = 2000 # counted by us\n") != std::string::npos);
  CHECK(text->size() == base.size() - 1);
}

TEST_CASE("an edit that would say anything else is refused", "[import]") {
  const std::string lines = "from = 2026-11-22\ninput_per_mtok = \"2\"\noutput_per_mtok = \"4\"\n";
  CHECK_FALSE(add_price("x = [", 0, today.from, lines));
  CHECK_FALSE(add_price(base, 1, today.from, lines));
  CHECK_FALSE(add_price(base, 0, at("2025-01-01"), lines));
  const std::string inlined =
      "[[model]]\nid = \"m\"\nprice = [{ from = 2026-01-01, input_per_mtok = \"1\" }]\n";
  CHECK_FALSE(add_price(inlined, 0, today.from, lines));
  // Two header lines that are one string: the place cannot be found by lines.
  const std::string tricky =
      "[[model]]\nid = \"m\"\n[[model.price]]\nfrom = 2026-01-01\nnote = '''\n[x]\n'''\n";
  CHECK_FALSE(add_price(tricky, 0, today.from, lines));
  CHECK_FALSE(set_number(base, 0, "family", 1));
}

TEST_CASE("a model that is not here yet is described as far as the public catalog goes",
          "[import]") {
  const auto lines = model_lines(
      public_model(R"({"input":5,"output":25,"cache_read":0.5,"cache_write":6.25})",
                   R"(,"reasoning":true,"modalities":{"input":["text","image","pdf"]})"),
      today.from);
  REQUIRE(lines);
  const auto text = add_model(
      "[provider]\nid = \"acme\"\ndialect = \"openai-chat\"\nbase_url = "
      "\"https://acme.example/v1\"\n",
      *lines);
  REQUIRE(text);
  const auto model = model_of(*text);
  CHECK(model.target() == "acme/m");
  CHECK(model.can.tools);
  CHECK(model.can.vision);
  CHECK(model.can.documents);
  CHECK(model.can.reasoning);
  CHECK_FALSE(model.can.parallel_tools);
  CHECK(model.as_of == "2026-10-07");
  REQUIRE(model.prices.size() == 1);
  CHECK(model.prices[0].rates.tiers[0].rates.cache_write_1h ==
        6'250'000);  // never below the shorter one
  CHECK_FALSE(model_lines(public_model(R"({"input":5})"), today.from));
  const auto second = add_model(*text, *lines);
  REQUIRE(second);  // the catalog refuses it: described twice
}

TEST_CASE("figures are exact decimals without trailing zeros", "[catalog]") {
  CHECK(exact_decimal(150'000, 6) == "0.15");
  CHECK(exact_decimal(0, 6) == "0");
  CHECK(exact_decimal(1, 12) == "0.000000000001");
  CHECK(exact_decimal(25'000'000, 6) == "25");
  CHECK(exact_decimal(INT64_MAX, 6) == "9223372036854.775807");
  CHECK(exact_decimal(-1'500'000, 6) == "-1.5");
}
