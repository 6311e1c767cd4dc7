#include "classify/classifier.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace turnpike::classify {
namespace {

RequestFacts ask(std::string question) {
  RequestFacts facts;
  facts.question = std::move(question);
  facts.question_bytes = static_cast<std::int64_t>(facts.question.size());
  facts.messages = 1;
  facts.trace.human_turns = 1;
  return facts;
}

/// A step in the middle of a loop that has gone well so far.
RequestFacts continuation() {
  auto facts = ask("Make the CSV importer accept quoted newlines.");
  facts.step = StepKind::tool_continuation;
  facts.in_tool_loop = true;
  facts.tools = 4;
  facts.trace.tool_results = 6;
  facts.trace.tool_results_since_human = 6;
  facts.trace.assistant_turns = 6;
  return facts;
}

float score(const RequestFacts& facts) { return Classifier::built_in().classify(facts).score; }
std::int32_t exact(const RequestFacts& facts) {
  return static_cast<std::int32_t>(score(facts) * score_one);
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text;
}

const std::string hard =
    "Redesign the importer so that it stays correct when two processes write at once and the "
    "machine loses power "
    "between the two commits. Prove that no update can be lost, and give a migration plan without "
    "downtime.";
const std::string easy = "Rename the variable tmp to total in src/importer/csv.py.";

}  // namespace

TEST_CASE("fixed inputs have the scores that were stored with the weights",
          "[classify][determinism]") {
  // In units of 2^-24; they change only with the weights, never with compiler, machine or thread.
  CHECK(Classifier::built_in().version() == "linear-2-c149d95e");
  CHECK(exact(ask(hard)) == 12827658);
  CHECK(exact(ask(easy)) == 7534491);
  CHECK(exact(ask("")) == 3736382);
  CHECK(exact(ask("Größe \\frac{1}{2} x^2 = 17.5 漢字")) == 9417558);
  auto failing = continuation();
  failing.trace.errors_recent = 3;
  failing.trace.error_streak = 2;
  failing.trace.error_words_recent = 9;
  CHECK(exact(failing) == 13307469);
}

