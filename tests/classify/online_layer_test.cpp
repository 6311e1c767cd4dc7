#include "classify/online_layer.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "classify/classifier.hpp"

namespace turnpike::classify {
namespace {

RequestFacts ask(std::string question) {
  RequestFacts facts;
  facts.question = std::move(question);
  facts.messages = 1;
  facts.trace.human_turns = 1;
  return facts;
}

/// A prior that knows nothing at all: what follows is the layer's doing, whatever weights ship.
const Classifier& blank() {
  static const Classifier classifier = [] {
    Weights weights = Classifier::built_in().weights();
    weights.bias = 0;
    weights.count_weights.fill(0);
    weights.count_means.fill(0);
    std::ranges::fill(weights.ngrams, std::int8_t{0});
    return *Classifier::load(write_weights(weights));
  }();
  return classifier;
}

const std::vector<std::string> ledger{"Reconcile the ledger with the invoice of March.", "Why does the ledger disagree with the bank?",
                                      "Move the ledger to the new currency."};
const std::vector<std::string> garden{"Water the roses in the garden.", "List the plants of the garden.", "Rename the garden shed."};

/// The weak model fails at ledgers and manages gardens.
void teach(OnlineLayer& layer, const Classifier& classifier, int rounds, std::uint64_t seed = 7) {
  std::mt19937_64 random{seed};
  for (int i = 0; i < rounds; ++i) {
    const bool hard = random() % 2 == 0;
    const auto& texts = hard ? ledger : garden;
    const auto footprint = classifier.footprint(ask(texts[random() % texts.size()]));
    layer.learn(footprint.view(), {.weak_failed = hard ? 1.0F : 0.0F, .strong_right = 1.0F});
  }
}

float score(const Classifier& classifier, const OnlineLayer& layer, const std::string& text) {
  return classifier.classify(ask(text), &layer).score;
}

}  // namespace

TEST_CASE("a layer that has learned nothing leaves every score where it is", "[classify][online]") {
  const OnlineLayer layer;
  const auto& classifier = Classifier::built_in();
  for (const auto& text : {ledger[0], garden[1], std::string{}, std::string(5000, 'x')}) {
    const auto frozen = classifier.classify(ask(text));
    const auto scored = classifier.classify(ask(text), &layer);
    CHECK(scored.score == frozen.score);
    CHECK(scored.prior == frozen.score);
    CHECK(scored.confidence == frozen.confidence);
  }
}

TEST_CASE("what the weak model fails at scores higher once it was seen to fail", "[classify][online]") {
  OnlineLayer layer;
  teach(layer, blank(), 60);
  CHECK(score(blank(), layer, "Close the ledger of the year.") > score(blank(), layer, "Sweep the garden path.") + 0.2F);
  const auto difficulty = blank().classify(ask(ledger[0]), &layer);
  CHECK(difficulty.prior == Approx(0.5).margin(0.01));
  CHECK(difficulty.signals[0].name == "learned");
  CHECK(difficulty.signals[0].weight > 0);
}

TEST_CASE("a pair teaches more than a weak failure alone", "[classify][online]") {
  OnlineLayer pairs;
  OnlineLayer lone;
  OnlineLayer hopeless;
  const auto footprint = blank().footprint(ask(ledger[0]));
  for (int i = 0; i < 10; ++i) {
    pairs.learn(footprint.view(), {.weak_failed = 1, .strong_right = 1.0F});
    lone.learn(footprint.view(), {.weak_failed = 1});
    hopeless.learn(footprint.view(), {.weak_failed = 1, .strong_right = 0.0F});
  }
  CHECK(score(blank(), pairs, ledger[0]) > score(blank(), lone, ledger[0]) + 0.02F);
  // Where the strong model fails as well, the frontier is of little use.
  CHECK(score(blank(), hopeless, ledger[0]) < score(blank(), pairs, ledger[0]) - 0.05F);
}

TEST_CASE("an outcome of no weight teaches nothing", "[classify][online]") {
  OnlineLayer layer;
  const auto footprint = blank().footprint(ask(ledger[0]));
  layer.learn(footprint.view(), {.weak_failed = 1, .strong_right = 1.0F, .weight = 0});
  CHECK(score(blank(), layer, ledger[0]) == blank().classify(ask(ledger[0])).score);
}

TEST_CASE("the same outcomes in the same order give the same bits", "[classify][online][determinism]") {
  OnlineLayer layer;
  OnlineLayer again;
  teach(layer, blank(), 200);
  teach(again, blank(), 200);
  std::string bytes;
  std::string bytes_again;
  layer.write(bytes);
  again.write(bytes_again);
  CHECK(bytes == bytes_again);
}

TEST_CASE("stored outcomes give the logits that were stored with them", "[classify][online][determinism]") {
  // They change only with the rates of learning, never with compiler, machine, thread or weights that ship.
  OnlineLayer layer;
  std::mt19937_64 random{20261123};
  std::vector<std::uint16_t> ngrams;
  FootprintView view;
  for (int i = 0; i < 500; ++i) {
    ngrams.clear();
    for (std::uint64_t n = random() % 40 + 1; n > 0; --n) ngrams.push_back(static_cast<std::uint16_t>(random() % 300));
    view.ngrams = ngrams;
    view.ngram_value = logit_one / 6;
    for (std::size_t k = 0; k < 8; ++k) view.dense[k] = static_cast<std::int16_t>(random() % 1024 - 512);
    view.prior_logit = static_cast<std::int32_t>(random() % (6 * logit_one)) - 3 * logit_one;
    Lesson lesson{.weak_failed = ngrams.front() % 2 == 0 ? 1.0F : 0.25F};
    if (i % 3 != 0) lesson.strong_right = view.dense[0] > 0 ? 1.0F : 0.0F;
    if (i % 7 == 0) lesson.weight = 0.3F;
    layer.learn(view, lesson);
  }
  CHECK(layer.logit(view) == 52310);
  view.dense.fill(256);
  CHECK(layer.logit(view) == 58961);
  view.prior_logit = 0;
  view.ngrams = {};
  CHECK(layer.logit(view) == 29465);
  CHECK(layer.scale() == 1182);
}

TEST_CASE("a written layer is read back to the same scores, and a damaged one is refused", "[classify][online]") {
  OnlineLayer layer;
  teach(layer, Classifier::built_in(), 100);
  std::string bytes;
  layer.write(bytes);
  bytes += "more";
  auto in = std::as_bytes(std::span{bytes});
  OnlineLayer again;
  REQUIRE(again.read(in));
  CHECK(in.size() == 4);
  CHECK(again.lessons() == 100);
  for (const auto& text : {ledger[1], garden[2], std::string{"Something else entirely."}})
    CHECK(score(Classifier::built_in(), again, text) == score(Classifier::built_in(), layer, text));
  // It learns on as the other one would.
  teach(layer, Classifier::built_in(), 20, 8);
  teach(again, Classifier::built_in(), 20, 8);
  CHECK(score(Classifier::built_in(), again, ledger[1]) == score(Classifier::built_in(), layer, ledger[1]));
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{300}, bytes.size() - 5}) {
    auto cut = std::as_bytes(std::span{bytes}).first(size);
    OnlineLayer broken;
    CHECK_FALSE(broken.read(cut));
  }
}

