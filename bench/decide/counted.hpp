// What the program has allocated so far, by operator new.
#pragma once

#include <cstdint>

namespace turnpike::bench {

struct Allocations {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};
Allocations allocations();

}  // namespace turnpike::bench
