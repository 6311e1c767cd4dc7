// Plays the traffic of a scenario against one router, in the order of time.
#pragma once

#include <cstdint>

#include "prompts.hpp"
#include "routers.hpp"
#include "world.hpp"

namespace turnpike::economics {

struct Sums {
  Credits cost;
  std::int64_t steps = 0;
  std::int64_t frontier_steps = 0;
  std::int64_t input_tokens = 0;
  std::int64_t read_tokens = 0;   // of those, from a cache
  std::int64_t later_steps = 0;   // that had one before them in their conversation
  std::int64_t switches = 0;      // of those, answered by another target than it
  std::int64_t hard_steps = 0;    // first attempts
  std::int64_t under_routed = 0;  // of those, not on the frontier
  std::int64_t turns = 0;
  std::int64_t turns_failed = 0;  // given up
};

Sums play(const std::vector<Conversation>& traffic, const Prompts& prompts, World& world, Router& router);

}  // namespace turnpike::economics
