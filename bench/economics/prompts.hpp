// What people ask, and whether a weak model fails where a strong one does not: recorded prompts with their outcomes, or
// scores drawn so that they tell hard from easy as well as the classifier does (AUC 0.70).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "traffic.hpp"
#include "turnpike/difficulty.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::economics {

struct Prompt {
  RequestFacts facts;  // of the question alone
  bool hard = false;   // the weakest recorded model fails, the strongest does not
};

class Prompts {
 public:
  /// data/routing/dev.jsonl of that folder; without it every question is blank and `recorded` is false.
  explicit Prompts(const std::filesystem::path& shared);

  [[nodiscard]] bool recorded() const { return !prompts_.empty(); }
  [[nodiscard]] std::size_t size() const { return prompts_.size(); }
  /// One of the hard or of the easy ones, by a number in 0..1.
  [[nodiscard]] const Prompt* draw(bool hard, double place) const;
  /// The classifier's score of a step. `chance`: 0..1, what a drawn score depends on, besides `hard`.
  [[nodiscard]] Difficulty score(const RequestFacts& facts, bool hard, double chance) const;

 private:
  std::vector<Prompt> prompts_;
  std::vector<std::size_t> hard_;
  std::vector<std::size_t> easy_;
};

}  // namespace turnpike::economics
