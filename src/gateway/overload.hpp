// What keeps too much work out, shared by all loops: how many requests run at once, how often a key may ask, and how
// much memory is left. Decided on the head where possible, and always before anything is reserved.
#pragma once

#include <atomic>
#include <cstdint>

#include "dialect/detect.hpp"
#include "gateway/admission_gate.hpp"
#include "gateway/key_rates.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::gateway {

struct OverloadLimits {
  GateLimits gate;
  KeyRateDefaults rates;
};

/// Of the memory target. tight: batch requests are turned away; critical: all new ones.
enum class MemoryLevel : std::uint8_t { normal, tight, critical };
std::string_view to_string(MemoryLevel level);

/// Why a request was turned away; names are metric labels.
enum class Shed : std::uint8_t { queue_full, queue_wait, memory };
std::string_view to_string(Shed shed);

/// Any thread.
struct Overload {
  Overload(const OverloadLimits& limits, const Clock& clock) : gate(limits.gate), rates(limits.rates, clock) {}

  AdmissionGate gate;
  KeyRates rates;
  std::atomic<MemoryLevel> memory{MemoryLevel::normal};
  std::atomic<std::uint64_t> shed{0};  // requests turned away since the start
};

/// The key's priority; x-turnpike-priority may lower it. 400 if the header says something else.
Result<Priority> priority_of(const Account& account, const RequestHead& head);

/// 503, worth a retry in a second.
Error overloaded(Shed why);
/// 429 with Retry-After.
Error rate_exceeded(const RateRefusal& refusal);
/// The figures of a refusal in the headers that clients of this dialect know; none for Gemini, whose clients read the
/// body.
HeaderList rate_headers(Dialect caller, const RateRefusal& refusal, Instant now);

}  // namespace turnpike::gateway
