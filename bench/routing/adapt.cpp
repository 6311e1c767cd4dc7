// What learning from outcomes is worth: trains the prior without one or two sources, then lets the online layer learn
// from outcomes of exactly those, and prints how much of the gap the scores recover after 0, 10, … 1,000 of them, on
// rows that were not learned. Usage: turnpike-adapt DATA_DIR [SEEDS]
//
// Below the table: the rate of weak failures at each tenth of the scores, by priors that have not seen the source: what
// src/classify/calibration.cpp ships.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "classify/learner.hpp"
#include "pair_curve.hpp"
#include "prior.hpp"

namespace turnpike::routing {
namespace {

struct Pair {
  std::string source;
  std::string weak;
  std::string strong;
};

/// A stream of prompts as one operator might have it: one source, or some in equal parts.
struct Workload {
  std::string name;
  std::vector<Pair> pairs;
};

const Pair mmlu{"mmlu", "mixtral-8x7b-instruct", "gpt-4-1106-preview"};
const Pair pro_gemini{"mmlu_pro", "Meta-Llama-3_1-8B-Instruct", "gemini-1.5-pro-002"};
const Pair pro_llama{"mmlu_pro", "Mistral-7B-Instruct-v0.2", "Meta-Llama-3_1-70B-Instruct"};
const Pair ulab{"ulab", "mistral-7b-instruct-v0.3", "llama-3.1-nemotron-51b-instruct"};
const Pair math{"math_l5", "deepseek-v2.5-0908", "o1-preview-2024-09-12"};

const std::vector<Workload> workloads{{"MMLU", {mmlu}},
                                      {"MMLU-Pro, Gemini", {pro_gemini}},
                                      {"MMLU-Pro, Llama", {pro_llama}},
                                      {"LLMRouter", {ulab}},
                                      {"MATH level 5", {math}},
                                      {"MMLU + LLMRouter", {mmlu, ulab}},
                                      {"MMLU-Pro + LLMRouter", {pro_gemini, ulab}},
                                      {"MMLU-Pro + MMLU", {pro_llama, mmlu}},
                                      {"MMLU + MATH + LLMRouter", {mmlu, math, ulab}},
                                      {"MMLU-Pro + MATH", {pro_llama, math}}};
constexpr std::size_t single_workloads = 5;
constexpr std::array<std::size_t, 6> outcomes_learned{0, 10, 30, 100, 300, 1000};
constexpr std::size_t tested_max = 2000;
constexpr std::size_t rows_of_a_part = 1200;

struct Row {
  classify::Footprint footprint;
  double weak = 0;
  double strong = 0;
};

/// Fisher-Yates with a fixed generator; std::shuffle may differ between libraries.
template <typename Value>
void shuffle(std::vector<Value>& values, std::mt19937_64& random) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random() % i]);
}

const double* outcome_of(const Example& example, const std::string& model) {
  const auto found = std::ranges::find(example.outcomes, model, &std::pair<std::string, double>::first);
  return found == example.outcomes.end() ? nullptr : &found->second;
}

std::vector<Row> rows_of(const Pair& pair, const std::vector<Example>& examples, const classify::Classifier& prior) {
  std::vector<Row> rows;
  for (const auto& example : examples) {
    const double* const weak = outcome_of(example, pair.weak);
    const double* const strong = outcome_of(example, pair.strong);
    if (example.source != pair.source || weak == nullptr || strong == nullptr) continue;
    rows.push_back({prior.footprint(example.facts), *weak, *strong});
  }
  return rows;
}

std::vector<Row> rows_of(const Workload& workload, const std::vector<Example>& examples, const classify::Classifier& prior) {
  std::vector<Row> rows;
  std::mt19937_64 random{7};
  for (const auto& pair : workload.pairs) {
    auto part = rows_of(pair, examples, prior);
    shuffle(part, random);
    if (workload.pairs.size() > 1) part.resize(std::min(part.size(), rows_of_a_part));
    rows.insert(rows.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  }
  return rows;
}

classify::Classifier prior_without(const Workload& workload, const std::vector<Example>& outcomes, const std::vector<Example>& tiers) {
  std::vector<const Example*> kept;
  for (const auto& example : outcomes) {
    if (std::ranges::find(workload.pairs, example.source, &Pair::source) == workload.pairs.end()) kept.push_back(&example);
  }
  for (const auto& example : tiers) kept.push_back(&example);
  auto classifier = classify::Classifier::load(classify::write_weights(make_prior(kept, Recipe{}, HandSet::without)));
  if (!classifier) {
    fmt::print(stderr, "{}\n", classifier.error().message);
    std::exit(3);
  }
  return std::move(*classifier);
}

/// APGR on the rows behind the learned ones: of the prior, and of what has learned.
struct Gain {
  double prior = 0;
  double learned = 0;
};

Gain adapt(const std::vector<Row>& rows, std::size_t learned, std::uint64_t seed) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937_64 random{seed};
  shuffle(order, random);
  classify::OnlineLayer layer;
  for (std::size_t i = 0; i < learned; ++i) {
    const Row& row = rows[order[i]];
    layer.learn(row.footprint.view(),
                {.weak_failed = static_cast<float>(1 - row.weak), .strong_right = static_cast<float>(row.strong)});
  }
  std::vector<PairRow> before;
  std::vector<PairRow> after;
  for (std::size_t i = learned; i < std::min(rows.size(), learned + tested_max); ++i) {
    const Row& row = rows[order[i]];
    before.push_back({static_cast<double>(row.footprint.view().prior_logit), row.weak, row.strong, 1});
    after.push_back({static_cast<double>(layer.logit(row.footprint.view())), row.weak, row.strong, 1});
  }
  return {area_of_gap_recovered(before), area_of_gap_recovered(after)};
}

