// Identifiers: sortable by time, unguessable, safe in URLs and headers.
#pragma once

#include <cstdint>
#include <string>

#include "turnpike/clock.hpp"

namespace turnpike {

/// Randomness as a parameter; tests pass a seeded one. Any thread may ask.
class Randomness {
 public:
  virtual ~Randomness() = default;
  virtual std::uint64_t next() = 0;
};

/// Seeded once from the operating system, then a fast generator per thread. Not for secrets.
class SystemRandomness final : public Randomness {
 public:
  std::uint64_t next() override;
};

/// 26 characters of Crockford base32: 48 bits of milliseconds, then 80 random bits (the ULID layout).
std::string make_id(Instant now, Randomness& randomness);

}  // namespace turnpike
