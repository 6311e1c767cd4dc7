#include "prompts.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "classify/classifier.hpp"
#include "dialect/facts.hpp"

namespace turnpike::economics {
namespace {

/// Distance of two normal distributions that tell apart with AUC 0.70.
constexpr double separation = 0.742;

double normal_share(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// By bisection: called a few ten thousand times in all.
double normal_quantile(double p) {
  double low = -6;
  double high = 6;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (normal_share(middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

Prompts::Prompts(const std::filesystem::path& shared) {
  std::ifstream lines{shared / "data/routing/dev.jsonl"};
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::ordered_json::parse(line, nullptr, false);
    if (row.is_discarded() || !row.contains("y") || row["y"].size() < 2) continue;
    Prompt prompt;
    prompt.facts = dialect::facts_of_text(row["text"].get<std::string>());
    const auto& outcomes = row["y"];
    prompt.hard = outcomes.begin().value().get<double>() < 0.5 && std::prev(outcomes.end()).value().get<double>() >= 0.5;
    (prompt.hard ? hard_ : easy_).push_back(prompts_.size());
    prompts_.push_back(std::move(prompt));
  }
  if (hard_.empty() || easy_.empty()) prompts_.clear();
}

const Prompt* Prompts::draw(bool hard, double place) const {
  if (prompts_.empty()) return nullptr;
  const auto& from = hard ? hard_ : easy_;
  return &prompts_[from[std::min(from.size() - 1, static_cast<std::size_t>(place * static_cast<double>(from.size())))]];
}

Difficulty Prompts::score(const RequestFacts& facts, bool hard, double chance) const {
  if (recorded()) return classify::Classifier::built_in().classify(facts);
  Difficulty difficulty;
  const double place = normal_quantile(std::clamp(chance, 1e-6, 1 - 1e-6)) + (hard ? separation : 0);
  difficulty.score = static_cast<float>(normal_share(place));
  difficulty.confidence = 0.5F;
  difficulty.step = facts.step;
  return difficulty;
}

}  // namespace turnpike::economics
