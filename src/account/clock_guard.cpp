#include "account/clock_guard.hpp"

namespace turnpike::account {

ClockGuard::Change ClockGuard::observe(Instant wall, Monotonic monotonic) {
  const Reading reading{wall, monotonic};
  if (!begun_) {
    begun_ = true;
    trusted_ = reading;
    return Change::none;
  }
  const auto expected = projected(trusted_, monotonic);
  offset_ = wall - expected;
  // The reading that is trusted stays the first one: many small steps add up to a jump, too.
  if (!apart(wall, expected)) {  // also: it came back by itself
    const bool released = frozen_;
    frozen_ = false;
    return released ? Change::released : Change::none;
  }
  const bool fresh = !frozen_;
  // Another jump begins the wait anew.
  if (fresh || apart(wall, projected(suspected_, monotonic))) suspected_ = reading;
  frozen_ = true;
  if (monotonic - suspected_.monotonic >= steady) {
    trusted_ = reading;
    frozen_ = false;
    return Change::released;
  }
  return fresh ? Change::frozen : Change::none;
}

void ClockGuard::confirm(Instant wall, Monotonic monotonic) {
  begun_ = true;
  frozen_ = false;
  trusted_ = {wall, monotonic};
  offset_ = std::chrono::microseconds{0};
}

}  // namespace turnpike::account
