#include "app/price_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/price_text.hpp"

namespace turnpike::app {
namespace {

using catalog::PriceInterval;
using catalog::RateTable;

__extension__ using Wide = __int128;

constexpr int mtok_scale = 6;

struct RateClass {
  std::string_view key;
  std::int64_t Rates::* rate;
};
constexpr std::array<RateClass, 5> classes{{{"input_per_mtok", &Rates::input},
                                            {"cached_per_mtok", &Rates::cache_read},
                                            {"cache_write_5m_per_mtok", &Rates::cache_write_5m},
                                            {"cache_write_1h_per_mtok", &Rates::cache_write_1h},
                                            {"output_per_mtok", &Rates::output}}};

bool agrees(const Rates& here, const PublicRates& there) {
  return here.input == there.input && here.output == there.output &&
         here.cache_read == there.cache_read.value_or(here.cache_read) &&
         here.cache_write_5m == there.cache_write.value_or(here.cache_write_5m);
}

/// As far as the public catalog goes: tiers that it does not tell may be there.
bool agrees(const RateTable& here, const std::vector<PublicRates>& there) {
  if (there.size() == 1) return agrees(here.tiers[0].rates, there[0]);
  if (here.count != there.size()) return false;
  for (std::size_t i = 0; i < there.size(); ++i) {
    const auto& tier = here.tiers[i];
    if (tier.prompt_tokens_above != there[i].prompt_tokens_above || !agrees(tier.rates, there[i]))
      return false;
  }
  return true;
}

/// True if what the public catalog says is written down for that day or a later one: a price of the
/// interval or of one of its windows, or one that is announced.
bool is_known(const catalog::PriceSchedule& prices, Instant from,
              const std::vector<PublicRates>& there) {
  return std::ranges::any_of(prices, [&](const PriceInterval& interval) {
    if (interval.until <= from) return false;
    return agrees(interval.rates, there) ||
           std::ranges::any_of(interval.windows,
                               [&](const auto& window) { return agrees(window.rates, there); });
  });
}

/// What the public catalog does not tell stays as it stands to what it does tell: a class that cost
/// what input costs goes on to, and writing for an hour keeps its ratio to writing for 5 minutes,
/// or costs as much where there is none.
Rates merged(const Rates& old, const PublicRates& there) {
  Rates rates = old;
  const auto follow_input = [&](std::int64_t price) {
    return price == old.input ? there.input : price;
  };
  rates.input = there.input;
  rates.output = there.output;
  rates.cache_read = there.cache_read.value_or(follow_input(old.cache_read));
  rates.cache_write_5m = there.cache_write.value_or(follow_input(old.cache_write_5m));
  rates.cache_write_1h = follow_input(old.cache_write_1h);
  if (old.cache_write_5m > 0 && old.cache_write_1h != old.input) {
    const auto product = Wide{old.cache_write_1h} * rates.cache_write_5m;
    if (product % old.cache_write_5m == 0)
      rates.cache_write_1h = static_cast<std::int64_t>(product / old.cache_write_5m);
  }
  rates.cache_write_1h = std::max(rates.cache_write_1h, rates.cache_write_5m);
  return rates;
}

RateTable merged(const RateTable& old, const std::vector<PublicRates>& there) {
  RateTable table = old;
  table.count = static_cast<std::uint8_t>(there.size());
  for (std::size_t i = 0; i < there.size(); ++i) {
    const auto& base = i < old.count ? old.tiers[i].rates : old.tiers[0].rates;
    table.tiers[i] = {there[i].prompt_tokens_above, merged(base, there[i])};
  }
  return table;
}

bool implausible(std::int64_t before, std::int64_t after) {
  if (before == 0 || after == 0) return before != after;
  return after > before * plausible_factor || before > after * plausible_factor;
}

/// What a prompt above so many tokens costs.
const Rates& rates_above(const RateTable& table, std::int64_t prompt_tokens) {
  std::size_t chosen = 0;
  for (std::size_t i = 1; i < table.count; ++i)
    chosen = table.tiers[i].prompt_tokens_above <= prompt_tokens ? i : chosen;
  return table.tiers[chosen].rates;
}

struct Comparison {
  std::string text;
  bool implausible = false;
};

Comparison compared(const RateTable& before, const RateTable& after) {
  Comparison comparison;
  for (std::size_t i = 0; i < after.count; ++i) {
    const auto& old = rates_above(before, after.tiers[i].prompt_tokens_above);
    for (const auto& [key, rate] : classes) {
      const auto from = old.*rate;
      const auto to = after.tiers[i].rates.*rate;
      if (from == to) continue;
      comparison.implausible |= implausible(from, to);
      if (!comparison.text.empty()) comparison.text += ", ";
      comparison.text +=
          fmt::format("{}{} {} -> {}", key,
                      i == 0 ? "" : fmt::format(" above {}", after.tiers[i].prompt_tokens_above),
                      exact_decimal(from, mtok_scale), exact_decimal(to, mtok_scale));
    }
  }
  return comparison;
}

std::string rate_lines(const Rates& rates) {
  std::string lines;
  for (const auto& [key, rate] : classes)
    lines += fmt::format("{} = \"{}\"\n", key, exact_decimal(rates.*rate, mtok_scale));
  return lines;
}

/// A [[model.price]] without its header.
std::string interval_lines(Instant from, const RateTable& table, std::string_view note) {
  auto lines = fmt::format("from = {}\n{}", day_or_instant(from), rate_lines(table.tiers[0].rates));
  for (const auto& [name, figure] : named_rates(table.tiers[0].rates, table)) {
    const bool per_token =
        std::ranges::any_of(classes, [&name](const RateClass& known) { return known.key == name; });
    if (!per_token) lines += fmt::format("{} = \"{}\"\n", name, figure);
  }
  lines += fmt::format("note = \"{}\"\n", note);
  for (std::size_t i = 1; i < table.count; ++i)
    lines += fmt::format("[[model.price.tier]]\nprompt_tokens_above = {}\n{}",
                         table.tiers[i].prompt_tokens_above, rate_lines(table.tiers[i].rates));
  return lines;
}

/// Why the difference cannot become an interval by itself, or nothing.
std::string obstacle(const PriceInterval& now, const std::vector<PublicRates>& there,
                     const ImportRules& rules, bool ends_by_itself) {
  if (!now.windows.empty())
    return "its price has times of day, which the public catalog does not tell";
  if (now.rates.count > there.size())
    return "its price has sizes of prompts, which the public catalog does not tell";
  if (now.from == rules.from) return "a price begins on that very day already";
  if (!ends_by_itself) return "its price has an end of its own";
  return {};
}

void compare_prices(const catalog::Model& here, const PublicModel& there, const ImportRules& rules,
                    std::vector<Difference>& found) {
  const auto price = price_at(here.prices, rules.from);
  if (!price) return;  // not on sale on that day: nothing to compare with
  if (there.rates.empty()) {
    found.push_back({.finding = Finding::by_hand,
                     .target = here.target(),
                     .detail = "there " + there.unpriced});
    return;
  }
  if (is_known(here.prices, rules.from, there.rates)) return;
  const auto& now = *price->interval;
  const auto next = std::ranges::find_if(
      here.prices, [&](const PriceInterval& interval) { return interval.from >= now.until; });
  const bool ends_by_itself =
      now.until == catalog::forever ||
      (next != here.prices.end() && next->from == now.until && !now.promotion) ||
      (here.retired_at && *here.retired_at == now.until);
  const auto table = merged(now.rates, there.rates);
  const auto comparison = compared(now.rates, table);
  Difference difference{.target = here.target(), .detail = comparison.text};
  if (const auto why = obstacle(now, there.rates, rules, ends_by_itself); !why.empty()) {
    difference.finding = Finding::by_hand;
    difference.detail += "; " + why;
  } else if (comparison.implausible && !rules.force) {
    difference.finding = Finding::implausible;
  } else {
    difference.lines = interval_lines(
        rules.from, table,
        "imported from models.dev" + (there.updated.empty() ? "" : ", as of " + there.updated));
  }
  found.push_back(std::move(difference));
}

void compare_limit(const catalog::Model& here, std::string_view key, std::int64_t mine,
                   std::int64_t theirs, std::vector<Difference>& found) {
  if (theirs == 0 || theirs == mine) return;
  found.push_back({.finding = Finding::limit,
                   .target = here.target(),
                   .detail = fmt::format("{} {} -> {}", key, mine, theirs),
                   .key = std::string{key},
                   .value = theirs});
}

}  // namespace

std::string_view to_string(Finding finding) {
  switch (finding) {
    case Finding::change:
      return "change";
    case Finding::limit:
      return "limit";
    case Finding::implausible:
      return "implausible";
    case Finding::by_hand:
      return "by_hand";
  }
  return "unknown";
}

std::vector<Difference> compare_model(const catalog::Model& here, const PublicModel& there,
                                      const ImportRules& rules) {
  std::vector<Difference> found;
  compare_prices(here, there, rules, found);
  compare_limit(here, "context_tokens", here.context_tokens, there.context_tokens, found);
  compare_limit(here, "output_tokens_max", here.output_tokens_max, there.output_tokens_max, found);
  return found;
}

std::optional<std::string> model_lines(const PublicModel& model, Instant from) {
  if (model.rates.empty() || model.context_tokens == 0 || model.output_tokens_max == 0)
    return std::nullopt;
  static constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+/-";
  if (model.id.empty() || model.id.find_first_not_of(plain) != std::string::npos)
    return std::nullopt;
  std::vector<std::string_view> can;
  const auto add = [&can](bool has, std::string_view word) {
    if (has) can.push_back(word);
  };
  add(model.tools, "\"tools\"");
  add(model.parallel_tools, "\"parallel_tools\"");
  add(model.images, "\"vision\"");
  add(model.documents, "\"documents\"");
  add(model.audio, "\"audio\"");
  add(model.json_schema, "\"json_schema\"");
  add(model.reasoning, "\"reasoning\"");
  Rates same_as_input;
  same_as_input.cache_read = same_as_input.cache_write_5m = same_as_input.cache_write_1h =
      same_as_input.input;
  RateTable empty;
  empty.tiers[0].rates = same_as_input;
  return fmt::format(
      "id = \"{}\"\ncontext_tokens = {}\noutput_tokens_max = {}\ncapabilities = [{}]\nas_of = "
      "{}\nsource = \"https://models.dev\"\n\n"
      "[[model.price]]\n{}",
      model.id, model.context_tokens, model.output_tokens_max, fmt::join(can, ", "),
      parse_instant(model.updated) ? model.updated : day_or_instant(from).substr(0, 10),
      interval_lines(from, merged(empty, model.rates), "imported from models.dev"));
}

}  // namespace turnpike::app