TEST_CASE("what hints of little weight taught about a long text is written, too", "[classify][online]") {
  std::string text;
  for (int i = 0; i < 600; ++i) text += "word" + std::to_string(i) + "x ";
  OnlineLayer layer;
  const auto footprint = blank().footprint(ask(text));
  for (int i = 0; i < 50; ++i) layer.learn(footprint.view(), {.weak_failed = 0.45F, .weight = 0.05F});
  std::string bytes;
  layer.write(bytes);
  auto in = std::as_bytes(std::span{bytes});
  OnlineLayer again;
  REQUIRE(again.read(in));
  CHECK(layer.ngrams_touched() > 0);
  CHECK(again.ngrams_touched() == layer.ngrams_touched());
  CHECK(again.logit(footprint.view()) == layer.logit(footprint.view()));
}

TEST_CASE("any sequence of outcomes keeps the scores inside 0 and 1", "[classify][online][fuzz]") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  OnlineLayer layer;
  const auto& classifier = Classifier::built_in();
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 400, ' ');
    for (auto& c : text) c = static_cast<char>(random());
    auto facts = ask(text);
    facts.in_tool_loop = random() % 2 == 0;
    facts.trace.errors_recent = static_cast<std::int32_t>(random());
    Lesson lesson{.weak_failed = static_cast<float>(random() % 5) / 2 - 0.5F, .weight = static_cast<float>(random() % 4)};
    if (random() % 2 == 0) lesson.strong_right = random() % 9 == 0 ? NAN : static_cast<float>(random() % 3);
    layer.learn(classifier.footprint(facts).view(), lesson);
    const float now = classifier.classify(facts, &layer).score;
    REQUIRE(now > 0);
    REQUIRE(now < 1);
  }
}

TEST_CASE("threads score while one learns", "[classify][online][threads]") {
  OnlineLayer layer;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  std::atomic<int> outside{0};
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const float now = score(blank(), layer, ledger[0]);
        if (!(now > 0 && now < 1)) ++outside;
      }
    });
  }
  teach(layer, blank(), 400);
  done = true;
  for (auto& reader : readers) reader.join();
  CHECK(outside == 0);
}

TEST_CASE("the logistic curve rises, is symmetric and has its middle in the middle", "[classify][online]") {
  CHECK(logistic(0) == logit_one / 2);
  for (std::int64_t logit = -9 * logit_one; logit < 9 * logit_one; logit += 1000) {
    CHECK(logistic(logit) <= logistic(logit + 1000));
    CHECK(std::abs(logistic(logit) + logistic(-logit) - logit_one) <= 1);
    CHECK(std::abs(logistic(logit) / double{logit_one} - 1 / (1 + std::exp(-static_cast<double>(logit) / logit_one))) < 0.002);
  }
}

}  // namespace turnpike::classify