void print_rates(std::vector<std::pair<double, double>> rows) {
  std::ranges::sort(rows);
  fmt::print("rate of weak failures at each tenth of the scores:");
  for (std::size_t tenth = 0; tenth <= 10; ++tenth) {
    const std::size_t middle = tenth * (rows.size() - 1) / 10;
    const std::size_t reach = rows.size() / 20;
    const std::size_t begin = middle > reach ? middle - reach : 0;
    const std::size_t end = std::min(rows.size(), middle + reach);
    double failed = 0;
    for (std::size_t i = begin; i < end; ++i) failed += rows[i].second;
    fmt::print(" {:.2f}", failed / static_cast<double>(end - begin));
  }
  fmt::print("\n");
}

/// Each row at its percentile among its source's, so that sources of different difficulty do not hide one another.
void add_percentiles(const std::vector<Row>& rows, std::vector<std::pair<double, double>>& out) {
  std::vector<std::pair<std::int32_t, double>> sorted;
  for (const auto& row : rows) sorted.emplace_back(row.footprint.view().prior_logit, 1 - row.weak);
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i)
    out.emplace_back(static_cast<double>(i) / static_cast<double>(sorted.size()), sorted[i].second);
}

}  // namespace
}  // namespace turnpike::routing

int main(int argc, char** argv) {
  using namespace turnpike::routing;
  if (argc < 2) {
    fmt::print(stderr, "usage: turnpike-adapt DATA_DIR [SEEDS]\n");
    return 2;
  }
  const std::filesystem::path data{argv[1]};
  const std::uint64_t seeds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10;
  auto outcomes = read_outcomes(data / "train.jsonl");
  auto tiers = read_tiers(data / "tiers_train.jsonl");
  set_targets(outcomes, tiers);
  auto all = outcomes;
  for (auto& example : read_outcomes(data / "dev.jsonl")) all.push_back(std::move(example));

  fmt::print("APGR after so many outcomes, and the gain over the frozen prior on the same rows; mean of {} orders\n{:<26}", seeds, "");
  for (const auto count : outcomes_learned) fmt::print("{:>16}", count);
  fmt::print("\n");
  std::map<std::size_t, std::array<double, 2>> gains;
  std::map<std::size_t, std::array<double, 2>> counted;
  std::vector<std::pair<double, double>> rates;
  for (std::size_t w = 0; w < workloads.size(); ++w) {
    const auto prior = prior_without(workloads[w], outcomes, tiers);
    const auto rows = rows_of(workloads[w], all, prior);
    const std::size_t kind = w < single_workloads ? 0 : 1;
    if (kind == 0) add_percentiles(rows, rates);
    fmt::print("{:<26}", workloads[w].name);
    for (const auto count : outcomes_learned) {
      if (count > rows.size() * 4 / 5) continue;
      Gain mean;
      for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        const Gain gain = adapt(rows, count, 100 + seed);
        mean.prior += gain.prior / static_cast<double>(seeds);
        mean.learned += gain.learned / static_cast<double>(seeds);
      }
      gains[count][kind] += mean.learned - mean.prior;
      counted[count][kind] += 1;
      fmt::print("  {:.3f} ({:+.3f})", mean.learned, mean.learned - mean.prior);
    }
    fmt::print("\n");
  }
  for (const auto& [kind, name] : {std::pair{std::size_t{0}, "mean gain, one source"}, {std::size_t{1}, "mean gain, mixed"}}) {
    fmt::print("{:<26}", name);
    for (const auto count : outcomes_learned) fmt::print("{:>16}", fmt::format("{:+.3f}", gains[count][kind] / counted[count][kind]));
    fmt::print("\n");
  }
  print_rates(std::move(rates));
  return 0;
}
