#include "policy/expected_cost.hpp"

#include <algorithm>
#include <cmath>

namespace turnpike::policy {
namespace {

const Rates& rates_for(const catalog::RateTable& table, std::int64_t prompt) {
  std::size_t chosen = 0;
  for (std::size_t i = 1; i < table.count; ++i) {
    if (prompt > table.tiers[i].prompt_tokens_above) chosen = i;
  }
  return table.tiers[chosen].rates;
}

/// A chance of so many tokens, as tokens. Not a number, below 0 and above 1 count as none and all.
std::int64_t share_of(std::int64_t tokens, float chance) {
  if (!(chance > 0)) return 0;
  return std::llround(static_cast<double>(tokens) * static_cast<double>(std::min(chance, 1.0F)));
}

constexpr std::int64_t steps_after_max = 1000;

}  // namespace

const TargetPace* pace_of(const RouteInputs& inputs, std::string_view target) {
  const auto found = std::lower_bound(inputs.paces.begin(), inputs.paces.end(), target,
                                      [](const TargetPace& pace, std::string_view name) { return pace.target < name; });
  return found != inputs.paces.end() && found->target == target ? &*found : nullptr;
}

std::int64_t likely_prompt_tokens(const RequestFacts& facts) { return facts.text_bytes / 4 + 1; }

CostOutlook::CostOutlook(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation)
    : catalog_(catalog), s_(situation) {
  const float learned = situation.inputs.steps_left;
  steps_after_ = learned > 0 ? std::llround(std::min(learned, static_cast<float>(steps_after_max)))
                             : std::int64_t{policy.switching.steps_expected} - 1;
  if (situation.inputs.output_tokens >= 1) output_ = std::llround(situation.inputs.output_tokens);
  if (situation.facts.output_tokens_max) output_ = std::min(output_, std::max<std::int64_t>(1, *situation.facts.output_tokens_max));
}

/// What the steps so far have added on average. A first turn's prompt says little; a tenth of it is taken at most.
std::int64_t CostOutlook::growth_bytes() const {
  const auto& facts = s_.facts;
  const std::int64_t talk = std::max<std::int64_t>(0, facts.text_bytes - facts.trail.head_bytes);
  return talk / std::max(10, facts.trace.assistant_turns + 1);
}

std::optional<Prospect> CostOutlook::prospect(const catalog::Model& model, std::string_view target) const {
  const auto price = catalog::price_at(model.prices, s_.now);
  if (!price) return std::nullopt;
  Prospect prospect;
  prospect.model = &model;
  prospect.rates = price->rates;
  prospect.marked = catalog_.provider_of(model).cache_marked;
  const auto* pace = pace_of(s_.inputs, target);
  const bool measured = pace != nullptr && pace->tokens_per_byte > 0;
  const double per_byte = measured ? static_cast<double>(pace->tokens_per_byte) : 0.25;
  prospect.prompt = std::llround(static_cast<double>(s_.facts.text_bytes) * per_byte) + 1;
  prospect.growth = std::llround(static_cast<double>(growth_bytes()) * per_byte);
  if (pace != nullptr) prospect.cache_hit = pace->cache_hit;
  float alive = 1;
  const auto& warm = s_.inputs.warm;
  const auto found = std::find_if(warm.begin(), warm.end(), [&](const Warmth& w) { return w.target == target; });
  if (found != warm.end()) {
    prospect.held = found->cached_tokens;
    alive = found->alive;
  } else if (s_.inputs.stay && s_.inputs.stay->target == target) {
    prospect.held = s_.inputs.stay->cached_tokens;
  }
  prospect.prompt = std::max(prospect.prompt, prospect.held);
  prospect.readable = share_of(prospect.held, alive);
  return prospect;
}

Credits CostOutlook::cost(const Prospect& prospect, std::int64_t prompt, std::int64_t cached, std::int64_t output) const {
  const Rates& rates = rates_for(*prospect.rates, prompt);
  Usage usage;
  usage.input_cache_read = std::clamp<std::int64_t>(cached, 0, prompt);
  const std::int64_t fresh = prompt - usage.input_cache_read;
  auto& written = !prospect.marked ? usage.input_fresh : s_.facts.hour_cache ? usage.input_cache_write_1h : usage.input_cache_write_5m;
  written = fresh;
  usage.output_text = output;
  return charge(rates, usage).value_or(Credits::max());
}

Credits CostOutlook::later_steps(const Prospect& prospect, std::int64_t steps) const {
  if (steps <= 0) return {};
  // All at the size of the one in the middle.
  const std::int64_t before = prospect.prompt + prospect.growth * (steps - 1) / 2;
  const Credits one = cost(prospect, before + prospect.growth, share_of(before, prospect.cache_hit), output_);
  std::int64_t all = 0;
  if (__builtin_mul_overflow(one.nano(), steps, &all)) return Credits::max();
  return Credits::from_nano(all);
}

Credits CostOutlook::more_output(const Prospect& prospect, std::int64_t tokens) const {
  Usage usage;
  usage.output_text = tokens;
  return charge(rates_for(*prospect.rates, prospect.prompt), usage).value_or(Credits::max());
}

}  // namespace turnpike::policy
