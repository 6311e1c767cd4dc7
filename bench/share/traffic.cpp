#include "traffic.hpp"

#include <cmath>
#include <queue>

namespace turnpike::bench {
namespace {

using policy::OpenShareStep;
using policy::ShareController;
using policy::ShareCourse;

struct Loop {
  bool frontier = false;
  bool running_on = false;
  int steps = 0;
  bool waiting = false;  // for its outcome: a conversation asks one thing at a time
};

struct Outcome {
  int due = 0;
  int number = 0;  // of the step; also makes the order definite
  bool operator>(const Outcome& other) const { return due != other.due ? due > other.due : number > other.number; }
};

/// Steps follow each other by two seconds.
Instant moment(int step) { return Instant{} + std::chrono::seconds{1'780'000'000 + 2 * step}; }

class Stream {
 public:
  Stream(const Scenario& scenario, std::uint64_t seed)
      : scenario_(scenario), random_(seed), control_(settings(scenario)), loops_(static_cast<std::size_t>(scenario.keys)) {
    for (auto& loops : loops_) loops.resize(static_cast<std::size_t>(scenario.conversations));
  }

  std::vector<Ran> run() {
    for (int i = 0; i < scenario_.steps; ++i) {
      tell_until(i);
      decide(i);
    }
    tell_until(INT32_MAX);
    return std::move(ran_);
  }

 private:
  static policy::FrontierShare settings(const Scenario& scenario) {
    policy::FrontierShare share;
    share.target = scenario.target;
    share.of = scenario.of;
    share.per = policy::SharePer::key;
    return share;
  }

  Loop& idle_loop(int key) {
    auto& loops = loops_[static_cast<std::size_t>(key)];
    for (std::size_t tries = 0; tries < 8; ++tries) {
      auto& loop = loops[random_() % loops.size()];
      if (!loop.waiting) return loop;
    }
    return loops.emplace_back();  // everybody waits: somebody new comes
  }

  void decide(int i) {
    const int key = static_cast<int>(random_() % static_cast<std::uint64_t>(scenario_.keys));
    const std::string scope = "key:" + std::to_string(key);
    auto& loop = idle_loop(key);
    Ran step;
    step.key = key;
    step.score = scenario_.score(random_, i, key);
    step.threshold = control_.threshold(scope);
    const double pin = uniform(random_);
    if (pin < scenario_.pinned_frontier + scenario_.pinned_bulk) {
      step.steered = false;
      step.decided_frontier = pin < scenario_.pinned_frontier;
    } else if (loop.running_on) {
      step.steered = false;
      step.decided_frontier = loop.frontier;
      go_on(loop);
    } else {
      step.decided_frontier = loop.frontier = step.score >= step.threshold;
      loop.steps = 0;
      go_on(loop);
    }
    const double luck = uniform(random_);
    step.ran = luck >= scenario_.never_runs;
    step.frontier = luck < scenario_.never_runs + scenario_.crosses_over ? !step.decided_frontier : step.decided_frontier;
    const auto decided = scenario_.weight(random_, step.score, step.decided_frontier);
    const auto used = step.frontier == step.decided_frontier ? decided : scenario_.weight(random_, step.score, step.frontier);
    step.weight = used.used;
    const double delay = step.decided_frontier ? scenario_.delay_frontier : scenario_.delay_bulk;
    step.ended_at = i + static_cast<int>(-delay * std::log(1 - uniform(random_)));
    open_.push_back(control_.open(scope, {step.score, step.decided_frontier, step.steered ? ShareCourse::steered : ShareCourse::bound,
                                          decided.guess}));
    if (step.ended_at > i) {
      loop.waiting = true;
      waiting_.push_back({key, static_cast<std::size_t>(&loop - loops_[static_cast<std::size_t>(key)].data())});
    } else {
      waiting_.push_back({key, no_loop});
    }
    due_.push({step.ended_at, i});
    ran_.push_back(step);
  }

  void go_on(Loop& loop) {
    ++loop.steps;
    loop.running_on = loop.steps < scenario_.loop_max && uniform(random_) < scenario_.runs_on;
  }

  /// The outcomes that are known by now.
  void tell_until(int now) {
    while (!due_.empty() && due_.top().due < now) {
      const int number = due_.top().number;
      due_.pop();
      const auto& step = ran_[static_cast<std::size_t>(number)];
      open_[static_cast<std::size_t>(number)].settle({step.ran, step.frontier, step.weight, moment(step.ended_at)});
      const auto& who = waiting_[static_cast<std::size_t>(number)];
      if (who.loop != no_loop) loops_[static_cast<std::size_t>(who.key)][who.loop].waiting = false;
    }
  }

  static constexpr std::size_t no_loop = SIZE_MAX;
  struct Waiting {
    int key = 0;
    std::size_t loop = no_loop;
  };

  const Scenario& scenario_;
  Random random_;
  ShareController control_;
  std::vector<std::vector<Loop>> loops_;
  std::vector<Ran> ran_;
  std::vector<OpenShareStep> open_;  // as ran_
  std::vector<Waiting> waiting_;     // as ran_
  std::priority_queue<Outcome, std::vector<Outcome>, std::greater<>> due_;
};

}  // namespace

std::vector<Ran> play(const Scenario& scenario, std::uint64_t seed) { return Stream{scenario, seed}.run(); }

}  // namespace turnpike::bench
