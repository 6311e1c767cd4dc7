// What a conversation left behind in the prompt caches of its targets, and how much of it the next prompt begins with.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/clock.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/route_inputs.hpp"

namespace turnpike::gateway {

/// One prompt that a target has in its cache, as its answer reported.
struct HeldCache {
  static constexpr std::size_t ends_max = 2;

  std::string target;
  std::int64_t tokens = 0;      // cached, from the prompt's beginning
  Instant used_at{};            // when its answer ended
  bool hour = false;            // written to live an hour
  std::int64_t text_bytes = 0;  // of the whole prompt
  PromptHash head;              // as PromptTrail has it
  std::int64_t head_bytes = 0;
  /// The ends of its last messages, the last first: harnesses rewrite their newest one.
  std::array<PromptMark, ends_max> ends{};
  std::uint8_t end_count = 0;

  /// Of `tokens`, those that the prompt of `facts` begins with. 0 if already its tools or instructions differ.
  [[nodiscard]] std::int64_t readable(const RequestFacts& facts) const;
};

HeldCache held_cache(std::string target, const RequestFacts& facts, std::int64_t tokens, Instant used_at);

/// One entry for each target, the youngest first; at most RouteInputs::warm_max.
void hold(std::vector<HeldCache>& held, HeldCache youngest);
/// nullptr: nothing is known of that target.
const HeldCache* held_by(const std::vector<HeldCache>& held, std::string_view target);

}  // namespace turnpike::gateway
