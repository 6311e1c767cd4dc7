// What would this policy have done with recorded steps? Decided again in the order of time by the very function that
// decides live, with the share controller run forward and conversations carried on as they would have gone.
//
// A step that was recorded under the very configuration that is tested is decided with the inputs as recorded, threshold
// included: it comes out as it did. So a policy tested against its own record moves nothing, exactly.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/course.hpp"
#include "gateway/snapshot.hpp"
#include "record/record.hpp"

namespace turnpike::app {

/// Sums over steps, as they were and as they would have been.
struct BothWays {
  std::int64_t steps = 0;     // decided both times
  std::int64_t moved = 0;     // of those, another target would have come first
  std::int64_t refused = 0;   // the policy would have refused them
  std::int64_t frontier_was = 0;
  std::int64_t frontier_would = 0;
  Credits cost_was;   // of steps that ran and told their usage
  Credits cost_would;
  Credits frontier_cost_was;
  Credits frontier_cost_would;
  std::int64_t cache_read_was = 0;  // prompt tokens
  std::int64_t cache_read_would = 0;
  std::int64_t prompt_was = 0;
  std::int64_t prompt_would = 0;
  std::int64_t pressed_was = 0;  // a thin budget changed the choice
  std::int64_t pressed_would = 0;
  std::int64_t budget_hits_was = 0;    // refused for want of budget
  std::int64_t budget_hits_would = 0;  // would have asked for more than was left
};

class Backtest {
 public:
  struct Move {
    std::int64_t steps = 0;
    Credits cost_was;
    Credits cost_would;
    std::vector<std::string> examples;  // ids of decisions
  };
  static constexpr std::size_t examples_max = 3;

  /// `rules` are the policy and the catalog to be tested; their share controller begins anew.
  explicit Backtest(std::shared_ptr<gateway::Snapshot> rules);

  /// Records in the order of time.
  void add(const std::string& text);

  BothWays all;
  std::map<StepKind, BothWays> kinds;
  std::map<std::pair<std::string, std::string>, Move> moves;  // from, to; "refused" for none
  std::int64_t records = 0;
  std::int64_t same_version = 0;  // steps that were recorded under the tested configuration
  std::int64_t undecided = 0;     // refused then before anything was decided
  std::int64_t not_run = 0;       // decided, but nothing reached a provider, or it told no usage: no cost to compare
  std::int64_t token_counts = 0;  // questions for a count: decided, never run
  std::int64_t too_old = 0;
  std::int64_t damaged = 0;
  std::optional<Instant> first;
  std::optional<Instant> last;
  // The model's own error: cost by the model of the steps that went where they were recorded, and their recorded cost.
  Credits model_cost;
  Credits model_recorded;
  std::map<std::string, float> thresholds;  // where each share scope's threshold stands at the end

 private:
  struct Step;
  void take(const Exchange& exchange);
  RouteInputs inputs_for(const Exchange& exchange, const Course& course) const;
  void run(Step& step, Course& course);
  void check_budget(const Step& step);
  void count(const Step& step);
  void count_into(BothWays& sums, const Step& step) const;
  void steer(const Step& step);

  std::shared_ptr<gateway::Snapshot> rules_;
  std::map<std::string, Course, std::less<>> courses_;  // by key and conversation
  std::map<std::string, Credits, std::less<>> extra_;   // by budget: spent more than recorded so far
};

}  // namespace turnpike::app
