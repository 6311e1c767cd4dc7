// The waits of a call, judged twice a second. Pure: times in, verdict out. libcurl knows one limit for
// DNS, TCP and TLS together, and keeps their sum; which of them took too long is told here.
#pragma once

#include <cstdint>
#include <optional>

#include "turnpike/clock.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::upstream {

enum class Expiry : std::uint8_t { connect, tls, response_head, idle, total };

/// What has happened to a call so far.
struct Milestones {
  Monotonic started;
  bool secure = false;                     // the connection is a TLS one
  std::optional<Monotonic> connected;      // of such a one: TCP is there, the handshake begins
  bool begun = false;                      // the request is being written
  std::optional<Monotonic> fully_sent;     // the whole request is with the kernel
  std::optional<Monotonic> head;           // final response head complete
  std::optional<Monotonic> last_activity;  // last bytes of the body, or the end of a pause
  bool held = false;    // the receiver asked for a pause, or nobody receives yet: silence is ours,
                        // not the upstream's
  bool stream = false;  // a non-streaming call may think as long as `total` allows
};

/// The first limit that `now` has passed, if any.
std::optional<Expiry> expired(const Milestones& milestones, const Timeouts& timeouts,
                              Monotonic now);

}  // namespace turnpike::upstream
