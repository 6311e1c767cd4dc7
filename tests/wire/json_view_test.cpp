#include "wire/json_view.hpp"

#include <catch2/catch.hpp>

#include "wire/json_splice.hpp"

namespace turnpike::wire {
namespace {

TEST_CASE("Escapes become the text they stand for") {
  CHECK(unescape(R"(a\"b\\c\/d\b\f\n\r\t)") == "a\"b\\c/d\b\f\n\r\t");
  CHECK(unescape(R"(\u0041\u00e9\u20ac\ud83d\ude00)") == "Aé€😀");
  CHECK(unescape(R"(\ud83dx)") == "\xEF\xBF\xBDx");
  CHECK(unescape(R"(\u0000)") == std::string(1, '\0'));
  CHECK(unescape("") == "");
}

TEST_CASE("A view tells absent, null and wrong types apart from values") {
  const JsonFields fields{JsonView{
      R"( {"t":"x","n":null,"i":12,"d":1.50,"b":true,"o":{"a":[1,"2"]},"big":9223372036854775808} )"}};
  CHECK(fields["t"].text() == "x");
  CHECK(fields["t"].text_is("x"));
  CHECK(fields["n"].none());
  CHECK_FALSE(fields["n"].absent());
  CHECK(fields["missing"].absent());
  CHECK(fields["i"].integer() == 12);
  CHECK_FALSE(fields["d"].integer());
  CHECK(fields["d"].number() == 1.5);
  CHECK(fields["d"].raw() == "1.50");
  CHECK_FALSE(fields["big"].integer());
  CHECK(fields["b"].boolean() == true);
  CHECK(fields["i"].text().empty());
  const auto elements = JsonFields{fields["o"]}["a"].elements();
  REQUIRE(elements.size() == 2);
  CHECK(elements[1].text() == "2");
  CHECK(fields["t"].elements().empty());
  CHECK(JsonFields{fields["t"]}.empty());
}

TEST_CASE("A name is found under an escaped spelling") {
  const JsonFields fields{JsonView{R"({"mod\u0065l":"x"})"}};
  CHECK(fields["model"].text() == "x");
}

TEST_CASE("Splices replace and insert in one pass, whatever their order") {
  const std::string text = R"({"a":1,"b":2})";
  CHECK(apply(text, {{11, 12, "22"}, {5, 6, "11"}, {12, 12, ",\"c\":3"}, {12, 12, ",\"d\":4"}}) ==
        R"({"a":11,"b":22,"c":3,"d":4})");
  CHECK(apply(text, {}) == text);
  CHECK(apply("", {{0, 0, "x"}}) == "x");
}

}  // namespace
}  // namespace turnpike::wire
