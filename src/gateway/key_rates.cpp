#include "gateway/key_rates.hpp"

#include <algorithm>
#include <utility>

namespace turnpike::gateway {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds window = std::chrono::minutes{1};
/// Keeps every product below inside 64 bits; no prompt comes near.
constexpr std::int64_t amount_max = 100'000'000;
/// One request far above its estimate does not lock its key out for longer.
constexpr nanoseconds debt_max = std::chrono::hours{1};

/// The time in which a bucket of this limit gains so much.
nanoseconds worth(std::int64_t amount, std::int64_t per_minute) {
  return nanoseconds{std::clamp(amount, -amount_max, amount_max) * window.count() / per_minute};
}

}  // namespace

std::string_view to_string(RateKind kind) { return kind == RateKind::requests ? "requests" : "tokens"; }

void RateBucket::suit(std::int64_t per_minute, Monotonic now) {
  const auto before = std::exchange(per_minute_, per_minute);
  if (before == 0 || before == per_minute || used_until_ <= now) return;
  const auto scaled = static_cast<double>((used_until_ - now).count()) * static_cast<double>(before) / static_cast<double>(per_minute);
  const auto most = static_cast<double>(nanoseconds{window + debt_max}.count());
  used_until_ = now + nanoseconds{static_cast<std::int64_t>(std::min(scaled, most))};
}

std::optional<nanoseconds> RateBucket::take(std::int64_t amount, std::int64_t per_minute, Monotonic now) {
  suit(per_minute, now);
  const Monotonic after = std::max(used_until_, now) + std::min(worth(amount, per_minute), window);
  if (after > now + window) return after - now - window;
  used_until_ = after;
  return std::nullopt;
}

std::optional<nanoseconds> RateBucket::overdrawn(Monotonic now) const {
  if (used_until_ < now + window) return std::nullopt;
  return used_until_ - now - window + nanoseconds{1};
}

void RateBucket::correct(std::int64_t amount, std::int64_t per_minute, Monotonic now) {
  suit(per_minute, now);
  used_until_ = std::min(std::max(used_until_, now) + worth(amount, per_minute), now + window + debt_max);
}

KeyRates::Buckets& KeyRates::buckets_of(Slice& slice, std::string_view key, Monotonic now) {
  if (const auto found = slice.keys.find(key); found != slice.keys.end()) return found->second;
  if (slice.keys.size() >= slice.forget_at) {
    std::erase_if(slice.keys, [now](const auto& entry) { return entry.second.requests.full(now) && entry.second.tokens.full(now); });
    slice.forget_at = std::max<std::size_t>(64, 2 * slice.keys.size());
  }
  return slice.keys.emplace(std::string{key}, Buckets{}).first->second;
}

std::optional<RateRefusal> KeyRates::take_request(const Account& account) {
  const auto requests = requests_of(account);
  const auto tokens = tokens_of(account);
  if (!requests && !tokens) return std::nullopt;
  const Monotonic now = clock_.monotonic();
  Slice& slice = slice_of(account.key_id);
  const std::lock_guard lock{slice.mutex};
  Buckets& buckets = buckets_of(slice, account.key_id, now);
  if (tokens) {
    if (const auto wait = buckets.tokens.overdrawn(now)) return RateRefusal{RateKind::tokens, *tokens, *wait};
  }
  if (!requests) return std::nullopt;
  if (const auto wait = buckets.requests.take(1, *requests, now)) return RateRefusal{RateKind::requests, *requests, *wait};
  return std::nullopt;
}

void KeyRates::give_back_request(const Account& account) {
  const auto limit = requests_of(account);
  if (!limit) return;
  const Monotonic now = clock_.monotonic();
  Slice& slice = slice_of(account.key_id);
  const std::lock_guard lock{slice.mutex};
  buckets_of(slice, account.key_id, now).requests.correct(-1, *limit, now);
}

std::optional<RateRefusal> KeyRates::take_tokens(const Account& account, std::int64_t estimate) {
  const auto limit = tokens_of(account);
  if (!limit) return std::nullopt;
  const Monotonic now = clock_.monotonic();
  Slice& slice = slice_of(account.key_id);
  const std::lock_guard lock{slice.mutex};
  if (const auto wait = buckets_of(slice, account.key_id, now).tokens.take(estimate, *limit, now))
    return RateRefusal{RateKind::tokens, *limit, *wait};
  return std::nullopt;
}

void KeyRates::correct_tokens(const Account& account, std::int64_t difference) {
  const auto limit = tokens_of(account);
  if (!limit || difference == 0) return;
  const Monotonic now = clock_.monotonic();
  Slice& slice = slice_of(account.key_id);
  const std::lock_guard lock{slice.mutex};
  buckets_of(slice, account.key_id, now).tokens.correct(difference, *limit, now);
}

std::size_t KeyRates::remembered() const {
  std::size_t sum = 0;
  for (const Slice& slice : slices_) {
    const std::lock_guard lock{slice.mutex};
    sum += slice.keys.size();
  }
  return sum;
}

}  // namespace turnpike::gateway
