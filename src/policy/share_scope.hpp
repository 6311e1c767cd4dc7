// The state of one scope of the share controller: a fading histogram of scores, a debt, and a
// position in the histogram where the frontier begins.
//
// The debt is what ran on the frontier beyond the target, in steps of mean weight:
//   debt += (sent - target) * weight / mean weight
// Summed over any n steps, share - target = (debt_after - debt_before) / n, so a bounded debt is a
// held share, whatever the scores do. The position follows it,
//   position = base + stiffness * pull(debt)
// and the threshold is the histogram's quantile there, so that the hardest steps are the ones that
// go. `base` follows the position slowly and so finds where the share is in balance: loops that run
// on, pins and frontier steps that weigh more than others move it away from 1 - target.
//
// pull() is gentle up to three steps of debt, five times as steep beyond: at a target of 0.3,
// everything goes from about -5.5 steps on and nothing from about +4.5. The debt therefore moves
// within some ten steps, two points of 500, if each step is free to go either way and weighs the
// same; bench/share sees at most 1.8 points. Small movements of the position are not followed, so
// that a score near the threshold does not change sides with every step.
//
// Stiffness is 1 then. With loops that stay where they began, only every L-th step is free, and the
// loop has to pull L times as hard; that costs choice (the threshold swings), so beyond L = 3.5 it
// lets go, and the share is held over some hundreds of loops instead of 500 steps. Where frontier
// steps weigh w times the mean (a share of spend), each of them alone is a debt of w steps: the
// stiffness is divided by the root of w, a compromise between holding the share and choosing well.
// bench/share shows what comes of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "policy/share.hpp"
#include "policy/share_histogram.hpp"

namespace turnpike::policy {

/// Not thread-safe: its shard's mutex guards it. A value.
class ShareScope {
 public:
  ShareScope(double target, std::chrono::seconds window, const ShareHistogram& scores);

  /// Counts a step as decided; what it moved the debt by.
  double open(const ShareStep& step);
  /// Takes that back and counts what ran.
  void close(const ShareStep& step, double counted, const ShareOutcome& outcome);

  [[nodiscard]] ShareController::Steering steer() const;
  [[nodiscard]] float percentile(float score) const { return scores_.percentile(score); }
  [[nodiscard]] ShareController::Report report(Instant now) const;
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] double base() const { return base_; }
  [[nodiscard]] const ShareHistogram& scores() const { return scores_; }

  /// Begin with these scores and this base, as a newcomer among scopes that have found theirs.
  void begin_from(const ShareHistogram& scores, double base);

  /// A line, read back by parse() to the same state less the steps that are open.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool parse(std::string_view text);

  std::uint64_t last_use = 0;  // for forgetting the scope longest unseen
  std::uint64_t life = 0;      // tells this scope from one of the same name before or after it

 private:
  static constexpr std::size_t buckets = 12;
  struct Bucket {
    std::int64_t number = -1;  // of the window's twelfth since the epoch
    double all = 0;
    double frontier = 0;
  };
  /// Fading sums over the steps that ran on one side.
  struct Side {
    double steps = 0;
    double weight = 0;
    double guess = 0;
  };

  [[nodiscard]] double mean_weight() const;
  [[nodiscard]] double expected_weight(const ShareStep& step) const;
  [[nodiscard]] double debt_of(bool frontier, double weight) const;
  [[nodiscard]] double heaviness() const;
  [[nodiscard]] double stiffness() const;
  [[nodiscard]] double position() const;
  void learn_course(ShareCourse course);
  void learn_weight(const ShareStep& step, bool frontier, double weight);
  void count(Instant at, bool frontier, double weight);
  double move(double debt);

  double target_;
  std::chrono::microseconds bucket_length_;
  ShareHistogram scores_;
  double debt_ = 0;              // open steps included
  double debt_open_ = 0;         // of those
  double base_;                  // position at which the share is in balance, learned; 0..1
  double position_used_;         // the position last moved to
  double steps_per_choice_ = 1;  // fading: all steps to steered ones
  Side frontier_side_;
  Side bulk_side_;
  bool escalation_allowed_ = true;
  float threshold_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t frontier_steps_ = 0;
  std::uint64_t open_ = 0;
  std::array<Bucket, buckets> window_{};
};

}  // namespace turnpike::policy
