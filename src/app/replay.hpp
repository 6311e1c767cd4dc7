// Stored decisions, taken again: same policy, same catalog, same inputs must give the same decision.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/config_files.hpp"
#include "record/record.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// policy::decide() on what the record says was known.
Result<RouteDecision> decide_again(const gateway::Snapshot& rules, const Exchange& exchange, const RouteInputs& inputs);

/// What differs, one line each, for people; candidates by their place. Members that the record leaves out cannot be named.
std::vector<std::string> differences(const RouteDecision& made, const RouteDecision& again);

/// The configurations that decisions were made with, each loaded once.
class KeptRules {
 public:
  explicit KeptRules(ConfigArchive archive) : archive_(std::move(archive)) {}
  /// Errors as ConfigArchive::rules().
  Result<std::shared_ptr<const gateway::Snapshot>> of(const Exchange& exchange);
  [[nodiscard]] std::size_t used() const;

 private:
  ConfigArchive archive_;
  std::map<std::string, Result<std::shared_ptr<const gateway::Snapshot>>, std::less<>> loaded_;
};

class Replay {
 public:
  struct Difference {
    std::string decision;
    Instant at{};
    std::vector<std::string> lines;
  };
  static constexpr std::size_t differences_shown = 20;

  explicit Replay(ConfigArchive archive) : rules_(std::move(archive)) {}
  void add(const std::string& text);

  std::size_t records = 0;
  std::size_t same = 0;
  std::size_t differ = 0;
  std::size_t undecided = 0;  // refused before or by the decision
  std::size_t too_old = 0;
  std::size_t damaged = 0;
  struct Unruled {
    std::size_t records = 0;
    std::string why;  // not kept, damaged, or refused when it is loaded today
  };
  std::map<std::string, Unruled, std::less<>> without_rules;  // by version
  std::optional<Instant> first;
  std::optional<Instant> last;
  std::vector<Difference> shown;  // the first few

  [[nodiscard]] std::size_t configurations() const { return rules_.used(); }
  /// False if a decision came out differently, or a record cannot be read.
  [[nodiscard]] bool clean() const { return differ == 0 && damaged == 0; }
  /// Nothing came out one way or the other: neither a yes nor a no.
  [[nodiscard]] bool compared_nothing() const { return same + differ == 0; }

 private:
  void differs(const Exchange& exchange, std::vector<std::string> lines);
  KeptRules rules_;
};

}  // namespace turnpike::app
