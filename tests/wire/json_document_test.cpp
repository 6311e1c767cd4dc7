#include "wire/json_document.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <thread>

namespace turnpike::wire {
namespace {

std::string code_of(std::string body) {
  const auto document = JsonDocument::parse(body);
  return document ? "" : document.error().code;
}

std::string message_of(std::string body) {
  const auto document = JsonDocument::parse(body);
  return document ? "" : document.error().message;
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

TEST_CASE("J1: JSON nested 128 deep is read, one level more is refused", "[J1]") {
  for (const std::size_t depth : {1U, 126U, 127U, 128U}) {
    CHECK(code_of(std::string(depth, '[') + std::string(depth, ']')) == "");
    CHECK(code_of(std::string(depth, '[') + "1" + std::string(depth, ']')) == "");
    CHECK(code_of(repeated(R"({"a":)", depth) + "1" + std::string(depth, '}')) == "");
  }
  for (const std::size_t depth : {129U, 130U, 10'000U, 1'000'000U}) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(code_of(std::string(depth, '[') + std::string(depth, ']')) == "too_deep");
    CHECK(code_of(std::string(depth, '[')) == "too_deep");
    CHECK(code_of(repeated(R"({"a":)", depth)) == "too_deep");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{3});
  }
}

TEST_CASE("J5: what is not one JSON document is refused at the byte where it goes wrong", "[J3][J5]") {
  struct Case {
    std::string body;
    std::string code;
    std::size_t byte;
  };
  const std::vector<Case> cases = {
      {"", "empty_body", 0},
      {" \n ", "empty_body", 3},
      {R"({"a":1}x)", "invalid_json", 7},
      {"{} {}", "invalid_json", 3},
      {"NaN", "invalid_json", 0},
      {"{\"a\":1} // no", "invalid_json", 8},
      {"/* no */ {}", "invalid_json", 0},
      {"\xEF\xBB\xBF{}", "invalid_json", 0},
      {"[1,]", "invalid_json", 3},
      {R"({"a":1,})", "invalid_json", 7},
      {"{'a':1}", "invalid_json", 1},
      {"[01]", "invalid_json", 2},
      {"[1.]", "invalid_json", 3},
      {"[.5]", "invalid_json", 1},
      {"[+1]", "invalid_json", 1},
      {"[1e]", "invalid_json", 3},
      {"[tru]", "invalid_json", 1},
      {"\"a\nb\"", "invalid_json", 2},
      {R"("\x")", "invalid_json", 2},
      {R"("\u12g4")", "invalid_json", 5},
      {R"(["abc)", "invalid_json", 5},
      {"\"\xC0\x80\"", "invalid_utf8", 1},
      {"\"ab\xED\xA0\x80\"", "invalid_utf8", 3},
      {"\"\xF4\x90\x80\x80\"", "invalid_utf8", 1},
      {"\"\xE2\x82\"", "invalid_utf8", 1},
  };
  for (const auto& [body, code, byte] : cases) {
    INFO(body);
    CHECK(code_of(body) == code);
    CHECK(message_of(body).find("at byte " + std::to_string(byte) + ":") != std::string::npos);
  }
}

TEST_CASE(
    "Lone surrogate escapes are replaced in place, pairs and escaped backslashes are not touched") {
  struct Case {
    std::string before;
    std::string after;
    std::uint32_t repaired;
  };
  const std::vector<Case> cases = {
      {R"(["\ud83d"])", R"(["\ufffd"])", 1},
      {R"(["\uDE00x\uD83D"])", R"(["\ufffdx\ufffd"])", 2},
      {R"(["\ud83d\ud83d\ude00"])", R"(["\ufffd\ud83d\ude00"])", 1},
      {R"(["\ud83d\u0041"])", R"(["\ufffd\u0041"])", 1},
      {R"(["\\ud83d"])", R"(["\\ud83d"])", 0},
      {R"(["\\\ud83d"])", R"(["\\\ufffd"])", 1},
      {R"(["\ud83d\ude00 \u00e9"])", R"(["\ud83d\ude00 \u00e9"])", 0},
  };
  for (const auto& [before, after, repaired] : cases) {
    // At every alignment, for the block-wise search.
    for (std::size_t pad = 0; pad < 70; pad += 3) {
      std::string body = std::string(pad, ' ') + before + std::string(pad % 5, ' ');
      const auto document = JsonDocument::parse(body);
      REQUIRE(document);
      CHECK(document->repaired() == repaired);
      CHECK(body == std::string(pad, ' ') + after + std::string(pad % 5, ' '));
    }
  }
}

TEST_CASE("Numbers beyond machine range are valid JSON and no integers") {
  for (const std::string number : {"1e400", "-1e400", "18446744073709551616",
                                   "-9223372036854775809", "123456789012345678901234567890"}) {
    std::string body = R"({"n":)" + number + R"(,"m":7})";
    const auto original = body;
    const auto document = JsonDocument::parse(body);
    REQUIRE(document);
    CHECK(body == original);
    CHECK(document->root()["n"].is_double());
    CHECK(document->root()["m"].get_int64().value() == 7);
  }
  CHECK(code_of("[" + std::string(100'000, '9') + "]") == "");
}

TEST_CASE("A document of any root type is read, also after a large one") {
  for (const std::string root : {"null", "true", "1", "\"x\"", "[]", "{}"})
    CHECK(code_of(root) == "");
  std::string large = "[\"" + std::string(std::size_t{3} << 20U, 'x') + "\",42]";
  const auto document = JsonDocument::parse(large);
  REQUIRE(document);
  CHECK(code_of("[1]") == "");
  CHECK(document->root().at(1).get_int64().value() == 42);
}

TEST_CASE("Threads read bodies independently") {
  std::vector<std::thread> threads;
  std::vector<int> sums(4, 0);
  for (std::size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([&sums, t] {
      for (int i = 0; i < 200; ++i) {
        std::string body = "[" + std::to_string(i) + "]";
        const auto document = JsonDocument::parse(body);
        if (document) sums[t] += static_cast<int>(document->root().at(0).get_int64().value());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(sums == std::vector<int>(4, 19'900));
}

TEST_CASE("A body of 200 KB is checked in well under a millisecond") {
  std::string body = R"({"model":"x","messages":[)";
  for (int i = 0; i < 400; ++i) {
    body += i == 0 ? "" : ",";
    body += R"({"role":"user","content":")" + repeated(R"(some line of \"quoted\" code;\n\t)", 14) +
            "\"}";
  }
  body += "]}";
  REQUIRE(body.size() > 190'000);
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 40; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(JsonDocument::parse(body));
    best = std::min(best, std::chrono::nanoseconds{std::chrono::steady_clock::now() - begin});
  }
#if !defined(__SANITIZE_ADDRESS__) && defined(NDEBUG)
  CHECK(best < std::chrono::microseconds{1000});
#endif
  WARN("200 KB with an escape every 8 bytes: " << best.count() / 1000 << " us");
}

TEST_CASE("A string ends where a walk byte by byte ends it, whatever runs of backslashes it has") {
  const auto plain_end = [](std::string_view text) {
    bool escaped = false;
    for (std::size_t at = 1; at < text.size(); ++at) {
      if (text[at] == '"' && !escaped) return at + 1;
      escaped = text[at] == '\\' && !escaped;
    }
    return text.size();
  };
  constexpr std::uint32_t seed = 20261123;
  INFO("seed " << seed);
  std::mt19937 random{seed};
  for (int round = 0; round < 20'000; ++round) {
    std::string text = "\"";
    const auto length = random() % 300;
    const auto often = 1 + random() % 40;  // from nothing but backslashes to hardly any
    while (text.size() < length) text += random() % often == 0 ? (random() % 8 == 0 ? '"' : '\\') : 'x';
    text += "\",\"tail\"";
    INFO(text);
    REQUIRE(string_end(text, 0) == plain_end(text));
  }
}

std::string_view cut(std::string_view text, std::size_t begin, std::size_t end) { return text.substr(begin, end - begin); }

TEST_CASE("Members and elements are found where they stand") {
  std::string text =
      " {\"a\" : [1, {\"x\":\"]}\\\"\"}] ,\n\"b\\\"\":\"\\\\\",\"c\":-1.5e3, \"d\":{}, \"e\":[ ], "
      "\"f\":null}\n";
  const auto document = JsonDocument::parse(text);
  REQUIRE(document);
  const auto& places = document->places();
  for (const auto& members : {top_level_members(text), places.members(), places.members(1)}) {
    const auto value = [&](std::size_t i) { return cut(text, members[i].value_begin, members[i].value_end); };
    REQUIRE(members.size() == 6);
    CHECK(members[0].key == "a");
    CHECK(text[members[0].key_begin] == '"');
    CHECK(value(0) == R"([1, {"x":"]}\""}])");
    CHECK(members[1].key == R"(b\")");
    CHECK(value(1) == R"("\\")");
    CHECK(value(2) == "-1.5e3");
    CHECK(value(3) == "{}");
    CHECK(value(4) == "[ ]");
    CHECK(value(5) == "null");
    const auto elements = places.elements(members[0].value_begin);
    REQUIRE(elements.size() == 2);
    CHECK(cut(text, elements[0].first, elements[0].second) == "1");
    CHECK(cut(text, elements[1].first, elements[1].second) == R"({"x":"]}\""})");
    CHECK(places.elements(members[4].value_begin).empty());
    CHECK(places.members(members[3].value_begin).empty());
  }
}

/// A random value of every kind, blanks anywhere.
std::string random_value(std::mt19937& random, int depth) {
  const auto blank = [&] { return std::string(random() % 4 == 0 ? random() % 3 : 0, " \n\t\r"[random() % 4]); };
  const auto word = [&] { return std::array{R"("\"")", R"("")", R"("]}\\")", R"("a:b,{[")", R"("\u00e9 é")"}[random() % 5]; };
  const auto kind = random() % (depth > 0 ? 6 : 4);
  if (kind < 2) return word();
  if (kind < 4) return std::array{"0", "-1.5e+3", "true", "null"}[random() % 4];
  std::string text{kind == 4 ? '[' : '{'};
  const auto count = random() % 5;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) text += ',';
    text += blank();
    if (kind == 5) text += word() + blank() + ':' + blank();
    text += random_value(random, depth - 1) + blank();
  }
  return text + blank() + (kind == 4 ? ']' : '}');
}

TEST_CASE("The parser's list of tokens and a walk over the text find the same places") {
  constexpr std::uint32_t seed = 20261124;
  INFO("seed " << seed);
  std::mt19937 random{seed};
  for (int round = 0; round < 3'000; ++round) {
    std::string text = R"({"first":)" + random_value(random, 4) + R"(,"second":)" + random_value(random, 4) + "}";
    INFO(text);
    const auto document = JsonDocument::parse(text);
    REQUIRE(document);
    const auto found = document->places().members();
    const auto walked = top_level_members(text);
    REQUIRE(found.size() == walked.size());
    for (std::size_t i = 0; i < walked.size(); ++i) {
      CHECK(found[i].key == walked[i].key);
      CHECK(found[i].key_begin == walked[i].key_begin);
      CHECK(found[i].value_begin == walked[i].value_begin);
      CHECK(found[i].value_end == walked[i].value_end);
      if (text[walked[i].value_begin] != '[') continue;
      std::vector<ElementSpan> elements;
      walk_elements(text, walked[i].value_begin, [&](std::size_t begin, std::size_t end) {
        elements.emplace_back(begin, end);
        return true;
      });
      CHECK(document->places().elements(walked[i].value_begin) == elements);
    }
  }
}

}  // namespace
}  // namespace turnpike::wire
