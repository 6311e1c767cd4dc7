#include "app/viability.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>

#include "app/shadow_json.hpp"
#include <nlohmann/json.hpp>

using namespace turnpike;
using namespace turnpike::app;

namespace {

constexpr int bands = 5;

/// What a candidate is like in truth, by fifths of difficulty.
struct Truth {
  std::array<double, bands> agreement_gap{};  // of "as good", against the live model's own; 0: as good as itself
  std::array<double, bands> usable_gap{};
  double baseline = 0.8;                      // how often two answers of the live model agree
};

/// Steps in conversations of one to twelve, some of which go better than others; hard ones sampled three times as often.
class Traffic {
 public:
  Traffic(const Truth& truth, std::uint64_t seed) : truth_(truth), random_(seed) {}

  void add_conversations(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = "c" + std::to_string(++conversations_);
      const double mood = uniform() < 0.5 ? 0.08 : -0.08;
      for (auto steps = 1 + random_() % 12; steps > 0; --steps) add_step(name, mood);
    }
  }
  [[nodiscard]] const std::vector<ShadowPair>& pairs() const { return pairs_; }

 private:
  double uniform() { return std::uniform_real_distribution<double>{}(random_); }
  bool happens(double chance) { return uniform() < chance; }

  void add_step(const std::string& conversation, double mood) {
    const double percentile = uniform();
    const double chance = percentile >= 0.8 ? 0.9 : 0.3;
    if (!happens(chance)) return;
    ShadowPair pair;
    pair.decision_id = "d" + std::to_string(pairs_.size());
    pair.conversation = conversation;
    pair.step = happens(0.3) ? StepKind::human_turn : StepKind::tool_continuation;
    pair.percentile = static_cast<float>(percentile);
    pair.weight = 1 / chance;
    pair.live.target = "big/opus";
    pair.shadow.target = "cheap/flash";
    const auto band = static_cast<std::size_t>(percentile * bands);
    // Usable answers are drawn first; of those so many agree that "as good" comes out as planted.
    const double usable = 0.99 + truth_.usable_gap[band];
    const double good = truth_.baseline + truth_.agreement_gap[band];
    pair.live.answer.empty = false;
    pair.shadow.answer.refusal = !happens(usable);
    pair.same_action = happens(good / usable + mood);
    pairs_.push_back(pair);
    if (!happens(0.5)) return;
    pair.kind = ShadowKind::self;
    pair.weight *= 2;
    pair.shadow.target = "big/opus";
    pair.shadow.answer.refusal = false;
    pair.same_action = happens(truth_.baseline + mood);
    pairs_.push_back(pair);
  }

  const Truth& truth_;
  std::mt19937_64 random_;
  int conversations_ = 0;
  std::vector<ShadowPair> pairs_;
};

struct Gaps {
  double agreement = 0;
  double usable = 0;
  /// The live model is always usable here, the candidate 1 % less often even where no gap is planted.
  [[nodiscard]] bool within(double margin) const { return agreement >= -margin && usable - 0.01 >= -margin; }
};

Gaps average(const Truth& truth, double share) {
  Gaps sum;
  for (int band = 0; band < bands; ++band) {
    const double part = std::clamp(share * bands - band, 0.0, 1.0) / (share * bands);
    sum.agreement += part * truth.agreement_gap[static_cast<std::size_t>(band)];
    sum.usable += part * truth.usable_gap[static_cast<std::size_t>(band)];
  }
  return sum;
}

Gaps of_band(const Truth& truth, std::size_t band) { return {truth.agreement_gap[band], truth.usable_gap[band]}; }

bool wrong_overall(Viable answer, const Truth& truth, const ViabilityQuestion& question) {
  const bool average_good = average(truth, question.share).within(question.margin);
  if (answer == Viable::yes) return !average_good;
  if (answer != Viable::no) return false;
  bool some_bad = !average_good;
  for (std::size_t band = 0; static_cast<double>(band + 1) / bands <= question.share; ++band) some_bad = some_bad || !of_band(truth, band).within(question.margin);
  return !some_bad;
}

bool wrong_band(const ViabilityCell& cell, const Truth& truth, double margin) {
  const auto band = static_cast<std::size_t>(std::lround(std::stod(cell.name.substr(0, 3)) * bands));
  const bool good = of_band(truth, band).within(margin);
  return (cell.answer == Viable::yes && !good) || (cell.answer == Viable::no && good);
}

