// Decision records read in the order of time, a page at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "turnpike/clock.hpp"

namespace turnpike::account {

/// A place in the order of the records, for reading on.
using DecisionPlace = std::int64_t;

struct DecisionPage {
  std::vector<std::string> records;  // JSON, oldest first; within a millisecond in any order
  DecisionPlace next = 0;            // where to read on; 0: there is no more
};

/// The place where the records of this instant begin. Ids begin with milliseconds, places are made of ids.
inline DecisionPlace place_of_instant(Instant instant) {
  constexpr int random_bits = 15;
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(instant).time_since_epoch().count();
  return ms < 0 ? 0 : ms << random_bits;
}

}  // namespace turnpike::account
