#include "gateway/rate_headroom.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string_view>

namespace turnpike::gateway {
namespace {

constexpr std::chrono::seconds without_reset{60};
constexpr std::chrono::seconds reset_max{3600};
constexpr std::chrono::seconds refused_for{10};

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value < 1e15)) return std::nullopt;
  return value;
}

/// "6m0s", "1.5s", "20ms": what Go writes of a duration. nullopt: something else.
std::optional<std::chrono::microseconds> duration_of(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 4> units{{{"ms", 1e3}, {"h", 3.6e9}, {"m", 6e7}, {"s", 1e6}}};
  double sum = 0;
  while (!text.empty()) {
    const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const auto value = number_of(text.substr(0, digits));
    text.remove_prefix(digits);
    const auto unit = std::ranges::find_if(units, [&](const auto& one) { return text.starts_with(one.first); });
    if (!value || unit == units.end() || *value > 1e6) return std::nullopt;
    sum += *value * unit->second;
    text.remove_prefix(unit->first.size());
  }
  return std::chrono::microseconds{static_cast<std::int64_t>(sum)};
}

/// An instant, a duration, seconds from now or seconds since the epoch.
std::optional<Instant> reset_of(std::string_view text, Instant now) {
  if (text.empty()) return std::nullopt;
  if (const auto instant = parse_instant(text)) return *instant;
  if (const auto span = duration_of(text)) return now + *span;
  const auto seconds = number_of(text);
  if (!seconds) return std::nullopt;
  constexpr double epochs = 1e9;  // from here on it cannot be meant as a span
  const auto whole = std::chrono::seconds{static_cast<std::int64_t>(std::min(*seconds, 1e11))};
  return *seconds >= epochs ? Instant{whole} : now + whole;
}

/// One of the limits, by what its three headers are called.
struct Limit {
  std::string_view limit;
  std::string_view remaining;
  std::string_view reset;
  std::string_view used;  // a share of 0..1, where a service tells that instead
};

constexpr std::array<Limit, 9> limits{{
    {"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset", {}},
    {"anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset", {}},
    {"anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset", {}},
    {"anthropic-ratelimit-output-tokens-limit", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset", {}},
    {{}, {}, "anthropic-ratelimit-unified-5h-reset", "anthropic-ratelimit-unified-5h-utilization"},
    {{}, {}, "anthropic-ratelimit-unified-7d-reset", "anthropic-ratelimit-unified-7d-utilization"},
    {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", {}},
    {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", {}},
    {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", {}},
}};

std::string_view value_of(const HeaderList& headers, std::string_view name) {
  if (name.empty()) return {};
  const auto found = std::ranges::find(headers, name, [](const auto& header) { return std::string_view{header.first}; });
  return found == headers.end() ? std::string_view{} : std::string_view{found->second};
}

std::optional<float> left_of(const HeaderList& headers, const Limit& limit) {
  if (!limit.used.empty()) {
    const auto used = number_of(value_of(headers, limit.used));
    if (!used) return std::nullopt;
    return static_cast<float>(1 - std::min(1.0, *used));
  }
  const auto most = number_of(value_of(headers, limit.limit));
  const auto left = number_of(value_of(headers, limit.remaining));
  if (!most || !left || *most <= 0) return std::nullopt;
  return static_cast<float>(std::min(1.0, *left / *most));
}

}  // namespace

std::optional<Headroom> headroom_of(const HeaderList& headers, Instant now) {
  std::optional<Headroom> scarcest;
  for (const auto& limit : limits) {
    const auto left = left_of(headers, limit);
    if (!left || (scarcest && scarcest->left <= *left)) continue;
    const auto reset = reset_of(value_of(headers, limit.reset), now).value_or(now + without_reset);
    scarcest = Headroom{*left, std::clamp(reset, now, now + reset_max)};
  }
  return scarcest;
}

Headroom exhausted(std::optional<std::int64_t> retry_after_s, Instant now) {
  const auto wait = retry_after_s ? std::chrono::seconds{std::clamp<std::int64_t>(*retry_after_s, 0, reset_max.count())} : refused_for;
  return {0, now + wait};
}

}  // namespace turnpike::gateway
