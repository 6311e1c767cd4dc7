// A clock that stands still until a test moves it.
#pragma once

#include <atomic>

#include "turnpike/clock.hpp"
#include "turnpike/ids.hpp"

namespace turnpike::test {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(Instant start = *parse_instant("2026-11-22T12:00:00Z")) : micros_(start.time_since_epoch().count()) {}
  [[nodiscard]] Instant now() const override { return Instant{std::chrono::microseconds{micros_.load()}}; }
  [[nodiscard]] Monotonic monotonic() const override { return Monotonic{std::chrono::microseconds{micros_.load()}}; }
  void advance(std::chrono::microseconds by) { micros_ += by.count(); }

 private:
  std::atomic<std::int64_t> micros_;
};

/// A fixed sequence from a seed; the seed belongs into the failure message.
class SeededRandomness final : public Randomness {
 public:
  explicit SeededRandomness(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t state_;
};

}  // namespace turnpike::test
