// What the shadow runs of all loops share: how many are under way, when to leave a provider alone, where pairs go.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "turnpike/clock.hpp"
#include "turnpike/shadow.hpp"

namespace turnpike::gateway {

/// Any thread. Outlives every gateway that is given it.
class ShadowHub {
 public:
  /// `keep` takes finished pairs; any thread, must not wait.
  explicit ShadowHub(std::function<void(ShadowPair)> keep) : keep_(std::move(keep)) {}

  /// Closed until the budget that caps the runs has been set.
  void open(bool funded) { open_.store(funded, std::memory_order_release); }
  [[nodiscard]] bool is_open() const { return open_.load(std::memory_order_acquire); }

  /// One of the places that may be under way at once. Empty: none was free.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept : hub_(std::exchange(other.hub_, nullptr)) {}
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() {
      if (hub_ != nullptr) hub_->under_way_.fetch_sub(1, std::memory_order_relaxed);
    }
    explicit operator bool() const { return hub_ != nullptr; }

   private:
    friend class ShadowHub;
    explicit Place(ShadowHub* hub) : hub_(hub) {}
    ShadowHub* hub_ = nullptr;
  };
  Place take_place(std::int32_t places) {
    if (under_way_.fetch_add(1, std::memory_order_relaxed) < places) return Place{this};
    under_way_.fetch_sub(1, std::memory_order_relaxed);
    return {};
  }

  /// A provider has refused for overload: nothing is sent before then, so that shadow runs take no rate from clients.
  void back_off(Monotonic until) { quiet_until_ns_.store(until.time_since_epoch().count(), std::memory_order_relaxed); }
  [[nodiscard]] bool backing_off(Monotonic now) const {
    return now.time_since_epoch().count() < quiet_until_ns_.load(std::memory_order_relaxed);
  }

  void keep(ShadowPair pair) const { keep_(std::move(pair)); }

  void waiting(std::int64_t more) { waiting_.fetch_add(more, std::memory_order_relaxed); }
  struct Figures {
    std::int64_t waiting = 0;
    std::int64_t under_way = 0;
  };
  [[nodiscard]] Figures figures() const {
    return {waiting_.load(std::memory_order_relaxed), under_way_.load(std::memory_order_relaxed)};
  }

 private:
  std::function<void(ShadowPair)> keep_;
  std::atomic<bool> open_{false};
  std::atomic<std::int32_t> under_way_{0};
  std::atomic<std::int64_t> waiting_{0};
  std::atomic<Monotonic::rep> quiet_until_ns_{0};
};

}  // namespace turnpike::gateway
