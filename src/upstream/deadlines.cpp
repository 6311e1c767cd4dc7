#include "upstream/deadlines.hpp"

#include <algorithm>

namespace turnpike::upstream {

std::optional<Expiry> expired(const Milestones& milestones, const Timeouts& timeouts,
                              Monotonic now) {
  if (now - milestones.started >= timeouts.total) return Expiry::total;
  if (!milestones.begun) {
    const bool shaking_hands = milestones.secure && milestones.connected;
    const auto since = shaking_hands ? *milestones.connected : milestones.started;
    if (now - since < (shaking_hands ? timeouts.tls : timeouts.connect)) return std::nullopt;
    return shaking_hands ? Expiry::tls : Expiry::connect;
  }
  if (!milestones.head) {
    const bool waits = milestones.stream && milestones.fully_sent;
    if (waits && now - *milestones.fully_sent >= timeouts.response_head) {
      return Expiry::response_head;
    }
    return std::nullopt;
  }
  if (milestones.held) return std::nullopt;
  const auto last = std::max(*milestones.head, milestones.last_activity.value_or(*milestones.head));
  if (now - last >= timeouts.idle) return Expiry::idle;
  return std::nullopt;
}

}  // namespace turnpike::upstream
