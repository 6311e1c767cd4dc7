// What the prior is worth on prompts whose like it has not seen: trains on a part of train.jsonl,
// scores the rest, and prints APGR, AUC(weak fails) and the length baseline for three ways of
// cutting: random fifths, fifths of whole subjects, one whole source. Development rows are not
// touched. Usage: turnpike-validate DATA_DIR
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "classify/classifier.hpp"
#include "pair_curve.hpp"
#include "prior.hpp"

namespace turnpike::routing {
namespace {

struct Benchmark {
  std::string name;
  std::string source;
  std::string weak;
  std::string strong;
  bool in_mix = true;
};

// The pairs of the evaluation set's index.json.
const std::vector<Benchmark> benchmarks{
    {"MMLU, Mixtral-8x7B, GPT-4", "mmlu", "mixtral-8x7b-instruct", "gpt-4-1106-preview"},
    {"MMLU-Pro, Llama-3.1-8B, Gemini-1.5", "mmlu_pro", "Meta-Llama-3_1-8B-Instruct",
     "gemini-1.5-pro-002", false},
    {"MMLU-Pro, Mistral-7B, Llama-3.1-70B", "mmlu_pro", "Mistral-7B-Instruct-v0.2",
     "Meta-Llama-3_1-70B-Instruct"},
    {"LLMRouter, Mistral-7B, Nemotron-51B", "ulab", "mistral-7b-instruct-v0.3",
     "llama-3.1-nemotron-51b-instruct"},
    {"MATH level 5, DeepSeek-2.5, o1", "math_l5", "deepseek-v2.5-0908", "o1-preview-2024-09-12"},
};

const double* outcome_of(const Example& example, const std::string& model) {
  for (const auto& [name, outcome] : example.outcomes)
    if (name == model) return &outcome;
  return nullptr;
}

std::vector<PairRow> rows_of(const Benchmark& benchmark, const std::vector<Example>& examples,
                             const std::vector<double>& scores) {
  std::vector<PairRow> rows;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].source != benchmark.source) continue;
    const double* const weak = outcome_of(examples[i], benchmark.weak);
    const double* const strong = outcome_of(examples[i], benchmark.strong);
    if (weak == nullptr || strong == nullptr) continue;
    rows.push_back({.score = scores[i], .weak = *weak, .strong = *strong, .weight = 1});
  }
  for (auto& row : rows) row.weight = 1.0 / static_cast<double>(rows.size());
  return rows;
}

void print_row(const std::string& name, const std::vector<PairRow>& model,
               const std::vector<PairRow>& length) {
  fmt::print("  {:<38} {:>5}   APGR {:.3f} (length {:.3f})   AUC {:.2f} ({:.2f})\n", name,
             model.size(), area_of_gap_recovered(model), area_of_gap_recovered(length),
             auc_weak_fails(model), auc_weak_fails(length));
}

void print_table(const std::string& title, const std::vector<Example>& examples,
                 const std::vector<double>& scores) {
  fmt::print("{}\n", title);
  std::vector<double> lengths;
  for (const auto& example : examples)
    lengths.push_back(static_cast<double>(example.facts.question_bytes));
  std::vector<PairRow> mixed;
  std::vector<PairRow> mixed_length;
  for (const auto& benchmark : benchmarks) {
    const auto model = rows_of(benchmark, examples, scores);
    const auto length = rows_of(benchmark, examples, lengths);
    print_row(benchmark.name, model, length);
    if (!benchmark.in_mix) continue;
    mixed.insert(mixed.end(), model.begin(), model.end());
    mixed_length.insert(mixed_length.end(), length.begin(), length.end());
  }
  print_row("mixed, equal weights", mixed, mixed_length);
  std::fflush(stdout);
}

/// Scores each part with a model that was trained on the others (and on the tiers).
std::vector<double> scores_across(const std::vector<Example>& outcomes,
                                  const std::vector<Example>& tiers,
                                  const std::vector<int>& parts) {
  std::vector<double> scores(outcomes.size(), 0);
  for (int part = 0; part <= *std::ranges::max_element(parts); ++part) {
    std::vector<const Example*> examples;
    for (std::size_t i = 0; i < outcomes.size(); ++i)
      if (parts[i] != part) examples.push_back(&outcomes[i]);
    for (const auto& example : tiers) examples.push_back(&example);
    const auto weights = make_prior(examples, Recipe{}, HandSet::without);
    const auto classifier = classify::Classifier::load(classify::write_weights(weights));
    if (!classifier) continue;  // make_prior has loaded the same bytes already
    for (std::size_t i = 0; i < outcomes.size(); ++i)
      if (parts[i] == part) scores[i] = classifier->classify(outcomes[i].facts).score;
  }
  return scores;
}

/// Numbers the groups in a shuffled order and deals them out to `count` parts.
std::vector<int> parts_of(const std::vector<Example>& examples, int count,
                          const std::function<std::string(std::size_t)>& group_of) {
  std::map<std::string, int> part_of_group;
  for (std::size_t i = 0; i < examples.size(); ++i) part_of_group.emplace(group_of(i), 0);
  std::vector<int*> groups;
  for (auto& [group, part] : part_of_group) groups.push_back(&part);
  std::mt19937_64 random{20261122};
  for (std::size_t i = groups.size(); i > 1; --i) std::swap(groups[i - 1], groups[random() % i]);
  for (std::size_t i = 0; i < groups.size(); ++i) *groups[i] = static_cast<int>(i) % count;
  std::vector<int> parts;
  for (std::size_t i = 0; i < examples.size(); ++i) parts.push_back(part_of_group[group_of(i)]);
  return parts;
}

}  // namespace
}  // namespace turnpike::routing

int main(int argc, char** argv) {
  using namespace turnpike::routing;
  if (argc != 2) {
    fmt::print(stderr, "usage: turnpike-validate DATA_DIR\n");
    return 2;
  }
  const std::filesystem::path data{argv[1]};
  auto outcomes = read_outcomes(data / "train.jsonl");
  auto tiers = read_tiers(data / "tiers_train.jsonl");
  set_targets(outcomes, tiers);
  const auto subject = [&](std::size_t i) {
    // MATH is one subject; its rows are dealt out one by one.
    const bool alone = outcomes[i].source == "math_l5";
    return outcomes[i].source + "/" + outcomes[i].subject + (alone ? std::to_string(i) : "");
  };
  const auto row = [](std::size_t i) { return std::to_string(i); };
  const auto source = [&](std::size_t i) { return outcomes[i].source; };
  const auto across = [&](const auto& group_of, int count) {
    return scores_across(outcomes, tiers, parts_of(outcomes, count, group_of));
  };
  print_table("random fifths left out", outcomes, across(row, 5));
  print_table("fifths of whole subjects left out", outcomes, across(subject, 5));
  print_table("one whole source left out (the mix compares scores of four models)", outcomes,
              across(source, 4));
  return 0;
}
