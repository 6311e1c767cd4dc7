// What lowering a schema may cost: text and time in proportion to the schema, whatever a client
// writes into it.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "dialect/schema_lowering.hpp"
#include "wire/json_view.hpp"

using turnpike::dialect::lower_schema;
using turnpike::wire::JsonView;

namespace {

constexpr std::size_t always_allowed = 64UL * 1024;
constexpr std::string_view cut = R"({"type":"object"})";

/// `depth` schemas inside each other, the innermost a string.
std::string nested(std::string_view prefix, std::string_view suffix, int depth) {
  std::string text;
  for (int level = 0; level < depth; ++level) text += prefix;
  text += R"({"type":"string"})";
  for (int level = 0; level < depth; ++level) text += suffix;
  return text;
}

std::size_t occurrences(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1))
    ++count;
  return count;
}

/// `"name0"<middle>,"name1"<middle>,…`
std::string names(int count, std::string_view middle) {
  std::string text;
  for (int number = 0; number < count; ++number)
    text += fmt::format("{}\"name{}\"{}", number == 0 ? "" : ",", number, middle);
  return text;
}

/// Quadratic work over 30,000 names takes seconds in any build; proportional work a fraction.
template <typename Work>
void finishes_soon(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{2});
}

}  // namespace

TEST_CASE("a type named twice does not double the schema at every level") {
  const auto bomb = nested(R"({"type":["object","object","null"],"properties":{"a":)", "}}", 40);
  const auto lowered = lower_schema(bomb);
  CHECK(lowered.json.size() < 4 * bomb.size());
  CHECK(occurrences(lowered.json, "properties") == 40);
  CHECK_FALSE(lowered.lossy);
}

TEST_CASE("each alternative carries the keywords of its own type only, at any depth") {
  const auto bomb =
      nested(R"({"type":["object","array","null","array","string","object"],"minItems":1,"items":)",
             "}", 40);
  const auto lowered = lower_schema(bomb);
  CHECK(lowered.json.size() < 4 * bomb.size());
  CHECK(occurrences(lowered.json, "items") == 40);

  CHECK(lower_schema(R"({"type":["object","object","array"],"items":{"type":"string"},)"
                     R"("properties":{"a":{"type":"null"}},"required":["a"]})")
            .json ==
        R"({"anyOf":[{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]},)"
        R"({"type":"array","items":{"type":"string"}}]})");
}

TEST_CASE("a type repeated alone is that type") {
  CHECK(lower_schema(R"({"type":["integer","integer"],"minimum":1})").json ==
        R"({"type":"integer","minimum":1})");
}

TEST_CASE("ordinary unions and nullable types are written as alternatives") {
  const auto becomes = [](std::string_view schema, std::string_view expected) {
    const auto lowered = lower_schema(schema);
    CHECK(lowered.json == expected);
    CHECK_FALSE(lowered.lossy);
  };
  becomes(R"({"type":["string","null"],"description":"d"})",
          R"({"description":"d","anyOf":[{"type":"string"},{"type":"null"}]})");
  becomes(R"({"type":"integer","nullable":true,"minimum":2})",
          R"({"anyOf":[{"type":"integer","minimum":2},{"type":"null"}]})");
  becomes(R"({"type":["string","null"],"nullable":true})",
          R"({"anyOf":[{"type":"string"},{"type":"null"}]})");
  becomes(R"({"type":"object","properties":{"b":{"type":"string"},"a":true},"required":["b"]})",
          R"({"type":"object","properties":{"b":{"type":"string"},"a":{}},"required":["b"]})");
  becomes(R"({"allOf":[{"required":["b","a"]},{"required":["a","c"]}]})",
          R"({"required":["b","a","c"]})");
}

TEST_CASE("thirty thousand names are lowered in proportion") {
  constexpr int count = 30'000;
  const auto required = fmt::format(R"({{"required":[{}]}})", names(count, ""));
  const auto properties = fmt::format(R"({{"properties":{{{}}}}})", names(count, ":true"));

  SECTION("required in two branches") {
    finishes_soon([&] {
      const auto lowered = lower_schema(fmt::format(R"({{"allOf":[{},{}]}})", required, required));
      CHECK(lowered.json == required);
    });
  }
  SECTION("properties in two branches") {
    finishes_soon([&] {
      const auto lowered =
          lower_schema(fmt::format(R"({{"allOf":[{},{}]}})", properties, properties));
      CHECK(JsonView{lowered.json}.members().front().value.members().size() == count);
      CHECK(lowered.lossy);
    });
  }
  SECTION("keywords nobody knows") {
    finishes_soon([&] {
      const auto lowered = lower_schema(fmt::format("{{{}}}", names(count, ":1")));
      CHECK(lowered.json == "{}");
      CHECK(lowered.lossy);
    });
  }
  SECTION("types beside as many keywords") {
    finishes_soon([&] {
      const auto schema =
          fmt::format(R"({{"type":[{}],{}}})", names(count, ""), names(count, ":1"));
      const auto lowered = lower_schema(schema);
      CHECK(occurrences(lowered.json, R"("type")") == count);
      CHECK(lowered.json.size() <= std::max(always_allowed, 4 * schema.size()));
    });
  }
}

TEST_CASE("a subtree beyond the limit becomes any object, and those before it stay") {
  const auto lowered = lower_schema(
      R"({"properties":{"a":{"type":"string"},"b":{"enum":["0123456789012345678901234567890123456789)"
      R"(0123456789"]},"c":{"type":"string"}}})",
      90);
  CHECK(lowered.json == R"({"properties":{"a":{"type":"string"},"b":{"type":"object"},)"
                        R"("c":{"type":"object"}}})");
  CHECK(lowered.lossy);
}

TEST_CASE("no limit is exceeded, and what fits a limit exactly is not cut") {
  const auto schema = nested(R"({"type":["object","null"],"properties":{"x":{"enum":[1,2,3]},"a":)",
                             R"(},"title":"t"})", 12);
  const auto whole = lower_schema(schema);
  REQUIRE_FALSE(whole.lossy);
  for (std::size_t limit = 0; limit <= whole.json.size(); ++limit) {
    const auto lowered = lower_schema(schema, limit);
    REQUIRE(lowered.json.size() <= std::max(limit, cut.size()));
    REQUIRE(lowered.lossy == (limit < whole.json.size()));
  }
  CHECK(lower_schema(schema, whole.json.size()).json == whole.json);
  CHECK(lower_schema(schema, 0).json == cut);
}