TEST_CASE("every thread gets the same score", "[classify][determinism]") {
  const auto expected = exact(ask(hard));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (auto& count : wrong) {
    threads.emplace_back([&count, expected] {
      for (int i = 0; i < 500; ++i) count += exact(ask(hard)) == expected ? 0 : 1;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("a hard ask scores above an easy one", "[classify]") {
  CHECK(score(ask(hard)) > score(ask(easy)) + 0.1F);
  CHECK(score(ask("Work out why throughput collapses beyond 64 clients and decide which "
                  "measurement separates lock "
                  "contention from false sharing.")) >
        score(ask("List the files in the cache folder.")) + 0.1F);
  auto late = ask(hard);
  late.messages = 80;
  late.trace.assistant_turns = 40;
  late.trace.tool_results = 38;
  CHECK(exact(late) == exact(ask(hard)));
}

TEST_CASE("rewording that changes nothing leaves the score where it is", "[classify][invariance]") {
  const auto expected = exact(ask(hard));
  CHECK(exact(ask(lower(hard))) == expected);
  CHECK(exact(ask("  " + hard + "\n\n")) == expected);
  CHECK(exact(ask("Hello! Could you please help me with the following?\n\n" + hard +
                  "\n\nThank you very much.")) == expected);
  auto slipped = hard;
  std::swap(slipped[3], slipped[4]);  // "Redseign"
  CHECK(slipped != hard);
  CHECK(exact(ask(slipped)) == expected);
  CHECK(exact(ask("GRÖSSER ÄÖÜ ΑΒΓ АБВ")) == exact(ask("grÖsser äöü αβγ абв")));
  CHECK(exact(ask("A. oak trees\nB. elm trees\nAnswer:")) == exact(ask("- oak trees\n- elm trees")));
  CHECK(exact(ask("a) oak trees\n\nb) elm trees")) == exact(ask("1. oak trees\n2. elm trees")));
}

TEST_CASE("what surrounds the question does not move the score", "[classify][invariance]") {
  const auto plain = continuation();
  auto other = plain;
  other.stream = !other.stream;
  other.model = "another";
  other.conversation = "ffffffffffffffff";
  other.text_bytes = 500000;
  other.body_bytes = 600000;
  other.messages = 200;
  other.tools = 40;
  other.context_bytes = 100000;
  other.trace.human_turns = 30;
  other.trace.assistant_turns = 90;
  other.trace.tool_results = 90;
  CHECK(exact(other) == exact(plain));
}

TEST_CASE("trouble in the loop raises the score, step by step", "[classify][trace]") {
  auto facts = continuation();
  float before = score(facts);
  for (int errors = 1; errors <= 4; ++errors) {
    facts.trace.errors_recent = errors;
    facts.trace.error_streak = errors;
    facts.trace.error_words_recent = 2 * errors;
    CHECK(score(facts) > before);
    before = score(facts);
  }
  facts.trace.repeats_recent = 2;
  facts.trace.repeats_exact = 2;
  CHECK(score(facts) > before);
  CHECK(Classifier::built_in().classify(facts).signals[0].name == "errors_recent");
  CHECK(Classifier::built_in().classify(facts).signals[0].weight > 0);
}

TEST_CASE("step kind, asked effort and a tiny answer move the score their way",
          "[classify][trace]") {
  const auto plain = ask(easy);
  auto title = plain;
  title.step = StepKind::title_or_summary;
  CHECK(score(title) < 0.2F);
  CHECK(Classifier::built_in().classify(title).step == StepKind::title_or_summary);
  float before = -1;
  for (const auto effort : {Effort::none, Effort::low, Effort::medium, Effort::high, Effort::max}) {
    auto facts = plain;
    facts.effort = effort;
    CHECK(score(facts) > before);
    before = score(facts);
  }
  auto unset = plain;
  auto medium = plain;
  medium.effort = Effort::medium;
  CHECK(exact(unset) == exact(medium));
  auto tiny = plain;
  tiny.output_tokens_max = 16;
  CHECK(score(tiny) < score(plain));
  CHECK(score(continuation()) < score(ask(continuation().question)) + 0.05F);
}

TEST_CASE("little known text is abstained on", "[classify]") {
  const auto& classifier = Classifier::built_in();
  CHECK(classifier.classify(ask("")).abstained);
  CHECK(classifier.classify(ask("zxqv wvkq jjqx qqzz xkcw vvzq")).abstained);
  CHECK_FALSE(classifier.classify(ask(hard)).abstained);
  CHECK(classifier.classify(ask(hard)).confidence >
        classifier.classify(ask("zxqv wvkq jjqx qqzz")).confidence);
}

TEST_CASE("any bytes give a finite score between 0 and 1, twice the same", "[classify][fuzz]") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 300, ' ');
    for (auto& c : text) c = static_cast<char>(random());
    if (round % 100 == 0) text.resize(20000, static_cast<char>(random()));
    auto facts = ask(text);
    facts.in_tool_loop = random() % 2 == 0;
    facts.trace.errors_recent = static_cast<std::int32_t>(random());
    facts.trace.error_words_recent = static_cast<std::int32_t>(random());
    facts.trace.repeats_exact = static_cast<std::int32_t>(random());
    const auto difficulty = Classifier::built_in().classify(facts);
    REQUIRE(std::isfinite(difficulty.score));
    REQUIRE(difficulty.score > 0);
    REQUIRE(difficulty.score < 1);
    REQUIRE(difficulty.confidence >= 0);
    REQUIRE(difficulty.confidence <= 1);
    REQUIRE(exact(facts) == exact(facts));
  }
}

TEST_CASE("quantiles rise and span the scores of training", "[classify]") {
  const auto& quantiles = Classifier::built_in().quantiles();
  CHECK(std::ranges::is_sorted(quantiles));
  CHECK(quantiles[0] > 0);
  CHECK(quantiles[100] < 1);
  CHECK(quantiles[90] - quantiles[10] > 0.1F);
}

TEST_CASE("weights survive a round trip and damage is told", "[classify][weights]") {
  const auto bytes = write_weights(Classifier::built_in().weights());
  CHECK(bytes.size() <= 512 * 1024);
  const auto again = Classifier::load(bytes);
  REQUIRE(again);
  CHECK(again->version() == Classifier::built_in().version());
  CHECK(again->classify(ask(hard)).score == score(ask(hard)));
  CHECK(write_weights(again->weights()) == bytes);

  for (const std::size_t at :
       {std::size_t{0}, std::size_t{4}, std::size_t{50}, bytes.size() / 2, bytes.size() - 1}) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{1};
    const auto loaded = Classifier::load(damaged);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == "bad_weights");
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{3}, std::size_t{100}, bytes.size() - 1}) {
    CHECK_FALSE(Classifier::load(std::span{bytes}.first(size)));
  }
  CHECK_FALSE(Classifier::load(std::filesystem::path{"/nonexistent/weights"}));
}

}  // namespace turnpike::classify
