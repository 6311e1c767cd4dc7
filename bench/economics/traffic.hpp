// Agents at work: conversations of human turns, each a loop of steps, some of them hard. Drawn beforehand and the same for
// every router; what a router's choice makes of them is played in play.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "shapes.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::economics {

/// Numbers in 0..1 that depend on what they are for, not on the order of asking: all routers meet the same luck.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : seed_(seed) {}
  [[nodiscard]] double of(std::uint64_t what, std::uint64_t which = 0, std::uint64_t again = 0) const;
  /// Log-normal with that median.
  [[nodiscard]] double spread(double median, double sigma, std::uint64_t what, std::uint64_t which) const;

 private:
  std::uint64_t seed_;
};

/// What kind of work a scenario is.
struct Work {
  int conversations = 200;
  double turns = 4;              // human turns of a conversation, mean
  double loop_scale = 1;         // of the measured lengths of loops; 0: no tools are called
  double pause_s = 90;           // between an answer and the next human turn, median
  double pause_sigma = 1.0;
  std::int64_t pasted_bytes = 0;  // before the first question: a repository, a log
  int subagents = 0;             // started by each turn, each with a loop of its own
  double hours = 24;             // in which the conversations begin
};

struct Turn {
  bool hard = false;
  std::uint64_t prompt = 0;     // for Prompts::draw
  double pause_s = 0;           // before it
  std::vector<bool> hard_steps;  // the human's own step first
};

struct Conversation {
  std::uint64_t id = 0;
  const Shape* shape = nullptr;
  bool subagent = false;
  Instant begins{};
  std::int64_t pasted_bytes = 0;
  std::vector<Turn> turns;
};

std::vector<Conversation> traffic(const Work& work, const Measured& measured, Instant start, std::uint64_t seed);

}  // namespace turnpike::economics
