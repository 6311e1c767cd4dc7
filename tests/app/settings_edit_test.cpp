#include "app/settings_edit.hpp"

#include <catch2/catch.hpp>

#include "app/text_diff.hpp"

using namespace turnpike::app;

namespace {

std::string json(const std::string& document, const std::vector<Setting>& settings) {
  const auto edited = edit_json(document, settings);
  return edited ? *edited : "error: " + edited.error();
}

std::string toml(const std::string& document, const std::vector<Setting>& settings) {
  const auto edited = edit_toml(document, settings);
  return edited ? *edited : "error: " + edited.error();
}

std::string env(const std::string& document, const std::vector<Setting>& settings) {
  return edit_env(document, settings).value();
}

const Setting deep{{"a", "b"}, "\"x\""};

}  // namespace

TEST_CASE("JSON is written in the layout that it has", "[settings]") {
  CHECK(json("", {deep}) == "{\n  \"a\": {\n    \"b\": \"x\"\n  }\n}\n");
  CHECK(json("{}", {deep}) == "{\n  \"a\": {\n    \"b\": \"x\"\n  }\n}");
  CHECK(json("{\"c\":1}", {deep}) == "{\"c\":1, \"a\": {\"b\":\"x\"}}");
  CHECK(json("{\n\t\"c\": 1\n}", {deep}) == "{\n\t\"c\": 1,\n\t\"a\": {\n\t\t\"b\": \"x\"\n\t}\n}");
  CHECK(json("{\r\n  \"c\": 1\r\n}", {deep}) ==
        "{\r\n  \"c\": 1,\r\n  \"a\": {\r\n    \"b\": \"x\"\r\n  }\r\n}");
  CHECK(json("{\n  \"a\": {}\n}", {deep}) == "{\n  \"a\": {\n    \"b\": \"x\"\n  }\n}");
  CHECK(json("{\n  \"a\": { \"c\": 1 }\n}", {deep}) == "{\n  \"a\": { \"c\": 1, \"b\": \"x\" }\n}");
}

TEST_CASE("what JSON holds besides keeps its bytes", "[settings]") {
  const std::string odd =
      "{ \"n\" : 1.50e+2, \"u\": \"\\u00e9\\/\", \"a\": {\"b\" : \"y\", \"b\": [1,2,{}]} }";
  CHECK(json(odd, {deep}) ==
        "{ \"n\" : 1.50e+2, \"u\": \"\\u00e9\\/\", \"a\": {\"b\" : \"y\", \"b\": \"x\"} }");
  CHECK(json("{\"a\": {\"b\":\"x\" }}", {deep}) == "{\"a\": {\"b\":\"x\" }}");
  CHECK(json("// head\n{\n  \"s\": \"// no } comment\", // \"a\": {\n  \"a\": 1\n}\n",
             {{{"a"}, "2"}}) ==
        "// head\n{\n  \"s\": \"// no } comment\", // \"a\": {\n  \"a\": 2\n}\n");
  CHECK(json("{\n  // nothing yet\n}\n", {{{"a"}, "2"}}) == "{\n  \"a\": 2\n  // nothing yet\n}\n");
}

TEST_CASE("JSON that cannot be edited is refused with the reason", "[settings]") {
  CHECK(json("{\"a\":1}", {deep}) == "error: \"a\" holds something else than an object");
  CHECK(json("{", {deep}) == "error: it is not valid JSON: line 1");
  CHECK(json("{\n\"a\":1,\n\"apiKey\": \"sk-1\nx", {deep}) ==
        "error: it is not valid JSON: line 3");
  CHECK(json("{\"a\":1,}", {deep}) == "error: it is not valid JSON: line 1");
  CHECK(json("7", {deep}) == "error: it does not hold a JSON object");
}

TEST_CASE("TOML keys come to the end of their table, tables to the end of the file", "[settings]") {
  const Setting top{{"m"}, "\"v\""};
  const Setting inner{{"t", "u"}, "true"};
  CHECK(toml("", {top, inner}) == "m = \"v\"\n\n[t]\nu = true\n");
  CHECK(toml("# only a remark", {top}) == "m = \"v\"\n\n# only a remark");
  CHECK(toml("a = 1\n[t]\n", {top, inner}) == "a = 1\nm = \"v\"\n[t]\nu = true\n");
  CHECK(toml("a = 1", {top}) == "a = 1\nm = \"v\"\n");
  CHECK(toml("a = [\n  1,\n]\n[t]\nb = \"\"\"\n[t]\n\"\"\"\n[z]\n", {top, inner}) ==
        "a = [\n  1,\n]\nm = \"v\"\n[t]\nb = \"\"\"\n[t]\n\"\"\"\nu = true\n[z]\n");
  CHECK(toml("[t.sub]\nx = 1\n", {inner}) == "[t.sub]\nx = 1\n\n[t]\nu = true\n");
  CHECK(toml("[[m2]]\nx = 1\n", {top}) == "m = \"v\"\n\n[[m2]]\nx = 1\n");
}

