#include "gateway/overload.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace turnpike::gateway {
namespace {

using std::chrono::seconds;

/// Rounded up. Claude Code gives up at once where it would have to wait a minute. Source: client notes, "Faults".
int seconds_to_wait(std::chrono::nanoseconds wait) {
  constexpr seconds longest{59};
  return static_cast<int>(std::clamp(std::chrono::ceil<seconds>(wait), seconds{1}, longest).count());
}

}  // namespace

std::string_view to_string(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::normal:
      return "normal";
    case MemoryLevel::tight:
      return "tight";
    case MemoryLevel::critical:
      return "critical";
  }
  return "normal";
}

std::string_view to_string(Shed shed) {
  switch (shed) {
    case Shed::queue_full:
      return "queue_full";
    case Shed::queue_wait:
      return "queue_wait";
    case Shed::memory:
      return "memory";
  }
  return "queue_full";
}

Result<Priority> priority_of(const Account& account, const RequestHead& head) {
  const auto asked = head.header("x-turnpike-priority");
  if (!asked) return account.priority;
  const auto priority = parse_priority(*asked);
  if (!priority) {
    return std::unexpected{client_error(
        "bad_priority", fmt::format("x-turnpike-priority is interactive or batch, not {}.", quoted_for_message(*asked)))};
  }
  return std::max(*priority, account.priority);  // batch is the greater: a header lowers, never raises
}

Error overloaded(Shed why) {
  const char* message = why == Shed::memory ? "The gateway is short of memory and takes no new requests for a moment; send it again."
                                            : "The gateway is working on as many requests as it takes on; send it again.";
  Error error = gateway_error(503, "overloaded", message);
  error.retry_after_s = 1;
  error.should_retry = true;
  return error;
}

Error rate_exceeded(const RateRefusal& refusal) {
  const int wait = seconds_to_wait(refusal.wait);
  Error error = client_error("rate_limit_exceeded",
                             fmt::format("This key may use {} {} a minute, and has; try again in {} s.", refusal.limit,
                                         to_string(refusal.kind), wait),
                             {}, 429);
  error.retry_after_s = wait;
  error.should_retry = true;
  return error;
}

HeaderList rate_headers(Dialect caller, const RateRefusal& refusal, Instant now) {
  const auto kind = to_string(refusal.kind);
  const auto limit = fmt::format("{}", refusal.limit);
  switch (caller) {
    case Dialect::openai_chat:
    case Dialect::openai_responses:
      return {{fmt::format("x-ratelimit-limit-{}", kind), limit},
              {fmt::format("x-ratelimit-remaining-{}", kind), "0"},
              {fmt::format("x-ratelimit-reset-{}", kind), fmt::format("{}s", std::chrono::ceil<seconds>(refusal.wait).count())}};
    case Dialect::anthropic_messages:
      return {{fmt::format("anthropic-ratelimit-{}-limit", kind), limit},
              {fmt::format("anthropic-ratelimit-{}-remaining", kind), "0"},
              {fmt::format("anthropic-ratelimit-{}-reset", kind), to_rfc3339(std::chrono::floor<seconds>(now) + std::chrono::ceil<seconds>(refusal.wait))}};
    case Dialect::gemini_generate:
      break;
  }
  return {};
}

}  // namespace turnpike::gateway
