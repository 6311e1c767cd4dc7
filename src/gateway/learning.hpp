// What the gateway learns from outcomes: which steps the bulk tier fails, for each group of callers apart.
//
// A group is one policy, team or key, as the policy's [classifier] says, and has a classify::Learner. Groups come into
// being with their first outcome; until then, and without this object, the frozen classifier alone speaks.
//
//   classify()  scores a step                                  learn()    one known outcome: a shadow pair, a taught row
//   watch()     remembers a finished step, and takes from it what it tells of the step before
//
// Any thread may call anything. classify() takes a shared lock for one look-up.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "classify/learner.hpp"
#include "gateway/weak_signals.hpp"
#include "policy/policy.hpp"
#include "turnpike/account.hpp"
#include "turnpike/difficulty.hpp"
#include "turnpike/error.hpp"
#include "turnpike/exchange.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/outcome.hpp"

namespace turnpike::gateway {

class Learning {
 public:
  static constexpr std::size_t groups_max = 64;  // beyond, further callers share the group "others"

  /// `classifier` outlives this object.
  explicit Learning(const classify::Classifier& classifier) : classifier_(classifier), shipped_(classifier.quantiles()) {}

  /// "policy:NAME", "team:ORG/TEAM", "key:ID"; empty: this policy does not learn.
  [[nodiscard]] static std::string group_of(const policy::Policy& policy, const Account& account);

  /// `group` as group_of() gives it. `kept`, if asked for, becomes footprint(facts).
  [[nodiscard]] Difficulty classify(std::string_view group, const RequestFacts& facts, classify::Footprint* kept = nullptr) const;
  /// What learn() needs once the outcome is known; holds no text.
  [[nodiscard]] classify::Footprint footprint(const RequestFacts& facts) const { return classifier_.footprint(facts); }
  /// Takes some microseconds. Without a group, and for a group that is frozen, nothing happens.
  void learn(std::string_view group, const classify::Footprint& footprint, const Outcome& outcome);
  void learn(std::string_view group, const RequestFacts& facts, const Outcome& outcome) {
    learn(group, footprint(facts), outcome);
  }

  /// A finished step: remembers it, and takes from it what it tells of the conversation's step before.
  /// `footprint` is that of its facts.
  void watch(const policy::Policy& policy, const Exchange& exchange, classify::Footprint footprint);

  /// Of one group, or of all and those to come with an empty name. 404 unknown_group.
  Result<void> freeze(std::string_view group, bool frozen);
  /// Forgets what one group, or all, have learned.
  Result<void> reset(std::string_view group);
  /// The group's learner; null if it has not learned anything. It goes on learning.
  [[nodiscard]] std::shared_ptr<classify::Learner> learner(std::string_view group) const;

  struct GroupReport {
    std::string group;
    classify::LearnerReport learner;
  };
  [[nodiscard]] std::vector<GroupReport> report() const;  // sorted by name
  [[nodiscard]] std::size_t conversations() const { return signals_.size(); }
  [[nodiscard]] bool frozen() const { return frozen_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t outcomes(OutcomeSource source) const {
    return outcomes_[static_cast<std::size_t>(source)].load(std::memory_order_relaxed);
  }
  /// Moves with everything that state() would show.
  [[nodiscard]] std::uint64_t revision() const { return revision_.load(std::memory_order_relaxed); }
  [[nodiscard]] const classify::Classifier& classifier() const { return classifier_; }

  /// Everything learned, as bytes that restore() of the same features takes back to the last bit.
  [[nodiscard]] std::string state() const;
  /// All or nothing: 500 classifier_state_malformed or classifier_state_of_other_features says what is wrong.
  Result<void> restore(std::string_view bytes);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Groups = std::unordered_map<std::string, std::shared_ptr<classify::Learner>, Hash, std::equal_to<>>;

  [[nodiscard]] std::shared_ptr<classify::Learner> find(std::string_view group) const;
  [[nodiscard]] std::shared_ptr<classify::Learner> find_or_make(std::string_view group);
  [[nodiscard]] std::vector<std::pair<std::string, std::shared_ptr<classify::Learner>>> sorted() const;

  const classify::Classifier& classifier_;
  const classify::Calibration shipped_;  // of groups that have not learned yet
  mutable std::shared_mutex mutex_;  // of the map alone; learners guard themselves
  Groups groups_;
  WeakSignals signals_;
  std::atomic<bool> frozen_{false};
  std::atomic<std::uint64_t> revision_{0};
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(OutcomeSource::count_)> outcomes_{};
};

}  // namespace turnpike::gateway
