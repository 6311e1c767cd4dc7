// How good the scores have been on an operator's own outcomes: each outcome is judged by what was said before it was
// learned. Length alone stands beside every figure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "turnpike/error.hpp"

namespace turnpike::classify {

/// One outcome and what had been said of its step. Numbers only.
struct Judged {
  float score = 0;       // of the model with what it had learned until then
  float prior = 0;       // of the frozen model
  float words = 0;       // of the question
  float said = 0;        // the chance of a weak failure that had been stated
  float weak_failed = 0;
  float strong_right = -1;  // negative: not known
};

/// What a scorer is worth; negative where it cannot be told.
struct Worth {
  double apgr = -1;  // area under the share of the gap recovered; random is 0.5
  double auc = -1;   // of "the weak model fails"; random is 0.5
};

struct ProgressReport {
  std::uint64_t outcomes = 0;  // since the beginning
  std::size_t judged = 0;      // of the last ones, over which the figures below are
  std::size_t pairs = 0;       // of those, with both outcomes: what apgr is of
  double weak_fails = 0;       // share
  Worth model;
  Worth prior;
  Worth length;
  double calibration_error = -1;  // mean distance of stated chance and rate in ten groups of equal size
  /// From 300 outcomes on: false says that length alone would do as well.
  std::optional<bool> beats_length;
};

/// The last 2,000 outcomes. Not thread-safe.
class Progress {
 public:
  static constexpr std::size_t kept_max = 2000;
  static constexpr std::size_t verdict_from = 300;  // source: classifier specification §2.7

  void add(const Judged& judged);
  [[nodiscard]] std::uint64_t outcomes() const { return outcomes_; }
  [[nodiscard]] std::span<const Judged> kept() const { return kept_; }

  /// progress := outcomes:u64 next:u32 kept:u32 (6 f32)*
  void write(std::string& out) const;
  [[nodiscard]] bool read(std::span<const std::byte>& in);

 private:
  std::vector<Judged> kept_;  // a ring once it is full
  std::size_t next_ = 0;
  std::uint64_t outcomes_ = 0;
};

ProgressReport report_of(std::span<const Judged> kept, std::uint64_t outcomes);

}  // namespace turnpike::classify
