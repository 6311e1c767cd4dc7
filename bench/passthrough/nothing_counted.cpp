#include "counters.hpp"

namespace turnpike::bench {

bool counts() { return false; }
Counters counters() { return {}; }

}  // namespace turnpike::bench
