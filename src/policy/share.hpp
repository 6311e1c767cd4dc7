// Holds the frontier share: a closed loop that moves the difficulty threshold so that the hardest
// `target` of the steps, and only those, go to the frontier. One instance per policy; any thread
// may call (mutexes by scope shard, each held for a few hundred nanoseconds).
//
// The loop works in percentiles. Each scope keeps a fading histogram of the scores it has seen
// (about the last 500) and a position p in that distribution; the threshold is the histogram's
// p-quantile. After each step
//   p += eta * (sent - target) * weight / mean weight
// where `sent` counts what really ran on the frontier, pins and loops that stay there included.
// Summed over any n steps, share - target = (p_after - p_before) / (eta n): p is the integral of
// the error, so the share is held whatever the scores do, and the histogram keeps p near 1 -
// target, so that the right steps are chosen. A debt of more than three steps moves the threshold
// further than p says, so that it is soon repaid.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"
#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::policy {

class ShareScope;

/// Scores at the percentiles 0, 1, … 100 of the classifier's calibration set.
using Quantiles = std::array<float, 101>;

class ShareController {
 public:
  struct Observation {
    float score = 0;
    bool frontier = false;
    double weight = 1;  // 1 for steps, tokens or nano-credits else
    Instant at{};       // places the step in the reported window
  };
  struct Steering {
    float threshold = 0;             // score at which the frontier begins, now
    bool escalation_allowed = true;  // false while the share is overdrawn by some 20 steps
  };
  struct Report {
    double target = 0;
    double share = 0;   // over the window; the target itself while nothing was observed
    double weight = 0;  // observed in the window
    float threshold = 0;
    std::uint64_t steps = 0;  // since the beginning
  };

  /// `calibration`: where a new scope begins; absent: scores are taken as percentiles.
  explicit ShareController(const FrontierShare& share,
                           const std::optional<Quantiles>& calibration = {});
  ~ShareController();
  ShareController(const ShareController&) = delete;
  ShareController& operator=(const ShareController&) = delete;

  /// "key:…", "team:…" or "all", by the policy's `per`.
  [[nodiscard]] std::string scope_of(const Account& account) const;

  /// What the decision needs. An unknown scope has the calibration's threshold.
  [[nodiscard]] Steering steer(std::string_view scope) const;
  [[nodiscard]] float threshold(std::string_view scope) const { return steer(scope).threshold; }
  /// Share of the scope's recent steps (about 500) that were easier than this score, 0..1; in an
  /// unknown scope, of the calibration's. Exact to the width of a bin, 1/128 of the scores' range.
  [[nodiscard]] float percentile(std::string_view scope, float score) const;
  void observe(std::string_view scope, const Observation& observation);
  [[nodiscard]] Report report(std::string_view scope, Instant now) const;
  [[nodiscard]] std::vector<std::string> scopes() const;

  /// One line per scope; the reported window is not part of it. restore() takes such lines into
  /// this controller; the first malformed line is an error and leaves the controller as it was.
  [[nodiscard]] std::string serialise() const;
  Result<void> restore(std::string_view text);

  static constexpr std::size_t scopes_max =
      10000;  // beyond, the scope longest unseen in its shard is forgotten

 private:
  struct Shard;
  static constexpr std::size_t shard_count = 16;
  [[nodiscard]] Shard& shard_of(std::string_view scope) const;

  FrontierShare share_;
  std::unique_ptr<const ShareScope> fresh_;  // what a new scope begins as
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace turnpike::policy
