// Holds the frontier share: a closed loop that moves the difficulty threshold so that the hardest
// `target` of what runs, and only that, goes to the frontier. One instance per policy; any thread
// may call (mutexes by scope shard, each held for a few hundred nanoseconds).
//
// What counts is what ran, weighed in steps, tokens or nano-credits. Between the decision and its
// outcome, minutes may pass, so a step counts from its decision on as what was decided, with the
// weight that is to be expected, and is corrected at its outcome: requests in flight are neither
// forgotten nor counted twice. The law that moves the threshold is in share_scope.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"
#include "policy/share_histogram.hpp"
#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::policy {

class ShareScope;
class ShareController;

/// What led a step to its tier. Only steered steps tell about the threshold; all of them count.
enum class ShareCourse : std::uint8_t {
  steered,  // its score was held against the threshold
  bound,    // by the loop it belongs to, a pin, a rule, a budget
};

/// A step as it was decided.
struct ShareStep {
  float score = 0;
  bool frontier = false;
  ShareCourse course = ShareCourse::steered;
  /// What it will weigh as far as one can tell beforehand; 1 where steps are counted. The scope
  /// learns by how much such guesses are wrong, for each of the two sides.
  double weight_guess = 1;
};

/// What became of it.
struct ShareOutcome {
  bool ran = true;        // false: nothing reached a provider, so nothing counts
  bool frontier = false;  // tier of the attempt that served; a fallback may have crossed over
  /// Tokens or nano-credits, 1 for steps; absent: ran, but what it used was not told.
  std::optional<double> weight = 1.0;
  Instant at{};  // places the step in the reported window
};

/// A step between its decision and its outcome. Settle it once; left unsettled, nothing ran.
/// Movable; to be gone before its controller is.
class OpenShareStep {
 public:
  OpenShareStep(OpenShareStep&& other) noexcept;
  OpenShareStep& operator=(OpenShareStep&&) = delete;
  ~OpenShareStep();

  void settle(const ShareOutcome& outcome);

 private:
  friend class ShareController;
  OpenShareStep(ShareController& controller, std::string scope)
      : controller_(&controller), scope_(std::move(scope)) {}

  ShareController* controller_;  // null once settled
  std::string scope_;
  std::uint64_t life_ = 0;  // of the scope that counted it
  ShareStep step_;
  double counted_ = 0;  // what it has moved the scope's debt by
};

class ShareController {
 public:
  struct Steering {
    float threshold = 0;             // score at which the frontier begins, now
    bool escalation_allowed = true;  // false while the share is overdrawn by some 16 steps
  };
  struct Report {
    std::string scope;
    double target = 0;
    double share = 0;   // over the window; the target itself while nothing was observed
    double weight = 0;  // observed in the window
    double debt =
        0;  // sent to the frontier beyond the target, in steps of mean weight; below 0: owed
    float threshold = 0;
    bool escalation_allowed = true;
    std::uint64_t steps = 0;  // since the beginning
    std::uint64_t frontier_steps = 0;
    std::uint64_t open = 0;  // decided, without an outcome yet
  };
  /// A step whose outcome is known at once: for simulations and tests.
  struct Observation {
    float score = 0;
    bool frontier = false;
    double weight = 1;
    Instant at{};
    ShareCourse course = ShareCourse::steered;
  };

  /// `calibration`: what scores are taken to be like before any was seen; absent: percentiles.
  explicit ShareController(const FrontierShare& share,
                           const std::optional<Quantiles>& calibration = {});
  ~ShareController();
  ShareController(const ShareController&) = delete;
  ShareController& operator=(const ShareController&) = delete;

  /// "key:…", "team:…" or "all", by the policy's `per`.
  [[nodiscard]] std::string scope_of(const Account& account) const;
  [[nodiscard]] ShareOf of() const { return share_.of; }

  /// What the decision needs. A scope that nothing is known of begins where all others stand.
  [[nodiscard]] Steering steer(std::string_view scope) const;
  [[nodiscard]] float threshold(std::string_view scope) const { return steer(scope).threshold; }
  /// Share of the scope's recent steered steps (about 500) that were easier than this score, 0..1;
  /// in an unknown scope, of everybody's. Exact to the width of a bin, 1/128 of the scores' range.
  [[nodiscard]] float percentile(std::string_view scope, float score) const;

  [[nodiscard]] OpenShareStep open(std::string_view scope, const ShareStep& step);
  void observe(std::string_view scope, const Observation& observation);

  [[nodiscard]] Report report(std::string_view scope, Instant now) const;
  /// Of the scopes with the most steps, at most so many, by name.
  [[nodiscard]] std::vector<Report> busiest(std::size_t at_most, Instant now) const;
  [[nodiscard]] std::vector<std::string> scopes() const;

  /// One line per scope, the reported window included. Steps without an outcome are left out: after
  /// a restart they will never have one. restore() takes such lines into this controller; the first
  /// line that is malformed, of another version or in other weights is an error and leaves the
  /// controller as it was.
  [[nodiscard]] std::string serialise() const;
  Result<void> restore(std::string_view text);

  static constexpr std::size_t scopes_max =
      10000;  // beyond, the scope longest unseen in its shard is forgotten

 private:
  friend class OpenShareStep;
  struct Shard;
  static constexpr std::size_t shard_count = 16;
  [[nodiscard]] Shard& shard_of(std::string_view scope) const;
  /// What a scope begins as that nothing is known of: the course of all scopes together, then the
  /// calibration. Takes every shard's mutex, one after the other.
  [[nodiscard]] ShareScope newcomer() const;
  void settle(OpenShareStep& step, const ShareOutcome& outcome);
  /// use(scope) under its shard's mutex, with the scope as it is or, if there is none, a newcomer.
  template <class Use>
  auto with(std::string_view scope, Use use) const;

  FrontierShare share_;
  std::unique_ptr<const ShareScope> fresh_;  // before anything was seen anywhere
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace turnpike::policy