/// Most wrong answers of `trials` that a chance of `doubt` each explains, but for one time in ten thousand.
int explained(int trials, double doubt) {
  double tail = 1;
  double term = std::pow(1 - doubt, trials);
  for (int k = 0; k <= trials; ++k) {
    tail -= term;
    if (tail < 1e-4) return k;
    term *= doubt / (1 - doubt) * (trials - k) / (k + 1);
  }
  return trials;
}

std::uint64_t base_seed() {
  const char* given = std::getenv("TURNPIKE_VIABILITY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

ViabilityQuestion question_of(double share) {
  ViabilityQuestion question;
  question.candidate = "cheap/flash";
  question.share = share;
  return question;
}

std::vector<ShadowPair> same_pairs(int count, bool agree) {
  std::vector<ShadowPair> pairs;
  for (int i = 0; i < count; ++i) {
    ShadowPair pair;
    pair.decision_id = "d" + std::to_string(i);
    pair.conversation = "c" + std::to_string(i);
    pair.live.target = "big/opus";
    pair.shadow.target = "cheap/flash";
    pair.percentile = 0.3F;
    pair.same_action = pair.same_tools = agree;
    pairs.push_back(pair);
  }
  return pairs;
}

}  // namespace

TEST_CASE("over 200 worlds with planted gaps the verdict is right whenever there is one, at every look", "[viability]") {
  const std::uint64_t seed = base_seed();
  INFO("TURNPIKE_VIABILITY_SEED=" << seed);
  constexpr int worlds = 200;
  const auto question = question_of(0.7);
  const double doubt = 1 - question.confidence;
  int wrong = 0, wrong_cells = 0;
  std::map<Viable, int> last;
  for (int world = 0; world < worlds; ++world) {
    std::mt19937_64 planting{seed + static_cast<std::uint64_t>(world)};
    const auto one_of = [&](std::initializer_list<double> values) { return *(values.begin() + static_cast<std::ptrdiff_t>(planting() % values.size())); };
    Truth truth;
    // Gaps on both sides of the margin, and just beside it; some worlds are alike in all bands.
    const double common = one_of({0.0, -0.045, -0.055, -0.12, -0.3});
    const double common_usable = one_of({0.0, 0.0, 0.0, -0.03, -0.08});
    const bool alike = planting() % 2 == 0;
    for (int band = 0; band < bands; ++band) {
      truth.agreement_gap[static_cast<std::size_t>(band)] = alike ? common : one_of({0.0, -0.02, -0.045, -0.055, -0.12, -0.3});
      truth.usable_gap[static_cast<std::size_t>(band)] = alike ? common_usable : one_of({0.0, 0.0, 0.0, -0.03, -0.08});
    }
    Traffic traffic{truth, seed ^ (static_cast<std::uint64_t>(world) << 20U)};
    bool ever_wrong = false, ever_wrong_cell = false;
    Viable answer = Viable::not_enough_data;
    for (const int more : {30, 30, 60, 120, 240, 480, 960}) {
      traffic.add_conversations(more);
      const auto verdict = judge_viability(traffic.pairs(), question);
      answer = verdict.overall.answer;
      ever_wrong = ever_wrong || wrong_overall(answer, truth, question);
      for (const auto& cell : verdict.by_band) ever_wrong_cell = ever_wrong_cell || wrong_band(cell, truth, question.margin);
    }
    wrong += ever_wrong ? 1 : 0;
    wrong_cells += ever_wrong_cell ? 1 : 0;
    ++last[answer];
  }
  INFO("wrong " << wrong << ", with a wrong band " << wrong_cells << ", at the end yes " << last[Viable::yes] << ", no " << last[Viable::no] << ", not enough data "
                << last[Viable::not_enough_data]);
  WARN("seed " << seed << ": wrong " << wrong << ", with a wrong band " << wrong_cells << " of " << worlds << "; at the end yes " << last[Viable::yes] << ", no "
               << last[Viable::no] << ", not enough data " << last[Viable::not_enough_data]);
  CHECK(wrong <= explained(worlds, doubt));
  CHECK(wrong_cells <= explained(worlds, doubt));
  // A verdict that never commits itself would be right, too.
  CHECK(last[Viable::no] > worlds / 4);
  CHECK(last[Viable::yes] > 0);
}

TEST_CASE("a candidate that is as good as the live model gets a yes, one that is clearly worse a no", "[viability]") {
  const std::uint64_t seed = base_seed();
  INFO("TURNPIKE_VIABILITY_SEED=" << seed);
  int yes = 0, no = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Truth good;
    Traffic much{good, seed + i};
    much.add_conversations(3500);
    yes += judge_viability(much.pairs(), question_of(0.7)).overall.answer == Viable::yes ? 1 : 0;
    Truth bad;
    bad.agreement_gap.fill(-0.25);
    Traffic little{bad, seed + i};
    little.add_conversations(500);
    no += judge_viability(little.pairs(), question_of(0.7)).overall.answer == Viable::no ? 1 : 0;
  }
  CHECK(yes >= 15);
  CHECK(no >= 18);
}

