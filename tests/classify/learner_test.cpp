#include "classify/learner.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace turnpike::classify {
namespace {

RequestFacts ask(std::string question) {
  RequestFacts facts;
  facts.question = std::move(question);
  return facts;
}

/// Outcomes whose chance of a weak failure is the square of the score.
std::vector<Judged> quadratic(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  const auto uniform = [&random] { return static_cast<float>(random() >> 40U) / static_cast<float>(1U << 24U); };
  std::vector<Judged> out(count);
  for (auto& judged : out) {
    judged.score = uniform();
    judged.weak_failed = uniform() < judged.score * judged.score ? 1.0F : 0.0F;
  }
  return out;
}

}  // namespace

TEST_CASE("the shipped map holds until 50 outcomes are known, rising all along", "[classify][calibration]") {
  Calibration calibration{Classifier::built_in().quantiles()};
  const Calibration shipped{Classifier::built_in().quantiles()};
  auto outcomes = quadratic(49, 1);
  for (auto& judged : outcomes) judged.weak_failed = 1;
  calibration.fit(outcomes);
  float before = -1;
  for (int i = 0; i <= 100; ++i) {
    const float score = static_cast<float>(i) / 100;
    CHECK(calibration.weak_fails(score) == shipped.weak_fails(score));
    CHECK(shipped.weak_fails(score) >= before);
    before = shipped.weak_fails(score);
  }
  CHECK(shipped.weak_fails(0) >= 0);
  CHECK(shipped.weak_fails(1) <= 1);
}

TEST_CASE("a thousand outcomes bend the map to what happens, and it keeps rising", "[classify][calibration]") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  Calibration calibration{Classifier::built_in().quantiles()};
  calibration.fit(quadratic(2000, seed));
  float before = -1;
  for (int i = 0; i <= 100; ++i) {
    const float score = static_cast<float>(i) / 100;
    REQUIRE(calibration.weak_fails(score) >= before);
    before = calibration.weak_fails(score);
    REQUIRE(std::abs(before - score * score) < 0.2F);
  }
}

TEST_CASE("outcomes of one score alone give their rate there", "[classify][calibration]") {
  Calibration calibration{Classifier::built_in().quantiles()};
  std::vector<Judged> outcomes(400);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    outcomes[i].score = 0.5F;
    outcomes[i].weak_failed = i % 4 == 0 ? 1.0F : 0.0F;
  }
  calibration.fit(outcomes);
  CHECK(calibration.weak_fails(0.5F) == Approx(0.25).margin(0.05));
}

TEST_CASE("a report knows a good scorer from a bad one", "[classify][progress]") {
  std::vector<Judged> kept;
  for (int i = 0; i < 400; ++i) {
    const bool hard = i % 4 == 0;
    kept.push_back({.score = hard ? 0.9F : 0.1F,
                    .prior = i % 2 == 0 ? 0.5F : 0.4F,
                    .words = static_cast<float>(i % 7),
                    .said = hard ? 1.0F : 0.0F,
                    .weak_failed = hard ? 1.0F : 0.0F,
                    .strong_right = 1});
  }
  const auto report = report_of(kept, 1000);
  CHECK(report.outcomes == 1000);
  CHECK(report.judged == 400);
  CHECK(report.pairs == 400);
  CHECK(report.weak_fails == Approx(0.25));
  // A quarter of the calls recovers the whole gap: 1 - 0.25 / 2.
  CHECK(report.model.apgr == Approx(0.875));
  CHECK(report.model.auc == Approx(1));
  CHECK(report.length.auc == Approx(0.5).margin(0.05));
  CHECK(report.calibration_error == Approx(0).margin(1e-9));
  REQUIRE(report.beats_length);
  CHECK(*report.beats_length);
  auto worse = kept;
  for (auto& judged : worse) {
    judged.words = judged.score;
    judged.score = 0.5F;
    judged.said = 0.75F;
  }
  const auto bad = report_of(worse, 400);
  CHECK(bad.model.apgr == Approx(0.5));
  CHECK_FALSE(*bad.beats_length);
  CHECK(bad.calibration_error == Approx(0.5).margin(0.01));
}

