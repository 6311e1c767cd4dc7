// Everything that one group of callers has taught: the online layer, the calibration of its scores, and how good they
// have been.
//
// classify() from any number of threads, without a lock; the rest takes a short mutex.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "classify/calibration.hpp"
#include "classify/classifier.hpp"
#include "classify/online_layer.hpp"
#include "classify/progress.hpp"

namespace turnpike::classify {

struct LearnerReport {
  ProgressReport progress;
  std::uint64_t lessons = 0;  // outcomes of all kinds, weak signals among them
  double scale = 1;           // of the prior
  bool frozen = false;
};

class Learner {
 public:
  explicit Learner(const Classifier& classifier) : classifier_(classifier), calibration_(classifier.quantiles()) {}

  /// With `prior` (the frozen score) and `weak_fails` filled in. `kept`: as Classifier::classify() has it.
  [[nodiscard]] Difficulty classify(const RequestFacts& facts, Footprint* kept = nullptr) const;

  /// How sure an outcome is. Hints teach the layer, but nothing is measured by them.
  enum class Kind : std::uint8_t { known, hint };
  /// Nothing while frozen.
  void learn(const Footprint& footprint, const Lesson& lesson, Kind kind);

  void freeze(bool frozen) { frozen_.store(frozen, std::memory_order_relaxed); }
  [[nodiscard]] bool frozen() const { return frozen_.load(std::memory_order_relaxed); }
  [[nodiscard]] LearnerReport report() const;
  [[nodiscard]] float weak_fails(float score) const { return calibration_.weak_fails(score); }
  /// Logit per unit of each count and trace counter, by name, as learned on top of the prior; and the bias.
  [[nodiscard]] std::vector<std::pair<std::string_view, double>> weights() const { return layer_.weights(); }
  [[nodiscard]] std::size_t ngrams_touched() const { return layer_.ngrams_touched(); }

  /// learner := frozen:u8 layer progress
  void write(std::string& out) const;
  /// Before others see this object.
  [[nodiscard]] bool read(std::span<const std::byte>& in);

 private:
  const Classifier& classifier_;
  OnlineLayer layer_;
  Calibration calibration_;
  std::atomic<bool> frozen_{false};
  mutable std::mutex mutex_;  // of the progress, and of who learns
  Progress progress_;
};

/// A number that changes when features or hashes change their meaning: what was learned of others is of no use then.
std::uint64_t feature_layout(const Classifier& classifier);

}  // namespace turnpike::classify
