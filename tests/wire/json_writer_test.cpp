#include "wire/json_writer.hpp"

#include <catch2/catch.hpp>
#include <limits>

namespace turnpike::wire {

TEST_CASE("objects and arrays get their commas and colons", "[wire][json_writer]") {
  std::string out;
  JsonWriter json{out};
  json.begin_object().member("a", 1).member("b", true).key("c").begin_array();
  json.value("x").value(std::int64_t{-9223372036854775807 - 1}).null().begin_object().end_object();
  json.end_array().key("d").raw(R"({"n":1e400})").member("e", 0.25).end_object();
  CHECK(out ==
        R"({"a":1,"b":true,"c":["x",-9223372036854775808,null,{}],"d":{"n":1e400},"e":0.25})");
}

TEST_CASE("every byte that JSON forbids in a string is escaped and nothing else",
          "[wire][json_writer]") {
  std::string all;
  for (char c = 0; c < 0x20; ++c) all += c;
  std::string out;
  append_quoted(out, all + "\"\\/\x7f\u00e9\U0001F600");
  CHECK(out ==
        "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u"
        "000f"
        "\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001"
        "c\\u001d\\u001e"
        "\\u001f\\\"\\\\/\x7f\u00e9\U0001F600\"");
}

TEST_CASE("line separators are escaped on request only", "[wire][json_writer]") {
  const std::string_view text = "a\u2028b\u2029c\u2027";
  std::string plain;
  append_quoted(plain, text);
  CHECK(plain == "\"a\u2028b\u2029c\u2027\"");
  std::string escaped;
  append_quoted(escaped, text, true);
  CHECK(escaped == "\"a\\u2028b\\u2029c\u2027\"");
  std::string cut;
  append_quoted(cut, "\xE2\x80", true);  // the end of the text inside a sequence is not read past
  CHECK(cut == "\"\xE2\x80\"");
}

TEST_CASE("numbers that JSON cannot say become null", "[wire][json_writer]") {
  std::string out;
  JsonWriter json{out};
  json.begin_array()
      .value(std::numeric_limits<double>::infinity())
      .value(-0.0)
      .value(1e21)
      .end_array();
  CHECK(out == "[null,-0,1e+21]");
}

}  // namespace turnpike::wire
