// What is known of one key of one provider: how busy it is, how long it rests, why it was taken out of service, and how
// each model does with it. Source: reliability specification §9, rows 429, 401 and 403 of the table of outcomes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/adaptive_limit.hpp"
#include "gateway/breaker.hpp"
#include "gateway/rate_headroom.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::gateway {

/// Why a key is out of service. Names (to_string) appear in the log, on the operator's page and as metric labels.
enum class KeyFault : std::uint8_t { refused, out_of_credit, by_operator };
std::string_view to_string(KeyFault fault);

/// Why no attempt may be sent: the passing reasons first.
enum class Unavailable : std::uint8_t { busy, probing, cooling, ejected, retry_budget, out_of_credit, refused, no_key };

/// One model with one key.
struct ModelState {
  Breaker breaker;
  Monotonic forbidden_until{};
  Monotonic served_at{};           // zero: never yet
  std::uint32_t forbidden_in_row = 0;
};

struct KeyState {
  struct OutOfService {
    KeyFault fault;
    Instant since;
    std::optional<Instant> until;  // absent: until an operator says so
  };

  KeyState(std::string key_id, std::int64_t in_flight_max) : id(std::move(key_id)), limit(in_flight_max) {}

  std::string id;
  std::string fingerprint;
  std::uint64_t generation = 0;  // a new one with each secret: what the old one is told late is not the new one's fault
  AdaptiveLimit limit;
  std::int64_t in_flight = 0;
  Monotonic cooled_until{};
  std::optional<OutOfService> out_of_service;
  Headroom headroom;
  std::map<std::string, ModelState, std::less<>> models;

  ModelState& model(std::string_view name);
  /// Part of its rate limit that is left, 0..1.
  [[nodiscard]] float left(Instant now) const { return now < headroom.until ? headroom.left : 1.0F; }
  /// The provider does not know this model for this key.
  void forbid(ModelState& model, Monotonic now);
  /// In service again, as if nothing had been.
  void forgive();
  /// Another secret: likewise, unless an operator took the key out of service. It stays so until an operator says otherwise.
  void replaced();
};

struct Availability {
  std::optional<Unavailable> why_not;
  Monotonic until{};   // of why_not, if it passes by itself
  bool probe = false;  // available for one attempt, which is the probe
};
/// Whether an attempt may be sent now. Ends what has run out.
Availability availability(KeyState& key, const ModelState& model, Monotonic now, Instant wall);

}  // namespace turnpike::gateway