TEST_CASE("a TOML value is replaced where it stands", "[settings]") {
  CHECK(toml("\"é\" = 1\nm = 'old' # why\n", {{{"m"}, "\"v\""}}) == "\"é\" = 1\nm = \"v\" # why\n");
  CHECK(toml("t = { \"é\" = 2, u = false, w = 1 }\n", {{{"t", "u"}, "true"}}) ==
        "t = { \"é\" = 2, u = true, w = 1 }\n");
  CHECK(toml("t.u = false\n", {{{"t", "u"}, "true"}}) == "t.u = true\n");
  CHECK(toml("m = \"v\"", {{{"m"}, "\"v\""}}) == "m = \"v\"");
}

TEST_CASE("TOML that cannot be edited safely is refused", "[settings]") {
  const Setting inner{{"t", "u"}, "true"};
  CHECK(toml("t = { a = 1 }\n", {inner}).starts_with("error: "));
  CHECK(toml("t = 5\n", {inner}).starts_with("error: "));
  CHECK(toml("[[t]]\na = 1\n", {inner}).starts_with("error: "));
  CHECK(toml("[t]\n[t]\n", {inner}).starts_with("error: it is not valid TOML: line 2"));
}

TEST_CASE("a line of an env file is replaced, or added at the end", "[settings]") {
  CHECK(env("", {{{"A"}, "\"1\""}}) == "A=1\n");
  CHECK(env("# A=0\n export A = 2 \r\nAB=3", {{{"A"}, "\"1\""}}) == "# A=0\n export A =1\r\nAB=3");
  CHECK(env("A=1\nB=2\nA=3\n", {{{"A"}, "\"9\""}}) == "A=9\nB=2\nA=9\n");
  CHECK(env("B=2", {{{"A"}, "\"9#\""}}) == "B=2\nA=\"9#\"\n");
}

TEST_CASE("a unified diff shows three lines around each change", "[diff]") {
  CHECK(unified_diff("a\n", "a\n", "x", "y").empty());
  CHECK(unified_diff("", "a\n", "x", "y") == "--- x\n+++ y\n@@ -0,0 +1,1 @@\n+a\n");
  CHECK(unified_diff("a", "b\n", "x", "y") ==
        "--- x\n+++ y\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\n");
  std::string before;
  for (int i = 1; i <= 20; ++i) before += std::to_string(i) + "\n";
  auto after = before;
  after.replace(after.find("5\n"), 2, "five\n");
  after.replace(after.find("18\n"), 3, "");
  CHECK(unified_diff(before, after, "x", "y") ==
        "--- x\n+++ y\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        "@@ -15,6 +15,5 @@\n 15\n 16\n 17\n-18\n 19\n 20\n");
  auto near = before;
  near.replace(near.find("5\n"), 2, "five\n");
  near.replace(near.find("12\n"), 3, "twelve\n");  // six lines between: one hunk
  CHECK(unified_diff(before, near, "x", "y").find("@@", 20) != std::string::npos);
  CHECK(unified_diff(before, near, "x", "y").find("@@ -2,14 +2,14 @@") != std::string::npos);
}

TEST_CASE("secrets are cut, references and other values are not", "[diff]") {
  CHECK(mask_secrets("\"apiKey\": \"sk-abcdefgh\", \"model\": \"auto\"") ==
        "\"apiKey\": \"sk-a…\", \"model\": \"auto\"");
  CHECK(mask_secrets("+GEMINI_API_KEY=abcdefghijk\n+GEMINI_MODEL=turnpike-frontier\n") ==
        "+GEMINI_API_KEY=abcd…\n+GEMINI_MODEL=turnpike-frontier\n");
  CHECK(mask_secrets("password = 'short'") == "password = '…'");
  CHECK(mask_secrets("\"Authorization\": \"Bearer abcdefghijkl\"") ==
        "\"Authorization\": \"Bear…\"");
  for (const std::string plain :
       {"env_key = \"TURNPIKE_KEY\"", "\"apiKey\": \"{env:TURNPIKE_KEY}\"", "KEY=\"$TURNPIKE_KEY\"",
        "\"max_tokens\": 4096", "\"use_token\": true", "\"keys\": {\"a\": 1}", "the key is here"}) {
    CHECK(mask_secrets(plain) == plain);
  }
}