TEST_CASE("a gap in the hard steps alone spares a share that leaves them where they are", "[viability]") {
  Truth truth;
  truth.agreement_gap = {0, 0, 0, 0, -0.5};
  Traffic traffic{truth, 7};
  traffic.add_conversations(8000);
  CHECK(judge_viability(traffic.pairs(), question_of(0.7)).overall.answer == Viable::yes);
  const auto all = judge_viability(traffic.pairs(), question_of(1));
  CHECK(all.overall.answer == Viable::no);
  CHECK(all.by_band.back().answer == Viable::no);
  CHECK(all.by_band.front().answer != Viable::no);
}

TEST_CASE("few pairs, or many of few conversations, are not enough data", "[viability]") {
  CHECK(judge_viability({}, question_of(0.7)).overall.answer == Viable::not_enough_data);
  CHECK(judge_viability(same_pairs(99, true), question_of(0.7)).overall.answer == Viable::not_enough_data);
  auto one_conversation = same_pairs(5000, true);
  for (auto& pair : one_conversation) pair.conversation = "c";
  const auto verdict = judge_viability(one_conversation, question_of(0.7));
  CHECK(verdict.overall.answer == Viable::not_enough_data);
  CHECK(verdict.overall.because == "5000 pairs of 1 conversations; 100 of 30 are the least");
}

TEST_CASE("without a baseline, agreement can prove a yes and disagreement no no", "[viability]") {
  CHECK(judge_viability(same_pairs(1000, true), question_of(0.7)).overall.answer == Viable::yes);
  const auto apart = judge_viability(same_pairs(1000, false), question_of(0.7));
  CHECK(apart.overall.answer == Viable::not_enough_data);
  CHECK(apart.overall.because.find("self_sample") != std::string::npos);
  auto question = question_of(0.7);
  question.baseline_agreement = 0.5;
  CHECK(judge_viability(same_pairs(1000, false), question).overall.answer == Viable::no);
  auto useless = same_pairs(1000, true);
  for (auto& pair : useless) pair.shadow.answer.empty = true;
  CHECK(judge_viability(useless, question_of(0.7)).overall.answer == Viable::no);
}

TEST_CASE("a judge can only raise what differs, and a live answer that was unusable is no standard", "[viability]") {
  ShadowPair pair = same_pairs(1, false).front();
  CHECK_FALSE(as_good(pair));
  pair.judgement = ShadowJudgement{"j/j", JudgeVerdict::equal, {}};
  CHECK(as_good(pair));
  pair.judgement->verdict = JudgeVerdict::live_better;
  CHECK_FALSE(as_good(pair));
  pair.live.answer.refusal = true;
  CHECK(as_good(pair));
  pair.shadow.calls_fit = false;
  CHECK_FALSE(as_good(pair));
}

TEST_CASE("a judge leans no verdict where the baseline is of self pairs, which no judge sees", "[viability]") {
  // The live model agrees with itself in half of the steps, the candidate with it in none; the judge finds all equal.
  auto pairs = same_pairs(1000, false);
  for (auto& pair : pairs) pair.judgement = ShadowJudgement{"j/j", JudgeVerdict::equal, {}};
  for (int i = 0; i < 1000; ++i) {
    ShadowPair self = pairs[static_cast<std::size_t>(i)];
    self.kind = ShadowKind::self;
    self.shadow.target = self.live.target;
    self.judgement.reset();
    self.same_action = i % 2 == 0;
    pairs.push_back(self);
  }
  const auto measured = judge_viability(pairs, question_of(0.7)).overall;
  CHECK(measured.baseline_from == BaselineFrom::self_pairs);
  CHECK(measured.baseline == Approx(0.5));
  CHECK(measured.agreement == 0);
  CHECK(measured.answer == Viable::no);
  // A stated baseline is of judged answers, and so is the candidate's side.
  auto question = question_of(0.7);
  question.baseline_agreement = 0.9;
  const auto stated = judge_viability(pairs, question).overall;
  CHECK(stated.agreement == 1);
  CHECK(stated.answer == Viable::yes);
}

