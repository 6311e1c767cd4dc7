#include "dialect/proposed_action.hpp"

#include <catch2/catch.hpp>

#include "dialect/schema_fit.hpp"

using namespace turnpike;
using namespace turnpike::dialect;

namespace {

ProposedAction calling(std::vector<ProposedCall> calls) {
  ProposedAction action;
  action.calls = std::move(calls);
  return action;
}

constexpr std::uint64_t key = 0x1234;

bool same(const ProposedAction& a, const ProposedAction& b) { return fingerprint(a, key).action == fingerprint(b, key).action; }

}  // namespace

TEST_CASE("calls that mean the same have the same fingerprint", "[action]") {
  CHECK(same(calling({{"read", R"({"path":"./src//main.cpp","limit":10})"}}), calling({{"read", R"({"limit": 10.0, "path": "src/main.cpp/"})"}})));
  CHECK(same(calling({{"bash", R"({"command":"ls  -la\n"})"}}), calling({{"bash", R"({"command":"ls -la","timeout":null})"}})));
  CHECK(same(calling({{"a", ""}}), calling({{"a", "{}"}})));
  CHECK(same(calling({{"a", R"({"x":1})"}, {"b", "{}"}}), calling({{"b", "{}"}, {"a", R"({"x":1})"}})));
  CHECK(same(calling({{"note", "two  words\n", true}}), calling({{"note", "two words", true}})));
}

TEST_CASE("calls that differ in tool, argument or number differ in their fingerprint", "[action]") {
  const auto base = calling({{"read", R"({"path":"src/a.cpp"})"}});
  CHECK_FALSE(same(base, calling({{"read", R"({"path":"src/b.cpp"})"}})));
  CHECK_FALSE(same(base, calling({{"write", R"({"path":"src/a.cpp"})"}})));
  CHECK_FALSE(same(base, calling({{"read", R"({"path":"src/a.cpp"})"}, {"read", R"({"path":"src/a.cpp"})"}})));
  CHECK_FALSE(same(base, calling({})));
  CHECK_FALSE(same(calling({{"f", R"({"n":1})"}}), calling({{"f", R"({"n":1.5})"}})));
  CHECK_FALSE(same(calling({{"f", R"({"url":"https://a/b"})"}}), calling({{"f", R"({"url":"https://a//b"})"}})));
  CHECK(fingerprint(base, key).tools == fingerprint(calling({{"read", R"({"path":"src/b.cpp"})"}}), key).tools);
  CHECK(fingerprint(calling({}), key) == ActionPrint{});
  CHECK(fingerprint(base, key) != fingerprint(base, key + 1));
}

TEST_CASE("broken and very deep arguments are compared as text and never followed", "[action]") {
  CHECK(same(calling({{"f", R"({"a":)"}}), calling({{"f", R"({"a": )"}})));
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  CHECK(normalised_arguments(deep, false) == deep);
}

TEST_CASE("a recorder keeps the calls of the first choice, and says so when too much came", "[action]") {
  ActionRecorder recorder{4};
  recorder.record(StreamEvent{BlockStart{0, 1, BlockKind::tool_call, "id", "read"}});
  recorder.record(StreamEvent{Delta{0, 1, BlockKind::tool_call, R"({"a")"}});
  recorder.record(Delta{0, 1, BlockKind::tool_call, ":1}"});
  recorder.record(StreamEvent{BlockStart{1, 0, BlockKind::tool_call, "id", "other choice"}});
  recorder.record(Delta{0, 0, BlockKind::text, "Hello"});
  REQUIRE(recorder.action().calls.size() == 1);
  CHECK(recorder.action().calls[0].name == "read");
  CHECK(recorder.action().calls[0].arguments == R"({"a":1})");
  CHECK(recorder.action().text == "Hell");
  CHECK(recorder.action().whole);
  recorder.record(Delta{0, 1, BlockKind::tool_call, std::string(ActionRecorder::argument_bytes_max, 'x')});
  CHECK_FALSE(recorder.action().whole);
  recorder.clear();
  CHECK(recorder.action().whole);
  CHECK(recorder.action().calls.empty());
}

TEST_CASE("arguments are held against the declared schema", "[action][schema]") {
  const std::string schema = R"({"type":"object","required":["path"],"additionalProperties":false,"properties":{
    "path":{"type":"string","minLength":1},"mode":{"enum":["r","w"]},"lines":{"type":"array","items":{"type":"integer","minimum":1}},
    "deep":{"$ref":"#/$defs/node"}},"$defs":{"node":{"type":["object","null"],"properties":{"next":{"$ref":"#/$defs/node"}}}}})";
  for (const char* good : {R"({"path":"a"})", R"({"path":"a","mode":"w"})", R"({"path":"a","lines":[1,2.0]})", R"({"path":"a","deep":{"next":{"next":null}}})"}) {
    CAPTURE(good);
    CHECK(fits_schema(good, schema));
  }
  for (const char* bad : {R"({})", R"({"path":""})", R"({"path":1})", R"({"path":"a","mode":"x"})", R"({"path":"a","lines":[0]})", R"({"path":"a","lines":[1.5]})",
                          R"({"path":"a","more":1})", R"({"path":"a","deep":{"next":1}})", R"(["path"])", R"({"path":"a")"}) {
    CAPTURE(bad);
    CHECK_FALSE(fits_schema(bad, schema));
  }
}

TEST_CASE("branches of a schema are judged, and what is not judged counts as met", "[action][schema]") {
  const std::string schema = R"({"oneOf":[{"type":"string"},{"type":"integer","not":{"const":3}}]})";
  CHECK(fits_schema("\"x\"", schema));
  CHECK(fits_schema("2", schema));
  CHECK_FALSE(fits_schema("3", schema));
  CHECK_FALSE(fits_schema("null", schema));
  CHECK(fits_schema("\"abc\"", R"({"type":"string","pattern":"^(a+)+$","format":"date"})"));
  CHECK(fits_schema("null", R"({"type":"STRING","nullable":true})"));
  CHECK(fits_schema("1", "not a schema"));
  CHECK_FALSE(fits_schema("1", "false"));
}

TEST_CASE("a schema that refers to itself without end is left, not followed", "[action][schema]") {
  CHECK(fits_schema("1", R"({"$ref":"#"})"));
  CHECK(fits_schema("1", R"({"allOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}]})"));
}

TEST_CASE("the tools of a request are known by their names in every dialect", "[action][schema]") {
  struct Case {
    Dialect dialect;
    std::string body;
  };
  const std::string schema = R"({"type":"object","properties":{"path":{"type":"string"}},"required":["path"]})";
  for (auto& [dialect, body] : std::vector<Case>{
           {Dialect::openai_chat, R"({"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"read","parameters":)" + schema + "}}]}"},
           {Dialect::anthropic_messages, R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"tools":[{"name":"read","input_schema":)" + schema + "}]}"},
           {Dialect::openai_responses, R"({"model":"m","input":"x","tools":[{"type":"function","name":"read","parameters":)" + schema + "}]}"},
           {Dialect::gemini_generate, R"({"contents":[{"role":"user","parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"read","parametersJsonSchema":)" + schema + "}]}]}"}}) {
    CAPTURE(to_string(dialect));
    body.reserve(body.size() + 64);
    auto view = read_view(dialect, body);
    REQUIRE(view);
    const auto tools = DeclaredTools::read(dialect, body, *view);
    REQUIRE(tools);
    CHECK(tools->fit(calling({})));
    CHECK(tools->fit(calling({{"read", R"({"path":"a"})"}})));
    CHECK_FALSE(tools->fit(calling({{"read", R"({"path":1})"}})));
    CHECK_FALSE(tools->fit(calling({{"read", ""}})));
    CHECK_FALSE(tools->fit(calling({{"write", R"({"path":"a"})"}})));
  }
}
