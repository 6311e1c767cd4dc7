#include "dialect/prompt_meter.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "dialect/facts.hpp"

namespace turnpike::dialect {
namespace {

RequestFacts facts_of(Dialect dialect, std::string body, std::uint64_t key = 7) {
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  auto facts = read_facts(dialect, *document, RequestHead{}, key);
  if (!facts) FAIL(facts.error().message);
  return std::move(*facts);
}

RequestFacts messages(const std::string& inner, const std::string& head = {}) {
  return facts_of(Dialect::anthropic_messages,
                  R"({"model":"m","max_tokens":9,)" + head + R"("messages":[)" + inner + "]}");
}

bool begins_with(const RequestFacts& whole, const RequestFacts& part) {
  if (part.trail.marks.size() > whole.trail.marks.size()) return false;
  for (std::size_t i = 0; i < part.trail.marks.size(); ++i) {
    const auto& one = whole.trail.marks[i];
    const auto& other = part.trail.marks[i];
    if (one.hash != other.hash || one.text_bytes != other.text_bytes ||
        one.messages != other.messages || one.media != other.media) {
      return false;
    }
  }
  return true;
}

const std::string ask = R"({"role":"user","content":"Fix the parser."})";
const std::string said =
    R"({"role":"assistant","content":[{"type":"text","text":"Look."},{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls"}}]})";
const std::string result =
    R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"a.cpp"}]})";

}  // namespace

TEST_CASE("what comes later changes no mark before it, and every dialect sets one per message",
          "[dialect][facts][trail]") {
  struct Given {
    Dialect dialect;
    std::string begin, more, end;
    std::size_t marks;
  };
  const std::vector<Given> all{
      {Dialect::anthropic_messages,
       R"({"model":"m","max_tokens":1,"messages":[)" + ask + "," + said, "," + result, "]}", 3},
      {Dialect::openai_chat,
       R"({"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]})",
       R"(,{"role":"tool","tool_call_id":"c","content":"done"})", "]}", 3},
      {Dialect::openai_responses,
       R"({"model":"m","input":[{"role":"user","content":"a"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"})",
       R"(,{"type":"function_call_output","call_id":"c","output":"done"})", "]}", 3},
      {Dialect::gemini_generate,
       R"({"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1}}}]})",
       R"(,{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"done"}}}]})",
       "]}", 3}};
  for (const auto& given : all) {
    CAPTURE(to_string(given.dialect));
    const auto shorter = facts_of(given.dialect, given.begin + given.end);
    const auto longer = facts_of(given.dialect, given.begin + given.more + given.end);
    REQUIRE(longer.trail.marks.size() == given.marks);
    CHECK(begins_with(longer, shorter));
    CHECK(longer.trail.head == shorter.trail.head);
    CHECK(longer.trail.marks.back().hash != shorter.trail.marks.back().hash);
    CHECK(longer.trail.marks.back().messages == longer.messages);
    CHECK(longer.trail.marks.back().text_bytes + longer.trail.head_bytes == longer.text_bytes);
  }
}

TEST_CASE("cache marks and blanks between tokens change no hash, words do",
          "[dialect][facts][trail]") {
  const auto plain = messages(
      ask, R"("tools":[{"name":"Bash","input_schema":{"type":"object"}}],"system":"You code.",)");
  const auto marked = messages(
      R"({ "role" : "user", "content" : [ {"type":"text","text":"Fix the parser.","cache_control":{"type":"ephemeral"}} ] })",
      R"("system":[{"type":"text","text":"You code.","cache_control":{"type":"ephemeral","ttl":"1h"}}],)"
      R"("tools":[{"name":"Bash","input_schema":{ "type":"object" },"cache_control":{"type":"ephemeral"}}],)");
  CHECK(plain.trail.head == marked.trail.head);
  CHECK(plain.trail.marks.back().hash == marked.trail.marks.back().hash);
  CHECK(plain.trail.marks.back().text_bytes == marked.trail.marks.back().text_bytes);

  const auto other_words = messages(R"({"role":"user","content":"Fix the lexer."})");
  const auto other_speaker = messages(R"({"role":"assistant","content":"Fix the parser."})");
  const auto two_pieces = messages(
      R"({"role":"user","content":[{"type":"text","text":"Fix the"},{"type":"text","text":" parser."}]})");
  for (const auto* other : {&other_words, &other_speaker, &two_pieces}) {
    CHECK(other->trail.marks.back().hash != plain.trail.marks.back().hash);
  }
}

TEST_CASE("a property that is named like a cache mark belongs to its schema",
          "[dialect][facts][trail]") {
  const auto tool = [](const std::string& type) {
    return messages(
        ask, R"("tools":[{"name":"f","input_schema":{"properties":{"cache_control":{"type":")" +
                 type + R"("}}}}],)");
  };
  CHECK(tool("string").trail.head != tool("number").trail.head);
}

TEST_CASE("tools, system and format are the head, in whatever order they come",
          "[dialect][facts][trail]") {
  const std::string tools = R"("tools":[{"name":"f","input_schema":{}}],)";
  const std::string system = R"("system":"You code.",)";
  const auto one = messages(ask, tools + system);
  const auto other = messages(ask, system + tools);
  CHECK(one.trail.head == other.trail.head);
  CHECK(one.trail.head_bytes == other.trail.head_bytes);
  CHECK(messages(ask, system).trail.head != one.trail.head);
  CHECK(messages(ask, tools).trail.head != one.trail.head);
  CHECK(messages(ask, system).trail.marks.back().hash == one.trail.marks.back().hash);
}

