// At most so many requests at once in the whole process; the others wait a moment in line, or are turned away.
//
// While there is room, entering and leaving is one compare-and-swap each on a word that all loops share: no lock, no
// allocation. The lock is taken only once the bound has been reached, for less than a microsecond a request, so that
// the line is one for the whole process and fair between keys wherever their connections live.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "gateway/fair_queue.hpp"

namespace turnpike::gateway {

struct GateLimits {
  std::uint32_t in_flight_max = 0;  // 0: no bound, nobody waits
  FairQueueLimits queue;
  std::chrono::milliseconds wait_max{500};
};

/// Any thread. Outlives its places and those who wait.
class AdmissionGate {
 public:
  /// Leaves when it is destroyed.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      if (this != &other) {
        release();
        gate_ = std::exchange(other.gate_, nullptr);
      }
      return *this;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { release(); }
    [[nodiscard]] bool held() const { return gate_ != nullptr; }

   private:
    friend class AdmissionGate;
    explicit Place(AdmissionGate& gate) : gate_(&gate) {}
    void release() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->leave();
    }
    AdmissionGate* gate_ = nullptr;
  };

  /// Somebody in line. Told exactly once, unless it withdraws first.
  class Waiter : public FairQueue::Member {
   public:
    using Member::Member;
    /// From any thread, without a lock held. A place that is not held: it had to give way to others.
    virtual void decided(Place place) = 0;
  };

  enum class Joined : std::uint8_t { entered, waiting, turned_away };
  struct Entry {
    Joined joined = Joined::turned_away;
    Place place;  // held if entered
  };

  explicit AdmissionGate(GateLimits limits) : limits_(limits), queue_(limits.queue) {}

  /// Room, and nobody before us: a place. Else none; join() then.
  Place try_enter() {
    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    while (has_room(seen)) {
      if (state_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_relaxed)) return Place{*this};
    }
    return {};
  }
  Entry join(std::shared_ptr<Waiter> waiter);
  /// True: it has left the line and will not be told anything.
  bool withdraw(Waiter& waiter);
  /// A request like this would be turned away at once, so its body need not be read. Cheap while the line is short.
  [[nodiscard]] bool hopeless(const Standing& wanted) const;
  /// From now on nobody waits and nobody is told: the loops are about to end.
  void close();

  [[nodiscard]] const GateLimits& limits() const { return limits_; }
  [[nodiscard]] std::uint32_t in_flight() const { return running_of(state_.load(std::memory_order_relaxed)); }
  [[nodiscard]] std::uint32_t waiting() const { return waiting_of(state_.load(std::memory_order_relaxed)); }
  [[nodiscard]] std::size_t waiting_bytes() const;

 private:
  // Requests in flight in the low half, requests in line in the high half.
  static constexpr unsigned half = 32;
  static constexpr std::uint64_t one_waiting = std::uint64_t{1} << half;
  static std::uint32_t running_of(std::uint64_t state) { return static_cast<std::uint32_t>(state); }
  static std::uint32_t waiting_of(std::uint64_t state) { return static_cast<std::uint32_t>(state >> half); }
  [[nodiscard]] bool has_room(std::uint64_t state) const {
    return waiting_of(state) == 0 && (limits_.in_flight_max == 0 || running_of(state) < limits_.in_flight_max);
  }
  bool enter_or_announce();
  void leave();
  void hand_on();

  const GateLimits limits_;
  std::atomic<std::uint64_t> state_{0};
  mutable std::mutex mutex_;
  FairQueue queue_;      // guarded by mutex_
  bool closed_ = false;  // guarded by mutex_
};

}  // namespace turnpike::gateway
