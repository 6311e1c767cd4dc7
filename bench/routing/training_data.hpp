// Rows of the routing data sets: a prompt, its features, and how each model did on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "classify/text_features.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::routing {

struct Example {
  std::string source;                                    // mmlu, mmlu_pro, ulab, math_l5, tiers
  std::string subject;                                   // or task, within the source
  std::vector<std::pair<std::string, double>> outcomes;  // model and 0..1, from weak to strong
  RequestFacts facts;                                    // of the prompt as a bare text
  classify::TextScan scan;
  std::vector<std::uint32_t> ngrams;
  double target = 0;  // 0..1, what the model is to learn
  double weight = 1;
};

/// Reads train.jsonl or dev.jsonl; ends the program with a message if the file cannot be read.
std::vector<Example> read_outcomes(const std::filesystem::path& file);
/// Reads tiers_train.jsonl: SIMPLE, MEDIUM, COMPLEX, REASONING become targets 0.15, 0.4, 0.7, 0.85.
std::vector<Example> read_tiers(const std::filesystem::path& file);

/// Mean outcomes of the weakest and of the strongest third of the models, at least one each: a pair
/// between which somebody would route lies as far apart as these.
struct Ends {
  double weak = 0;
  double strong = 0;
};
Ends ends_of(const Example& example);

}  // namespace turnpike::routing
