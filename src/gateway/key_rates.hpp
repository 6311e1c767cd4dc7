// How often a key may ask, and how many tokens it may use, per minute.
//
// Each limit is a bucket that holds one minute's worth and fills evenly: a key that was silent may use a minute's worth
// at once, and never more than the limit in the long run. A bucket is one instant, up to which its fill is used up.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::gateway {

/// For keys that have no limit of their own.
struct KeyRateDefaults {
  std::optional<std::int32_t> requests_per_minute;
  std::optional<std::int32_t> tokens_per_minute;
};

enum class RateKind : std::uint8_t { requests, tokens };
std::string_view to_string(RateKind kind);

struct RateRefusal {
  RateKind kind = RateKind::requests;
  std::int64_t limit = 0;            // per minute
  std::chrono::nanoseconds wait{0};  // until it would fit
};

/// Amounts of one kind, per minute; deterministic.
class RateBucket {
 public:
  /// nullopt: taken. Else how long it takes until the amount fits. What is more than a minute's worth fits a full bucket.
  std::optional<std::chrono::nanoseconds> take(std::int64_t amount, std::int64_t per_minute, Monotonic now);
  /// How long until anything can be taken; nullopt: now.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> overdrawn(Monotonic now) const;
  /// Takes more (the bucket may be overdrawn), or gives back (a negative amount).
  void correct(std::int64_t amount, std::int64_t per_minute, Monotonic now);
  /// As good as new.
  [[nodiscard]] bool full(Monotonic now) const { return used_until_ <= now; }

 private:
  /// Another limit from now on: what was taken counts as much as before, not as long.
  void suit(std::int64_t per_minute, Monotonic now);

  Monotonic used_until_{};
  std::int64_t per_minute_ = 0;  // that used_until_ was reckoned with; 0: none yet
};

/// Any thread. Keys without limits cost a comparison; others a short lock, one of several by key.
class KeyRates {
 public:
  KeyRates(KeyRateDefaults defaults, const Clock& clock) : defaults_(defaults), clock_(clock) {}

  /// One request of this key; refused also while its tokens are overdrawn.
  std::optional<RateRefusal> take_request(const Account& account);
  /// It was not served after all.
  void give_back_request(const Account& account);
  std::optional<RateRefusal> take_tokens(const Account& account, std::int64_t estimate);
  /// What the request really used, less what was taken for it.
  void correct_tokens(const Account& account, std::int64_t difference);

  [[nodiscard]] std::optional<std::int32_t> requests_of(const Account& account) const {
    return account.requests_per_minute ? account.requests_per_minute : defaults_.requests_per_minute;
  }
  [[nodiscard]] std::optional<std::int32_t> tokens_of(const Account& account) const {
    return account.tokens_per_minute ? account.tokens_per_minute : defaults_.tokens_per_minute;
  }
  /// Keys that are remembered; those whose buckets are full again are forgotten in time.
  [[nodiscard]] std::size_t remembered() const;

 private:
  struct Buckets {
    RateBucket requests;
    RateBucket tokens;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct Slice {
    mutable std::mutex mutex;
    std::unordered_map<std::string, Buckets, Hash, std::equal_to<>> keys;
    std::size_t forget_at = 64;  // keys, the next time
  };
  static constexpr std::size_t slices = 16;

  Slice& slice_of(std::string_view key) { return slices_[Hash{}(key) % slices]; }
  static Buckets& buckets_of(Slice& slice, std::string_view key, Monotonic now);

  KeyRateDefaults defaults_;
  const Clock& clock_;
  std::array<Slice, slices> slices_;
};

}  // namespace turnpike::gateway
