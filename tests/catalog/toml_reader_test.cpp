#include "catalog/toml_reader.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "catalog/folder.hpp"

using namespace turnpike;
using namespace turnpike::catalog;

namespace {

std::vector<std::string> texts(const FaultLog& log) {
  std::vector<std::string> all;
  for (const auto& fault : log.faults()) all.push_back(to_string(fault));
  return all;
}

}  // namespace

TEST_CASE("every fault of a table is reported with its place and the nearest known key",
          "[catalog][toml]") {
  const auto root = parse_toml(
      "name = 7\nlimit = \"many\"\n\n  tagets = [\"a\"]\ncount = 12\nwhen = 2026-09-14T10:00:00\n",
      "x.toml");
  REQUIRE(root);
  FaultLog log{"x.toml"};
  TableReader table{*root, "[x]", log};
  CHECK_FALSE(table.string("name"));
  CHECK_FALSE(table.boolean("limit"));
  table.strings("targets");
  CHECK_FALSE(table.integer("count", 1, 10));
  CHECK_FALSE(table.instant("when"));
  table.required_string("id");
  table.finish();
  CHECK(texts(log) == std::vector<std::string>{
                          "x.toml:1:8: [x]: \"name\" must be a string, not an integer",
                          "x.toml:2:9: [x]: \"limit\" must be a boolean, not a string",
                          "x.toml:5:9: [x]: \"count\" must lie between 1 and 10",
                          "x.toml:6:8: [x]: \"when\" must be a date such as 2026-09-14 or a time "
                          "with a zone such as "
                          "2026-09-14T16:00:00Z, not a time without a zone",
                          "x.toml:1:1: [x]: \"id\" is missing",
                          "x.toml:4:3: [x]: unknown key \"tagets\" (nearest: \"targets\")",
                      });
}

TEST_CASE("a syntax error is a fault at its place", "[catalog][toml]") {
  const auto root = parse_toml("a = 1\nb = = 2\n", "y.toml");
  REQUIRE_FALSE(root);
  CHECK(root.error().file == "y.toml");
  CHECK(root.error().line == 2);
  CHECK(root.error().column == 5);
  CHECK_FALSE(root.error().message.empty());
}

TEST_CASE("texts that toml++ itself trips over are faults like any other", "[catalog][toml]") {
  for (const std::string text :
       {"[\n", "[[\n/x]]", "[\xff]",
        "gr\xc3\xb6\xc3\x9f"
        "e = 1",
        "a = 1 \xc8\x89", "a = \"x\" \xd1\x8f", "\xc2\xa1", "[a.\xc4\x80]"}) {
    INFO(text);
    const auto root = parse_toml(text, "z.toml");
    REQUIRE_FALSE(root);
    CHECK(root.error().line >= 1);
    CHECK_FALSE(root.error().message.empty());
  }
  CHECK(
      parse_toml("\"gr\xc3\xb6\xc3\x9f"
                 "e\" = 'gr\xc3\xb6\xc3\x9f"
                 "e' # gr\xc3\xb6\xc3\x9f"
                 "e\n",
                 "z.toml"));
}

TEST_CASE("floating numbers pass as prices only if their decimal is certain", "[catalog][toml]") {
  const auto root = parse_toml(
      "a = 0.28\nb = 1e-7\nc = inf\nd = 0.1234567890123456789\ne = 3\nf = \"0.003\"\ng = "
      "true\nh=0.30",
      "z");
  REQUIRE(root);
  FaultLog log{"z"};
  TableReader table{*root, "t", log};
  CHECK(table.decimal("a") == Decimal{28, 2});
  CHECK(table.decimal("b") == Decimal{1, 7});
  CHECK_FALSE(table.decimal("c"));
  CHECK_FALSE(table.decimal("d"));
  CHECK(table.decimal("e") == Decimal{3, 0});
  CHECK(table.decimal("f") == Decimal{3, 3});
  CHECK_FALSE(table.decimal("g"));
  CHECK(table.decimal("h") == Decimal{3, 1});
  CHECK(log.faults().size() == 3);
}

TEST_CASE("dates are midnight UTC and offsets are applied", "[catalog][toml]") {
  const auto root =
      parse_toml("a = 2026-09-14\nb = 2026-09-14T02:30:00+02:30\nc = 2025-12-15T15:59:00Z", "z");
  REQUIRE(root);
  FaultLog log{"z"};
  TableReader table{*root, "t", log};
  CHECK(table.instant("a") == test::at("2026-09-14"));
  CHECK(table.instant("b") == test::at("2026-09-14"));
  CHECK(table.instant("c") == test::at("2025-12-15T15:59:00Z"));
}

TEST_CASE("the nearest name is near enough to be meant, or none", "[catalog][fault]") {
  const std::array<std::string, 3> known{"deepseek/deepseek-flash", "anthropic/claude-opus-5-5",
                                         "bulk"};
  CHECK(nearest_name("anthropic/claude-opus-5", known) == "anthropic/claude-opus-5-5");
  CHECK(nearest_name("blk", known) == "bulk");
  CHECK(nearest_name("ublk", known) == "bulk");
  CHECK_FALSE(nearest_name("zzzzzzzzzzzz", known));
  CHECK(nearest_hint("zzzzzzzzzzzz", known).empty());
  CHECK_FALSE(nearest_name(std::string(100'000, 'a'), known));
}

TEST_CASE("a fault says where, and warnings say that they are", "[catalog][fault]") {
  CHECK(to_string(Fault{"p.toml", 14, 9, "m", Severity::error}) == "p.toml:14:9: m");
  CHECK(to_string(Fault{"p.toml", 14, 9, "m", Severity::warning}) == "p.toml:14:9: warning: m");
  CHECK(to_string(Fault{"p.toml", 0, 0, "m", Severity::error}) == "p.toml: m");
}
