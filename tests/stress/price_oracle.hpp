// Random prices and usage, and what they cost by a sum that shares no code with the ledger's.
#pragma once

#include <algorithm>
#include <array>

#include "stress.hpp"

namespace turnpike::account::stress {

inline constexpr std::int64_t dearest_pico = 100'000'000;  // 100 credits per million tokens

inline Rates random_rates(std::mt19937_64& dice) {
  Rates rates;
  for (auto* rate : {&rates.input, &rates.cache_read, &rates.cache_write_5m, &rates.cache_write_1h,
                     &rates.output}) {
    *rate = draw(dice, 3) == 0 ? draw(dice, 1000) : draw(dice, dearest_pico);
  }
  rates.per_request = draw(dice, 2) == 0 ? 0 : draw(dice, 1'000'000'000);
  for (auto& rate : rates.items) rate = draw(dice, 2) == 0 ? 0 : draw(dice, 50'000'000'000);
  return rates;
}

inline PriceQuote random_quote(std::mt19937_64& dice, int number) {
  PriceQuote quote;
  quote.price_id = fmt::format("stress/model-{}@2026-01-01", number);
  quote.tier_count = static_cast<std::uint8_t>(1 + draw(dice, PriceQuote::tiers_max));
  std::int64_t above = 0;
  for (std::size_t i = 0; i < quote.tier_count; ++i) {
    quote.tiers[i] = {above, random_rates(dice)};
    above += 1 + draw(dice, 300'000);
    const auto& rates = quote.tiers[i].rates;
    auto& most = quote.ceiling;
    most.input = std::max(most.input, rates.input);
    most.cache_read = std::max(most.cache_read, rates.cache_read);
    most.cache_write_5m = std::max(most.cache_write_5m, rates.cache_write_5m);
    most.cache_write_1h = std::max(most.cache_write_1h, rates.cache_write_1h);
    most.output = std::max(most.output, rates.output);
    most.per_request = std::max(most.per_request, rates.per_request);
    for (std::size_t item = 0; item < rates.items.size(); ++item)
      most.items[item] = std::max(most.items[item], rates.items[item]);
  }
  return quote;
}

/// Nano-credits, rounded up once. Written apart from charge(): no shared tier choice, no shared
/// sum.
inline Wide oracle_cost(const PriceQuote& quote, const Usage& usage) {
  const std::array<std::int64_t, 6> counts = {
      usage.input_fresh,          usage.input_cache_read, usage.input_cache_write_5m,
      usage.input_cache_write_1h, usage.output_text,      usage.output_reasoning};
  const auto prompt = Wide{counts[0]} + counts[1] + counts[2] + counts[3];
  const auto* tier = &quote.tiers.at(0);
  for (const auto& candidate : quote.tiers) {
    if (&candidate - quote.tiers.data() >= quote.tier_count) break;
    if (prompt > candidate.prompt_tokens_above || candidate.prompt_tokens_above == 0)
      tier = &candidate;
  }
  const auto& rates = tier->rates;
  const std::array<std::int64_t, 6> prices = {rates.input,          rates.cache_read,
                                              rates.cache_write_5m, rates.cache_write_1h,
                                              rates.output,         rates.output};
  Wide pico = rates.per_request;
  for (std::size_t i = 0; i < counts.size(); ++i) pico += Wide{counts[i]} * prices[i];
  for (std::size_t i = 0; i < usage.items.size(); ++i)
    pico += Wide{usage.items[i]} * rates.items[i];
  return pico / 1000 + (pico % 1000 != 0 ? 1 : 0);
}

inline Usage random_usage(std::mt19937_64& dice) {
  Usage usage;
  for (auto* count : {&usage.input_fresh, &usage.input_cache_read, &usage.input_cache_write_5m,
                      &usage.input_cache_write_1h, &usage.output_text, &usage.output_reasoning}) {
    if (draw(dice, 3) != 0) *count = draw(dice, draw(dice, 8) == 0 ? 500'000 : 20'000);
  }
  for (auto& calls : usage.items) calls = draw(dice, 4) == 0 ? draw(dice, 20) : 0;
  return usage;
}

inline Account account_of(int number) {
  Account account;
  account.key_id = fmt::format("k{}", number % 7);
  account.org = "acme";
  account.team = number % 2 == 0 ? "search" : "ads";
  return account;
}

inline ReserveRequest request_for(const Account& account, const PriceQuote& quote) {
  ReserveRequest request;
  request.account = &account;
  request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
  request.provider = "stress";
  request.model = "model";
  request.quote = &quote;
  request.client_gave_max = true;
  return request;
}

}  // namespace turnpike::account::stress