TEST_CASE("Claude Code's header block is counted and proves nothing", "[dialect][facts][trail]") {
  const auto with = [](const std::string& block) {
    return messages(ask, R"("system":[{"type":"text","text":")" + block +
                             R"("},{"type":"text","text":"You code."}],)");
  };
  const auto one = with("x-anthropic-billing-header: cch=11111;");
  const auto other = with("x-anthropic-billing-header: cch=22222;");
  CHECK(one.trail.head == other.trail.head);
  CHECK(one.trail.head_bytes == 9);
  CHECK(one.text_bytes - one.trail.head_bytes - one.trail.marks.back().text_bytes == 38);
}

TEST_CASE("images and files are part of the proof", "[dialect][facts][trail]") {
  const auto with = [](const std::string& data, const std::string& type = "image") {
    return messages(R"({"role":"user","content":[{"type":")" + type +
                    R"(","source":{"type":"base64","media_type":"image/png","data":")" + data +
                    R"("}}]})");
  };
  const auto one = with("aGVsbG8=");
  CHECK(one.trail.marks.back().media == 1);
  CHECK(one.text_bytes == 0);
  CHECK(one.trail.marks.back().hash == with("aGVsbG8=").trail.marks.back().hash);
  CHECK(one.trail.marks.back().hash != with("aGVsbA==").trail.marks.back().hash);
  const auto file = with("aGVsbG8=", "document");
  CHECK(file.files == 1);
  CHECK(file.images == 0);
  CHECK(file.trail.marks.back().media == 1);
}

TEST_CASE("a cache mark that asks for an hour is seen wherever marks may stand",
          "[dialect][facts][trail]") {
  const std::string hour = R"("cache_control":{"type":"ephemeral","ttl":"1h"})";
  const auto text = [](const std::string& mark) {
    return R"({"role":"user","content":[{"type":"text","text":"a",)" + mark + "}]}";
  };
  CHECK_FALSE(messages(ask).hour_cache);
  CHECK_FALSE(messages(text(R"("cache_control":{"type":"ephemeral"})")).hour_cache);
  CHECK_FALSE(messages(text(R"("cache_control":{"type":"ephemeral","ttl":"5m"})")).hour_cache);
  CHECK(messages(text(hour)).hour_cache);
  CHECK(messages(ask, hour + ",").hour_cache);
  CHECK(messages(ask, R"("system":[{"type":"text","text":"a",)" + hour + "}],").hour_cache);
  CHECK(messages(ask, R"("tools":[{"name":"f","input_schema":{},)" + hour + "}],").hour_cache);
  CHECK(messages(
            R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"x",)" +
            hour + "}]}")
            .hour_cache);
  CHECK(
      messages(
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"x",)" +
          hour + "}]}]}")
          .hour_cache);
  CHECK(messages(
            R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{},)" +
            hour + "}]}")
            .hour_cache);
  CHECK(
      messages(
          R"({"role":"user","content":[{"type":"search_result","source":"s","title":"t","content":[],)" +
          hour + "}]}")
          .hour_cache);
}

TEST_CASE("hashes of different keys cannot be compared", "[dialect][facts][trail]") {
  const std::string body = R"({"model":"m","messages":[{"role":"user","content":"a"}]})";
  const auto one = facts_of(Dialect::openai_chat, body, 1);
  CHECK(one.trail.marks.back().hash ==
        facts_of(Dialect::openai_chat, body, 1).trail.marks.back().hash);
  CHECK(one.trail.marks.back().hash !=
        facts_of(Dialect::openai_chat, body, 2).trail.marks.back().hash);
}

TEST_CASE("of many messages only the last get a mark, each the same as in a shorter prompt",
          "[dialect][facts][trail]") {
  std::string inner;
  const std::size_t count = PromptTrail::marks_max + 5;
  for (std::size_t i = 0; i < count; ++i)
    inner += (i == 0 ? "" : ",") + std::string{R"({"role":"user","content":"n)"} +
             std::to_string(i) + R"("})";
  const auto all = messages(inner);
  REQUIRE(all.trail.marks.size() == PromptTrail::marks_max);
  CHECK(all.trail.marks.front().messages == 6);
  const auto more = messages(inner + "," + ask);
  CHECK(more.trail.marks[PromptTrail::marks_max - 2].hash == all.trail.marks.back().hash);
}

TEST_CASE("a chain tells where one text ends and the next begins, at every length",
          "[dialect][facts][trail]") {
  const auto value = [](const std::vector<std::string>& texts) {
    TextChain chain{3};
    for (const auto& text : texts) chain.add(text);
    return chain.value();
  };
  CHECK(value({"ab", "c"}) != value({"a", "bc"}));
  CHECK(value({"", "a"}) != value({"a", ""}));
  CHECK(value({}) != value({""}));
  for (const std::size_t length : {1U, 255U, 256U, 257U, 1000U, 1024U, 5000U}) {
    std::string text(length, 'x');
    const auto whole = value({text});
    CHECK(whole == value({text}));
    text.back() = 'y';
    CHECK(whole != value({text}));
  }
}

}  // namespace turnpike::dialect
