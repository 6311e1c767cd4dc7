// What the program has copied and allocated so far. Which of the two definitions is linked decides
// whether it counts.
#pragma once

#include <cstdint>

namespace turnpike::bench {

struct Counters {
  std::uint64_t copied_bytes =
      0;  // by memcpy and memmove calls; copies of known small sizes are no calls
  std::uint64_t allocated_bytes = 0;  // by operator new
  std::uint64_t allocations = 0;
};

bool counts();
Counters counters();

}  // namespace turnpike::bench