TEST_CASE("what cannot be told is not told", "[classify][progress]") {
  const auto nothing = report_of({}, 0);
  CHECK(nothing.model.apgr < 0);
  CHECK(nothing.model.auc < 0);
  CHECK(nothing.calibration_error < 0);
  CHECK_FALSE(nothing.beats_length);
  std::vector<Judged> kept(299, Judged{.weak_failed = 1});
  kept[0].weak_failed = 0;
  CHECK_FALSE(report_of(kept, 299).beats_length);  // one short of 300
  kept.push_back({.weak_failed = 1});
  CHECK(report_of(kept, 300).beats_length);        // by AUC: no pair is among them
  CHECK(report_of(kept, 300).model.apgr < 0);
}

TEST_CASE("only the last 2,000 outcomes count, and they survive a round trip", "[classify][progress]") {
  Progress progress;
  for (int i = 0; i < 2500; ++i) progress.add({.score = 0.5F, .words = static_cast<float>(i)});
  CHECK(progress.outcomes() == 2500);
  CHECK(progress.kept().size() == 2000);
  float least = 1e9F;
  for (const auto& judged : progress.kept()) least = std::min(least, judged.words);
  CHECK(least == 500);
  std::string bytes;
  progress.write(bytes);
  auto in = std::as_bytes(std::span{bytes});
  Progress again;
  REQUIRE(again.read(in));
  CHECK(in.empty());
  again.add({.words = -1});
  progress.add({.words = -1});
  std::string more;
  std::string more_again;
  progress.write(more);
  again.write(more_again);
  CHECK(more == more_again);
  auto cut = std::as_bytes(std::span{bytes}).first(bytes.size() - 1);
  CHECK_FALSE(again.read(cut));
}

TEST_CASE("an outcome is judged by what was said before it was learned", "[classify][learner]") {
  Learner learner{Classifier::built_in()};
  const auto facts = ask("Reconcile the ledger with the invoice.");
  const auto before = learner.classify(facts);
  CHECK(before.score == before.prior);
  CHECK(before.weak_fails >= 0);
  for (int i = 0; i < 60; ++i)
    learner.learn(Classifier::built_in().footprint(facts), {.weak_failed = 1, .strong_right = 1.0F}, Learner::Kind::known);
  const auto after = learner.classify(facts);
  CHECK(after.score > before.score);
  CHECK(after.prior == before.prior);
  CHECK(after.weak_fails > before.weak_fails);
  const auto report = learner.report();
  CHECK(report.lessons == 60);
  CHECK(report.progress.outcomes == 60);
}

TEST_CASE("hints teach, but nothing is measured by them", "[classify][learner]") {
  Learner learner{Classifier::built_in()};
  const auto facts = ask("Reconcile the ledger with the invoice.");
  const auto before = learner.classify(facts).score;
  for (int i = 0; i < 100; ++i)
    learner.learn(Classifier::built_in().footprint(facts), {.weak_failed = 1, .weight = 0.1F}, Learner::Kind::hint);
  CHECK(learner.classify(facts).score > before);
  CHECK(learner.report().lessons == 100);
  CHECK(learner.report().progress.outcomes == 0);
}

TEST_CASE("a frozen learner learns nothing and forgets nothing", "[classify][learner]") {
  Learner learner{Classifier::built_in()};
  const auto facts = ask("Reconcile the ledger with the invoice.");
  const auto footprint = Classifier::built_in().footprint(facts);
  for (int i = 0; i < 20; ++i) learner.learn(footprint, {.weak_failed = 1, .strong_right = 1.0F}, Learner::Kind::known);
  const auto taught = learner.classify(facts).score;
  learner.freeze(true);
  for (int i = 0; i < 20; ++i) learner.learn(footprint, {.weak_failed = 0, .strong_right = 1.0F}, Learner::Kind::known);
  CHECK(learner.classify(facts).score == taught);
  CHECK(learner.report().frozen);
  learner.freeze(false);
  learner.learn(footprint, {.weak_failed = 0, .strong_right = 1.0F}, Learner::Kind::known);
  CHECK(learner.classify(facts).score < taught);
}

}  // namespace turnpike::classify
