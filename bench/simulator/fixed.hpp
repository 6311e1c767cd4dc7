// Fixed answers for load: the body is not parsed, nothing is kept, nothing is billed, so that what
// is measured is the gateway before it. Understands `tokens`, `bytes`, `cadence_ms`, `cadence_us`
// and `think_ms` of the last [[sim …]] in the body. Each piece of a stream begins with the instant
// it was written, "t=" monotonic nanoseconds ";": a reader on the same machine knows how long it
// was under way.
#pragma once

#include <memory>

#include "server.hpp"

namespace turnpike::simulator {

/// Answers Chat Completions and Messages; any other path is 404.
class FixedService final : public Handler {
 public:
  std::unique_ptr<Reply> handle(const HttpRequest& request, Instant now) override;
};

}  // namespace turnpike::simulator
