// What must leave a score where it is: a harness's boilerplate, many tools, a long system prompt;
// and what may move only few decisions: other letter case, blanks, typing slips, courtesies.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "classify/classifier.hpp"
#include "dialect/facts.hpp"
#include "harness_bodies.hpp"
#include "loop_bodies.hpp"

namespace turnpike::routing_test {
namespace {

constexpr float neutral = 0.02F;  // Source: the routing brain's acceptance, "within 0.02"

float score_of_text(const std::string& text) {
  return classify::Classifier::built_in().classify(dialect::facts_of_text(text)).score;
}

/// tests/golden/contrast/prompts.txt: one prompt a line, "\n" for a line break.
std::vector<std::string> prompts() {
  std::vector<std::string> out;
  std::ifstream in{std::string{TURNPIKE_SOURCE_DIR} + "/tests/golden/contrast/prompts.txt"};
  for (std::string line; std::getline(in, line);) {
    for (auto at = line.find("\\n"); at != std::string::npos; at = line.find("\\n", at))
      line.replace(at, 2, "\n");
    out.push_back(line);
  }
  REQUIRE(out.size() >= 80);
  return out;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

std::string spread(const std::string& text) {
  std::string out = "  ";
  for (std::size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] == '\n') out += '\n';
    if (text[i] == '.' && i + 1 < text.size() && text[i + 1] == ' ') out += ' ';
  }
  return out + "\n\n";
}

/// Swaps two neighbouring letters inside some words of five or more.
std::string with_slips(const std::string& text, std::mt19937_64& random) {
  std::string out = text;
  std::size_t begin = 0;
  const auto is_letter = [&](std::size_t at) {
    const char c = out[at];
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  for (std::size_t at = 0; at <= out.size(); ++at) {
    if (at < out.size() && is_letter(at)) continue;
    const std::size_t length = at - begin;
    if (length > 4 && random() % 100 < 6) {
      const std::size_t swapped = begin + 1 + random() % (length - 3);
      std::swap(out[swapped], out[swapped + 1]);
    }
    begin = at + 1;
  }
  return out;
}

/// Share of decisions at a 30 % share that another wording turns over.
double flips(const std::function<std::string(const std::string&)>& reworded) {
  const auto texts = prompts();
  std::vector<float> base;
  std::ranges::transform(texts, std::back_inserter(base), score_of_text);
  auto sorted = base;
  std::ranges::sort(sorted);
  const float threshold = sorted[sorted.size() * 7 / 10];
  int turned = 0;
  for (std::size_t i = 0; i < texts.size(); ++i)
    turned += (score_of_text(reworded(texts[i])) >= threshold) != (base[i] >= threshold) ? 1 : 0;
  return static_cast<double>(turned) / static_cast<double>(texts.size());
}

}  // namespace

TEST_CASE("a question scores the same inside every harness's boilerplate",
          "[routing][neutrality]") {
  for (const auto& question : prompts()) {
    const float bare = score_of_text(question);
    for (const auto harness : all_harnesses) {
      const float score = score_of(dialect_of(harness), first_turn(harness, question));
      INFO(name_of(harness) << ": " << score << " against " << bare << " for: " << question);
      CHECK(std::abs(score - bare) <= neutral);
    }
  }
}

TEST_CASE("of two asks of an agent the harder one scores higher", "[routing][contrast]") {
  constexpr std::size_t pairs = 40;  // the first lines of the file: hard, easy, hard, easy
  const auto texts = prompts();
  std::size_t ordered = 0;
  for (std::size_t i = 0; i < pairs; ++i)
    ordered += score_of_text(texts[2 * i]) > score_of_text(texts[2 * i + 1]) ? 1 : 0;
  INFO(ordered << " of " << pairs << " ordered");
  CHECK(ordered * 100 >= pairs * 95);
}

TEST_CASE("two hundred tools and a system prompt of 60 KB leave the score where it is",
          "[routing][neutrality]") {
  const auto loop = nlohmann::json::parse(
      R"([{"human":"Teach the mailer to retry with a delay."},{"call":"run","input":{"command":"make test"},)"
      R"("result":"2 failed\nexit code 1","failed":true}])");
  const auto question = nlohmann::json::parse(
      R"([{"human":"Why do two writers deadlock here, and what would prevent it?"}])");
  LoopOptions many_tools;
  many_tools.tools = 200;
  LoopOptions long_system;
  long_system.system_bytes = 60'000;
  for (const auto dialect : all_dialects) {
    for (const auto& turns : {loop, question}) {
      const float plain = score_of(dialect, render(dialect, turns, {}));
      INFO(to_string(dialect));
      CHECK(std::abs(score_of(dialect, render(dialect, turns, many_tools)) - plain) <= neutral);
      CHECK(std::abs(score_of(dialect, render(dialect, turns, long_system)) - plain) <= neutral);
    }
  }
}

TEST_CASE("case, blanks, slips and courtesies turn few decisions over", "[routing][flips]") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  CHECK(flips(lower) <= 0.02);
  CHECK(flips(spread) <= 0.02);
  CHECK(flips([&](const std::string& text) { return with_slips(text, random); }) <= 0.02);
  CHECK(flips([](const std::string& text) {
          return "Hello! Could you please help me with the following?\n\n" + text +
                 "\n\nThank you very much.";
        }) <= 0.05);
  CHECK(flips([](const std::string& text) {
          return "Dear Sir, kindly help me. " + text + " Sincerely, thanks!";
        }) <= 0.05);
  CHECK(flips([](const std::string& text) { return text.substr(0, text.size() / 4); }) >
        0.05);  // the measure can fail
}

}  // namespace turnpike::routing_test
