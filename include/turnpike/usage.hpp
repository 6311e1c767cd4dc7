// What an attempt used, as disjoint counters (no token is in two of them), and what it costs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "turnpike/credits.hpp"

namespace turnpike {

/// Tools that run at the provider and are billed by the call.
enum class ServerTool : std::uint8_t { web_search, web_fetch, code_execution, file_search };
inline constexpr std::size_t server_tools = 4;
std::string_view to_string(ServerTool tool);
/// One number for each ServerTool, in its order.
using PerServerTool = std::array<std::int64_t, server_tools>;

/// Tokens. Each dialect's own overlapping figures are taken apart in its decoder (wire-formats: disjoint counters).
struct Usage {
  std::int64_t input_fresh = 0;
  std::int64_t input_cache_read = 0;
  std::int64_t input_cache_write_5m = 0;
  std::int64_t input_cache_write_1h = 0;
  std::int64_t output_text = 0;
  std::int64_t output_reasoning = 0;
  PerServerTool items{};  // calls

  [[nodiscard]] std::int64_t input() const {
    return input_fresh + input_cache_read + input_cache_write_5m + input_cache_write_1h;
  }
  [[nodiscard]] std::int64_t output() const { return output_text + output_reasoning; }
  bool operator==(const Usage&) const = default;
};

/// Pico-credits (10^-12) per token, per request and per call of a server tool.
struct Rates {
  std::int64_t input = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
  std::int64_t output = 0;
  std::int64_t per_request = 0;
  PerServerTool items{};
  bool operator==(const Rates&) const = default;
};

/// Rates that apply to the whole request when its prompt has more than `prompt_tokens_above` tokens.
struct RateTier {
  std::int64_t prompt_tokens_above = 0;
  Rates rates;
  bool operator==(const RateTier&) const = default;
};

/// A price pinned at the decision: what was quoted is what is charged, whatever is reloaded meanwhile.
struct PriceQuote {
  static constexpr std::size_t tiers_max = 4;
  /// Names the price interval and time-of-day window, for example "deepseek/deepseek-flash@2026-09-14/peak".
  std::string price_id;
  /// Sorted by prompt_tokens_above; the first has 0. Only the first tier_count count.
  std::array<RateTier, tiers_max> tiers{};
  std::uint8_t tier_count = 1;
  /// Dearest rates that can apply, over all tiers, from now until the total time-out: for the reservation.
  Rates ceiling;

  [[nodiscard]] const Rates& rates_for(std::int64_t prompt_tokens) const {
    std::size_t chosen = 0;
    for (std::size_t i = 1; i < tier_count; ++i) {
      if (prompt_tokens > tiers[i].prompt_tokens_above) chosen = i;
    }
    return tiers[chosen].rates;
  }
  bool operator==(const PriceQuote&) const = default;
};

/// ceil(sum of count x price / 1000) nano-credits, in 128 bits, rounded once. A negative count or an overflow is an error.
Result<Credits> charge(const Rates& rates, const Usage& usage);
/// charge() with the tier that the usage's own prompt size selects.
Result<Credits> charge(const PriceQuote& quote, const Usage& usage);
/// Which prices a prompt's tokens can come to: all, or all but that of cache entries that live an hour, for a request
/// that asks for none.
enum class InputClasses : std::uint8_t { all, no_hour_cache };
/// Upper bound for a reservation: every prompt token at the dearest of its possible input classes of the ceiling.
Result<Credits> charge_bound(const PriceQuote& quote, std::int64_t prompt_tokens_max, std::int64_t output_tokens_max,
                             const PerServerTool& items_max = {}, InputClasses classes = InputClasses::all);
/// True if a counter is below zero: no provider can have meant it.
bool any_negative(const Usage& usage);

}  // namespace turnpike
