#include "policy/wildcard.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

using namespace turnpike::policy;

TEST_CASE("a star stands for any run of characters", "[policy][wildcard]") {
  for (const auto& [pattern, text] : {std::pair{"*", ""},
                                      {"*", "x"},
                                      {"", ""},
                                      {"a*", "a"},
                                      {"a*", "abc"},
                                      {"*c", "abc"},
                                      {"claude-*haiku*", "claude-haiku-5-5"},
                                      {"claude-*haiku*", "claude-3-haiku"},
                                      {"a**b", "ab"},
                                      {"*ab", "aab"},
                                      {"a*b*c", "a1b2b3c"}}) {
    CAPTURE(pattern, text);
    CHECK(wildcard_match(pattern, text));
  }
  for (const auto& [pattern, text] : {std::pair{"", "x"},
                                      {"a*", "ba"},
                                      {"*c", "abcd"},
                                      {"a", "A"},
                                      {"a*b", "a"},
                                      {"?", "x"},
                                      {"claude-*haiku*", "claude-opus"}}) {
    CAPTURE(pattern, text);
    CHECK_FALSE(wildcard_match(pattern, text));
  }
}

TEST_CASE("a hostile pattern does not explode", "[policy][wildcard]") {
  std::string pattern;
  for (int i = 0; i < 30; ++i) pattern += "a*";
  CHECK_FALSE(wildcard_match(pattern + "b", std::string(20'000, 'a')));
}