TEST_CASE("the worst examples are the broken answers to the easiest steps", "[viability]") {
  auto pairs = same_pairs(30, true);
  pairs[3].same_action = false;
  pairs[5].shadow.calls_fit = false;
  pairs[5].percentile = 0.4F;
  pairs[6].shadow.calls_fit = false;
  pairs[6].percentile = 0.1F;
  pairs[7].shadow.error_code = "timeout_total";
  pairs[8].same_action = false;
  pairs[8].percentile = 0.95F;  // stays where it is
  const auto worst = judge_viability(pairs, question_of(0.7)).worst;
  REQUIRE(worst.size() == 4);
  CHECK(worst[0].decision_id == "d6");
  CHECK(worst[1].decision_id == "d5");
  CHECK(worst[2].what == "failed: timeout_total");
  CHECK(worst[3].decision_id == "d3");
}

TEST_CASE("difficulty is a place among the steps that were sampled, each counted for those it stands for", "[viability]") {
  auto pairs = same_pairs(5, true);
  for (std::size_t i = 0; i < 5; ++i) {
    pairs[i].score = 0.30F + 0.01F * static_cast<float>(i / 2);  // 0.30 0.30 0.31 0.31 0.32: all easy in the classifier's eyes
    pairs[i].percentile = 0.05F;
  }
  pairs[4].weight = 4;
  pairs.push_back(pairs[0]);
  pairs.back().kind = ShadowKind::self;
  pairs.push_back(pairs[0]);
  pairs.back().shadow.target = "other/model";
  pairs.back().score = 0.9F;
  rank_by_difficulty(pairs, "cheap/flash");
  CHECK(pairs[0].percentile == Approx(0.125));
  CHECK(pairs[1].percentile == Approx(0.125));
  CHECK(pairs[2].percentile == Approx(0.375));
  CHECK(pairs[4].percentile == Approx(0.75));
  CHECK(pairs[5].percentile == Approx(0.125));
  CHECK(pairs[6].percentile == 1);
}

TEST_CASE("intervals have their known widths", "[viability]") {
  const auto interval = wilson(0.5, 100, 0.95);
  CHECK(interval.low == Approx(0.4038).margin(0.0005));
  CHECK(interval.high == Approx(0.5962).margin(0.0005));
  CHECK(wilson(1, 10, 0.95).high == Approx(1));
  CHECK(wilson(1, 10, 0.95).low == Approx(0.7225).margin(0.0005));
  // Wider than 1.96 standard errors at every number of looks, and never by much near where it is tightest.
  for (const int parts : {30, 100, 500, 5000, 1000000}) CHECK(sequence_width(parts, 0.95) > 1.96);
  CHECK(sequence_width(500, 0.95) == Approx(3.03).margin(0.02));
  // Ten copies of each step in one conversation tell no more than one.
  std::vector<Observation> once, copied;
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) names.push_back("c" + std::to_string(i));
  for (std::size_t i = 0; i < 200; ++i) {
    const Observation one{i % 2 == 0 ? 1.0 : 0.0, 1, names[i]};
    once.push_back(one);
    for (int copy = 0; copy < 10; ++copy) copied.push_back(one);
  }
  CHECK(mean_of(copied).variance == Approx(mean_of(once).variance).epsilon(0.01));
}

TEST_CASE("a pair survives its way through the file's text", "[viability]") {
  ShadowPair pair = same_pairs(1, true).front();
  pair.at = *parse_instant("2026-11-23T03:00:00Z");
  pair.policy = "p";
  pair.kind = ShadowKind::self;
  pair.step = StepKind::compaction;
  pair.score = 0.25F;
  pair.weight = 3.5;
  pair.live.answer.tool_calls = 2;
  pair.live.usage.input_cache_read = 17;
  pair.shadow.error_code = "bad_upstream";
  pair.shadow.cost = Credits::from_nano(1234);
  pair.shadow.calls_fit = false;
  pair.shadow.total_us = 99;
  pair.judgement = ShadowJudgement{"j/j", JudgeVerdict::shadow_better, Credits::from_nano(5)};
  pair.texts = ShadowTexts{"a", "b"};
  CHECK(parse_shadow_pair(to_json(pair).dump()) == pair);
  CHECK(is_self_text(to_json(pair).dump()));
  pair.kind = ShadowKind::candidate;
  pair.texts->live = R"("kind":"self")";  // what a client's text says is no member
  CHECK_FALSE(is_self_text(to_json(pair).dump()));
  CHECK_FALSE(parse_shadow_pair("{}"));
  CHECK_FALSE(parse_shadow_pair("not json"));
  CHECK_FALSE(parse_shadow_pair(R"({"at":1})"));
}
